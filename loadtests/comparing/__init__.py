"""Many short runs: the capacity of a server, and a server against what it was."""
