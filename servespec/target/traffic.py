"""Traffic that checks, load tests and experiments send: bursts."""

from .burst import Pending, Volley, burst, must_be_close, open_burst

__all__ = ["Pending", "Volley", "burst", "must_be_close", "open_burst"]
