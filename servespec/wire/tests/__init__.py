"""Tests of the codecs: against golden bytes, against themselves, against `tritonclient`."""
