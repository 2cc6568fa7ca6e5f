"""How properties are tried here: on a busy machine too, leaving nothing behind."""

from hypothesis import settings

__all__ = ["EXAMPLES"]

EXAMPLES = settings(max_examples=100, deadline=None, database=None)
