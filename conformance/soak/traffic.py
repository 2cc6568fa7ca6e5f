"""Mixed traffic for as long as it is wanted: every answer is held to its own question."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import grpc
import numpy as np

from servespec.target.exchange import Exchange, RequestBytes
from servespec.target.outcomes import Nonconformance
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Question, burst, constant, driving
from servespec.wire import proto as pb

from ..malformed import BROKEN_JSON, MALFORMED, MISNESTED, NO_REQUESTS
from ..strategies import request, tensor

__all__ = ["FIXTURES", "exchange_for"]

RATE = 50.0
"""Requests a second that are right: a fraction of what any server bears."""
PAUSE = 0.1
"""Seconds between two volleys of requests that are wrong."""
SLICE = 60.0
"""Seconds of traffic whose ledger is kept at a time: our own memory is bounded too."""
TIMEOUT = 10.0
WIDTHS = {"identity_fp32": 16_384, "row_sum": 8, "witness": 1}
"""Elements of a request."""
FIXTURES = tuple(WIDTHS)
NUMBERS = 100_000
"""Requests until the numbers are used again: sums of them are exact in FP32."""

_Input = pb.ModelInferRequest.InferInputTensor


def exchange_for(target: Target, seconds: float) -> int:
    """Ask, rightly and wrongly, for so long; return how many requests there were.

    FAIL when one of them has no answer, or another one than it has to have.
    """
    asked, end = 0, time.monotonic() + seconds
    volleys = cycle(_volleys(target))
    while (left := end - time.monotonic()) > 0:
        schedule = constant(RATE, min(left, SLICE))
        question = partial(_right, target, asked)
        with driving(target.rest, schedule, question, timeout=TIMEOUT) as driven:
            until = time.monotonic() + min(left, SLICE)
            while time.monotonic() < until:
                asked += _wrong(target, next(volleys)) + _over_grpc(target, asked)
                time.sleep(PAUSE)
        asked += _all_answered(driven.ledger)
    return asked


def _right(target: Target, first: int, index: int) -> Question:
    """A request whose numbers no other one has."""
    number = first + index
    fixture = FIXTURES[number % len(FIXTURES)]
    width = WIDTHS[fixture]
    values = np.arange(width) % 7 + float(number % NUMBERS)
    expected = values.tolist()
    if fixture == "row_sum":
        expected = [float((values * np.arange(1, width + 1)).sum())]
    body = request(tensor("x", "FP32", [1, width], values.tolist()), id=str(number))

    def own(exchange: Exchange) -> str | None:
        came, id = exchange.array("y").ravel(), exchange.answer("id")
        same = came.tolist() == expected and id == str(number)
        return None if same else f"{number} got id {id} and {came[:3]}"

    return Question(str(number), target.rest.message(fixture, body), own)


def _volleys(target: Target) -> Sequence[list[RequestBytes]]:
    """Requests that are refused, eight at a time."""
    bodies: list[bytes | Mapping[str, Any]]
    bodies = [*MALFORMED.values(), *BROKEN_JSON, *NO_REQUESTS, b"[" * 50_000]
    bodies += [request(tensor("x", "FP32", [2, 2], data)) for data in MISNESTED]
    messages = [target.rest.message("identity_fp32", body) for body in bodies]
    gzipped = {"Content-Encoding": "gzip"}
    messages += [
        target.rest.message("identity_fp32", bytes(9), headers=gzipped),
        target.rest.message("identity_fp32", b"{}", version="99"),
    ]
    return [messages[start : start + 8] for start in range(0, len(messages), 8)]


def _wrong(target: Target, volley: Sequence[RequestBytes]) -> int:
    for exchange in burst(target.rest, volley, timeout=TIMEOUT).exchanges:
        exchange.must_be_client_error()
    return len(volley)


def _over_grpc(target: Target, number: int) -> int:
    """One call that is right, and two that are not."""
    sent = np.float32(number % NUMBERS).tobytes()
    x = _Input(name="x", datatype="FP32", shape=[1, 1])
    came = target.grpc.infer("identity_fp32", inputs=[x], raw=[sent]).array("y")
    if came.tobytes() != sent:
        raise Nonconformance(f"over gRPC {number % NUMBERS} came back as {came.tolist()}")
    target.grpc.infer("identity_fp32", inputs=[x], raw=[sent + sent]).must_be_refused()
    target.grpc.call("ModelInfer", b"\xff\xff").must_be(grpc.StatusCode.INVALID_ARGUMENT)
    return 3


def _all_answered(ledger: Ledger) -> int:
    """FAIL unless each request of a drive got its own answer; return their count."""
    wrong = [row for row in ledger.rows if row.outcome is not Outcome.ANSWERED]
    if wrong:
        row = wrong[0]
        raise Nonconformance(
            f"{len(wrong)} of {len(ledger.rows)} requests were not answered rightly, the first:"
            f" {row.outcome} {row.detail}"
        )
    return len(ledger.rows)
