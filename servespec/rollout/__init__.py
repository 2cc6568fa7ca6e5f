"""Versions on the move: who gets which, changed while they serve."""
