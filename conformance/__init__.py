"""Checks that a model server keeps its protocol: one module for each section of what is specified."""
