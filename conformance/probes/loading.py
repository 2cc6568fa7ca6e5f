"""What a starting server is asked about the models that load slowly, or not at all."""

import time
from collections.abc import Callable

from servespec.target.exchange import Exchange
from servespec.target.instance import Instance

from ..strategies import SCALAR, request
from .kubelet import polled

__all__ = ["NOT_SERVED", "answers_until_settled", "identity", "must_name", "says_false"]

NOT_SERVED = "the model was not served"

SETTLED_SECONDS = 6.0
"""Harness: how long a server is watched after its first answer, unless it claims to be faster.

One that answers before it loads may yet have to start the process that does, and to give up.
"""

SILENT_SECONDS = 60.0
"""Harness: how long a server whose only model is broken may answer nothing and not exit."""


def identity(instance: Instance, model: str) -> Exchange:
    """The smallest inference on a model that gives back what it is given."""
    return instance.target.rest.infer(model, request(SCALAR))


def says_false(exchange: Exchange) -> bool:
    """Whether an answer about health is false: by its body, or by any status but 200."""
    if exchange.failure is not None:
        return False
    if exchange.status != 200:
        return True
    try:
        body = exchange.json()
    except AssertionError:  # no JSON: an empty body is true
        return False
    return isinstance(body, dict) and body.get("ready", body.get("live")) is False


def answers_until_settled(instance: Instance, ask: Callable[[], Exchange]) -> list[Exchange]:
    """What is answered from the start until all is loaded or given up, or until the exit."""
    settled = instance.target.claim("probes", "settled_seconds", SETTLED_SECONDS)
    answers: list[Exchange] = []
    deadline = time.monotonic() + SILENT_SECONDS
    for exchange in polled(ask, SILENT_SECONDS + settled):
        if exchange.failure is None:
            if not answers:
                deadline = time.monotonic() + settled
            answers.append(exchange)
        if time.monotonic() > deadline or instance.alive():
            break
    return answers


def must_name(exchange: Exchange, model: str) -> None:
    """FAIL unless the refusal is 503, or a client error that names the model."""
    status = exchange.must_answer_at_all().status
    assert status == 503 or 400 <= status < 500, f"{exchange.asked}: answered {status}"
    named = status == 503 or model in exchange.body.decode(errors="replace")
    assert named, f"{exchange.asked}: the answer {status} does not name the model {model}"
