"""Traffic that checks, load tests and experiments send: schedules, bursts, drives, the ledger."""

from .burst import Pending, Volley, burst, must_be_close, open_burst, read_all
from .drive import Drive, Question, drive, driving
from .ledger import Ledger, Outcome, Row
from .schedules import constant, poisson

__all__ = [
    "Drive",
    "Ledger",
    "Outcome",
    "Pending",
    "Question",
    "Row",
    "Volley",
    "burst",
    "constant",
    "drive",
    "driving",
    "must_be_close",
    "open_burst",
    "poisson",
    "read_all",
]
