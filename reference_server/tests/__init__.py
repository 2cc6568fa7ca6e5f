"""The reference server, from its parts to the whole process."""
