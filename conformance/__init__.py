"""Checks that a model server keeps its protocol: one module a section of what is specified."""
