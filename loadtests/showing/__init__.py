"""A run for people and for other tools: terminal, pages, files."""
