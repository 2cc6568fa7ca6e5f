"""What is asked: distinct requests, encoded once, and which of them each of a schedule is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from servespec.fixtures.digits import digits_rows
from servespec.wire.messages import InferRequest, Tensor

from .plan import PlanError
from .sentences import lengths, padded

__all__ = ["WORKLOADS", "Question", "Workload", "computing", "workload_of"]

_DISTINCT = 64
_ZIPF = 1.1  # the exponent of how often each is asked: some hold half of all traffic
_POISONED = 0.01
_WIDTHS = (1, 16, 256, 4096)
"""Elements of a small, usual, large and very large row."""
_WIDTH_SHARES = (0.5, 0.3, 0.15, 0.05)
_ITERATIONS = 60
"""Of `coalesced`, some 5 ms of one core."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and what is right about its answer.

    Attributes:
        poisoned: the model raises for it; the right answer is an error.
    """

    request: InferRequest
    poisoned: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """Questions, and how they are mixed.

    Attributes:
        questions: distinct ones.
        shares: how often each is asked, adding up to 1.
    """

    questions: tuple[Question, ...]
    shares: np.ndarray

    def choice(self, count: int, seed: int) -> np.ndarray:
        """Which question each of `count` requests is, the same for the same seed."""
        random = np.random.default_rng([seed, count])
        return random.choice(len(self.questions), count, p=self.shares)


Make = Callable[[np.random.Generator], Workload]


def workload_of(name: str, seed: int) -> Workload:
    """Return a workload by its name.

    Raises:
        PlanError: it is unknown.
    """
    if name not in WORKLOADS:
        raise PlanError(f"workload: expected one of {', '.join(WORKLOADS)}, found {name!r}")
    return WORKLOADS[name](np.random.default_rng(seed))


def _even(*questions: Question) -> Workload:
    return Workload(questions, np.full(len(questions), 1 / len(questions)))


def _fp32(model: str, array: np.ndarray) -> InferRequest:
    return InferRequest(model, (Tensor("x", "FP32", array.astype(np.float32)),))


def _identity(random: np.random.Generator) -> Workload:
    return _even(*(Question(_fp32("identity_fp32", random.random((1, 16)))) for _ in range(8)))


def _image(random: np.random.Generator) -> Workload:
    return _even(Question(_fp32("identity_fp32", random.random((1, 3 * 224 * 224)))))


def _digits(_random: np.random.Generator) -> Workload:
    rows, _ = digits_rows()
    return _even(*(Question(_fp32("digits_fp32", row[None])) for row in rows[:_DISTINCT]))


def _mixed(random: np.random.Generator) -> Workload:
    rows = (random.random((1, width)) for width in _WIDTHS)
    return Workload(
        tuple(Question(_fp32("identity_fp32", row)) for row in rows), np.array(_WIDTH_SHARES)
    )


def _zipf(random: np.random.Generator) -> Workload:
    weights = np.arange(1, 16 * _DISTINCT + 1) ** -_ZIPF
    rows = random.random((len(weights), 1, 1))
    questions = tuple(Question(_fp32("cached", row)) for row in rows)
    return Workload(questions, weights / weights.sum())


def computing(times: float, random: np.random.Generator) -> Workload:
    """So many times some 5 ms of computing, by `coalesced`.

    The second row, which costs nothing, tells the requests apart: none is answered by another.
    The model is never held back for company, and its queue is as long as the server has it.
    """
    iterations, numbers = round(times * _ITERATIONS), random.permutation(_DISTINCT) + 1
    rows = (np.array([[iterations], [-number]], dtype=np.int64) for number in numbers)
    tensors = (Tensor("iterations", "INT64", row) for row in rows)
    return _even(*(Question(InferRequest("coalesced", (tensor,))) for tensor in tensors))


def _sentences(random: np.random.Generator) -> Workload:
    """Three requests of one sentence to one of four."""
    tokens = lengths(7 * _DISTINCT, random)
    alone, together = tokens[: 3 * _DISTINCT, None], tokens[3 * _DISTINCT :].reshape(-1, 4)
    return _even(*(_encoder(padded(row.tolist(), random)) for row in (*alone, *together)))


def _encoder(inputs: tuple[np.ndarray, np.ndarray]) -> Question:
    names = ("input_ids", "attention_mask")
    tensors = (Tensor(name, "INT64", array) for name, array in zip(names, inputs, strict=True))
    return Question(InferRequest("minilm", tuple(tensors)))


def _poisoned(random: np.random.Generator) -> Workload:
    well = Question(_fp32("fail", random.random((1, 1)) + 1))
    ill = Question(_fp32("fail", -random.random((1, 1)) - 1), poisoned=True)
    return Workload((well, ill), np.array([1 - _POISONED, _POISONED]))


WORKLOADS: Mapping[str, Make] = {
    "identity": _identity,
    "image": _image,
    "digits": _digits,
    "mixed": _mixed,
    "sentences": _sentences,
    "zipf": _zipf,
    "poisoned": _poisoned,
    "work": partial(computing, 1.0),
    "slower-work": partial(computing, 1.2),
}
"""By name: 16 numbers; FP32 [1, 150528]; held-out digits; rows of four sizes; sentences of real
lengths, to a text encoder; mostly duplicates, to a model that may cache; one in a hundred that the
model raises for; some 5 ms of computing; a fifth more, as of an update that is slower."""
