"""What the generator itself takes: a bare loop, and a server that does nothing."""
