"""A model server over the Open Inference Protocol: what the suites are tried on."""
