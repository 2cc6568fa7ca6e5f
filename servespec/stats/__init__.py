"""Statistics of load tests and rollouts: numbers in, numbers out. No verdicts here."""
