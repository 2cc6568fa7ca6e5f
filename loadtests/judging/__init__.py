"""What a run was worth and what came of it: numbers in, verdicts out."""
