"""Tests of how the judged server is started, spoken to and read."""
