"""Bytes to values and back, for every plane of the Open Inference Protocol. No I/O happens here."""
