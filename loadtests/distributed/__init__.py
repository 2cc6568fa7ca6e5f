"""One schedule for many processes: workers send, the master merges."""
