"""How fast the reference server is; not a test."""
