"""Requests that cannot share an execution, sent at the same moment: each is answered as alone."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import Question, spinning
from ..strategies import request, tensor
from .crowds import bursts

CALLERS = 16
VERSIONS = ("1", "2")
OUTPUTS = (["sum"], ["difference"], ["sum", "difference"])


@requirement("BATCH-007", name="shapes")
def test_rows_of_another_width_are_not_merged(target: Target) -> None:
    """A client with short rows gets an answer to just these, whoever has longer ones."""
    shapes = [(1 + caller % 3, 1 + caller % 8) for caller in range(CALLERS)]

    _must_answer_as_alone(target, [_sums(caller, *shape) for caller, shape in enumerate(shapes)])


@requirement("BATCH-007", name="datatypes")
def test_rows_of_another_datatype_are_not_merged(target: Target) -> None:
    """A client with integers gets integers, whoever sends floats to another model."""
    floats = [
        Question("row_sum", request(tensor("x", "FP32", [1, 1], [float(caller)])))
        for caller in range(CALLERS // 2)
    ]
    integers = [spinning(caller) for caller in range(CALLERS // 2)]

    _must_answer_as_alone(target, [*chain(*zip(floats, integers, strict=True))])


@requirement("BATCH-007", name="versions")
def test_rows_for_another_version_are_not_merged(target: Target) -> None:
    """A client that pins a version gets the answer of that one."""
    questions = [
        Question("constant", request(tensor("x", "FP32", [1, 1], [1.0])), VERSIONS[caller % 2])
        for caller in range(CALLERS)
    ]
    if any(question.ask(target).status != 200 for question in questions[:2]):
        raise NotApplicable("the target does not serve two versions of a model side by side")

    _must_answer_as_alone(target, questions)


@requirement("BATCH-007", name="outputs")
def test_other_outputs_asked_are_not_mixed_up(target: Target) -> None:
    """A client gets the outputs that it asked for, whatever its neighbours want."""
    asked = [[{"name": name} for name in names] for names in OUTPUTS]
    questions = [_sums(caller, outputs=asked[caller % len(asked)]) for caller in range(CALLERS)]

    _must_answer_as_alone(target, questions)


@requirement("BATCH-007", name="parameters")
def test_other_parameters_are_not_mixed_up(target: Target) -> None:
    """A client gets JSON or binary data as it asked, whatever its neighbours want."""
    questions = [
        _sums(caller, parameters={"binary_data_output": caller % 2 == 1})
        for caller in range(CALLERS)
    ]

    _must_answer_as_alone(target, questions)


def _sums(caller: int, rows: int = 1, width: int = 1, **more: Any) -> Question:
    """Asks `add_sub` for the sums and differences of whole numbers."""
    data = [float(10 * caller + place) for place in range(rows * width)]
    pair = (tensor(name, "FP32", [rows, width], data) for name in "ab")
    return Question("add_sub", request(*pair, **more))


def _must_answer_as_alone(target: Target, questions: Sequence[Question]) -> None:
    alone = {id(question): _content(question.ask(target).must_succeed()) for question in questions}
    for answers in bursts(target, questions):
        for question, exchange in answers:
            came, expected = _content(exchange.must_succeed()), alone[id(question)]
            assert came == expected, f"answered {expected} alone and {came} among unlike requests"


def _content(exchange: Exchange) -> Any:
    """How the tensors came, and the name, datatype, shape and values of each."""
    form = "JSON" if exchange.header_length() is None else "binary"
    found = {}
    for entry in exchange.answer("outputs"):
        values = exchange.array(entry["name"])
        found[entry["name"]] = (entry["datatype"], values.shape, values.ravel().tolist())
    return form, found
