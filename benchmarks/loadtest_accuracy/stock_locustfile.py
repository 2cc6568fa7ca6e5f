"""Locust as most people use it: fifty users of FastHttpUser, each at its share of the rate."""

import json
import os
import time
from itertools import count
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task

BODY = (Path(__file__).parent / "request.json").read_text(encoding="utf-8")
HEADERS = {"Content-Type": "application/json"}
USERS = 50
NUMBERS = count()


class Asking(FastHttpUser):
    """Asks as often as fifty of it have to, to come to RATE a second."""

    wait_time = constant_throughput(float(os.environ["RATE"]) / USERS)
    network_timeout = connection_timeout = float(os.environ["TIMEOUT"])

    @task
    def ask(self) -> None:
        """Send one request, with its number."""
        headers = {**HEADERS, "X-Request-Id": str(next(NUMBERS))}
        self.client.post("/v2/models/identity_fp32/infer", data=BODY, headers=headers)


class Cost:
    """What the requests take that are sent after all users are there."""

    def begin(self, **_: Any) -> None:
        """Begin to count."""
        self._begun = time.monotonic()
        self._cpu = time.process_time()
        self._asked = next(NUMBERS)

    def end(self, **_: Any) -> None:
        """Write what it came to."""
        asked = next(NUMBERS) - self._asked - 1
        cpu = (time.process_time() - self._cpu) / asked
        told = {"rate": asked / (time.monotonic() - self._begun), "cpu_microseconds": cpu * 1e6}
        Path(os.environ["COST"]).write_text(json.dumps(told), encoding="utf-8")


COST = Cost()
events.spawning_complete.add_listener(COST.begin)  # type: ignore[no-untyped-call]
events.test_stopping.add_listener(COST.end)  # type: ignore[no-untyped-call]
