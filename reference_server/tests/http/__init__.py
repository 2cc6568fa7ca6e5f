"""The HTTP layer, judged over raw sockets."""
