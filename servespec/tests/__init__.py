"""Tests of the plugin, the command line and the wheel."""
