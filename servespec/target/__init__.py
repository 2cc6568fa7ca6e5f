"""The judged server: how it is started, spoken to and read."""
