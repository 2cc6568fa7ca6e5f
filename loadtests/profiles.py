"""Load tests by name: what each is for, and what it sends unless it is told otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A load test with a name.

    Attributes:
        purpose: what it is for, in a sentence.
        options: what it sets, by the names of the command line's options.
    """

    purpose: str
    options: Mapping[str, Any] = field(default_factory=dict)


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(
        "Does it answer at all, and in what order of time? No verdict about a tail.",
        {"arrivals": "constant", "rate": 20.0, "seconds": 5.0},
    ),
    "tail": Profile(
        "The percentiles under independent callers: 6,000 requests, enough for a p99.9 well kept "
        "if neighbours in time are not alike.",
        {"arrivals": "poisson", "rate": 100.0, "seconds": 60.0},
    ),
    "burst": Profile(
        "The same number of requests in bursts: what queues and batches make of them.",
        {"arrivals": "gamma:3", "rate": 100.0, "seconds": 60.0},
    ),
    "spike": Profile(
        "Five times the rate for a tenth of the time: overload, and the way back.",
        {"arrivals": "spike:5", "rate": 50.0, "seconds": 60.0},
    ),
    "soak": Profile(
        "A day in half an hour: what grows, leaks or tires.",
        {"arrivals": "diurnal:0.5", "rate": 50.0, "seconds": 1800.0},
    ),
    "cache": Profile(
        "Mostly duplicates, by Zipf's law, to the model whose answers may be kept.",
        {"arrivals": "poisson", "rate": 100.0, "seconds": 60.0, "workload": "zipf"},
    ),
    "server": Profile(
        "MLPerf's Server: Poisson arrivals at the rate that the objective has to hold at.",
        {"arrivals": "server", "rate": 100.0, "seconds": 60.0},
    ),
    "offline": Profile(
        "MLPerf's Offline: everything at once, for the throughput alone; 1,000 requests.",
        {"arrivals": "offline", "rate": 100.0, "seconds": 10.0, "answer_seconds": 60.0},
    ),
    "single-stream": Profile(
        "MLPerf's SingleStream, a CLOSED LOOP: one request after the other, for their p90.",
        {"arrivals": "single-stream", "rate": 500.0, "seconds": 60.0},
    ),
    "multi-stream": Profile(
        "MLPerf's MultiStream, a CLOSED LOOP: eight at once, then the next eight, for their p99.",
        {"arrivals": "multi-stream:8", "rate": 1000.0, "seconds": 60.0},
    ),
}
"""All are open loops but the last two, which ask the next question only when the last one is
answered: a slow answer delays the questions that would have found the server slow. Their times
cannot be held against an objective of open traffic; they tell the one percentile that MLPerf
reports. Their rate is the most that they ask, on the whole."""
