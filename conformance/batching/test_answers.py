"""What a caller gets who was executed together with others: the same as alone, and its own."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest

from servespec.fixtures import digits_rows
from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import Question, spinning, witnessing
from ..strategies import request, tensor
from .crowds import CALLERS, bursts, executions

SIZES = (1, 2, 3, 1, 5, 1, 4, 2, 1, 3, 1, 8)
WIDTH = 7
TOLERANCE = 1e-4
"""Of logits around 10 in FP32: summed up in another order they differ by some 1e-6."""
POISONED = (5, 11)
"""The callers whose row makes the model raise."""


@requirement("BATCH-001", name="bitwise")
@pytest.mark.parametrize("fixture", ["add_sub", "row_sum", "witness", "spin"])
def test_company_changes_no_bit_of_an_answer(target: Target, fixture: str) -> None:
    """A client gets the same answer in the rush hour as at night."""
    output = "difference" if fixture == "add_sub" else "y"
    questions = [_question(fixture, size, seed) for seed, size in enumerate(SIZES)]
    alone = {id(question): _alone(target, question, output) for question in questions}

    for answers in bursts(target, questions):
        for question, exchange in answers:
            came, expected = exchange.must_succeed().array(output), alone[id(question)]
            same = came.shape == expected.shape and came.tobytes() == expected.tobytes()
            assert same, f"{fixture} answers {expected.tolist()} alone, {came.tolist()} in company"


def _question(fixture: str, rows: int, seed: int) -> Question:
    """Fractions; but whole numbers where they are added up, which is exact in any order."""
    if fixture == "spin":
        return spinning(seed, rows)
    random = np.random.default_rng(seed)
    fractions = random.normal(size=(2, rows, WIDTH)).astype(np.float32).reshape(2, -1).tolist()
    if fixture == "witness":
        return witnessing(fractions[0][:rows])
    shape = (rows, WIDTH)
    if fixture == "row_sum":
        whole = random.integers(-1000, 1000, rows * WIDTH).astype(float).tolist()
        return Question(fixture, request(tensor("x", "FP32", shape, whole)))
    pairs = zip("ab", fractions, strict=True)
    return Question(fixture, request(*(tensor(name, "FP32", shape, x) for name, x in pairs)))


def _alone(target: Target, question: Question, output: str) -> np.ndarray:
    exchange = question.ask(target).must_answer_at_all()
    if exchange.status != 200:
        raise Untestable(f"alone, a request to {question.fixture} is answered {exchange.status}")
    return exchange.array(output)


@requirement("BATCH-001", name="tolerance")
def test_company_changes_an_answer_within_the_tolerance(target: Target) -> None:
    """A client's scores do not depend on how busy the server is."""
    images = np.split(digits_rows()[0][: sum(SIZES)], np.cumsum(SIZES)[:-1])
    questions = [
        Question("digits_fp32", request(tensor("x", "FP32", rows.shape, rows.ravel().tolist())))
        for rows in images
    ]
    alone = {id(question): _alone(target, question, "logits") for question in questions}
    tolerance = float(target.claim("batching", "tolerance", TOLERANCE))

    for answers in bursts(target, questions):
        for question, exchange in answers:
            came, expected = exchange.must_succeed().array("logits"), alone[id(question)]
            assert came.shape == expected.shape, f"{came.shape} in company, not {expected.shape}"
            apart = float(np.abs(came - expected).max())
            assert apart <= tolerance, f"a score differs by {apart:g} in company"


@requirement("BATCH-002", name="rows")
def test_each_caller_gets_its_own_rows(target: Target) -> None:
    """A client in a crowd sees its own results, never a stranger's."""
    own = [[float(2 * caller), float(2 * caller + 1)] for caller in range(CALLERS)]
    questions = [witnessing(values) for values in own]

    for answers in bursts(target, questions):
        for question, exchange in answers:
            asked, came = _asked(question), exchange.must_succeed().values("y")
            assert came == asked, f"the caller with the rows {asked} got {came}"
        shared = executions(exchange for _, exchange in answers)
        target.record("executions for 32 callers", len(shared))


def _asked(question: Question) -> Any:
    return question.body["inputs"][0]["data"]


@requirement("BATCH-002", name="id and parameters")
def test_each_caller_gets_its_own_id_and_parameters(target: Target) -> None:
    """A client in a crowd matches the answer to its own question."""
    questions = [
        witnessing([float(caller)], id=f"caller-{caller}", parameters={"caller": caller})
        for caller in range(CALLERS)
    ]

    for answers in bursts(target, questions):
        for question, exchange in answers:
            own, came = question.body["id"], exchange.must_succeed().answer("id")
            assert came == own, f"the caller {own} got the id {came!r}"
            said = set(_said(exchange, "caller"))
            caller = question.body["parameters"]["caller"]
            assert said <= {caller}, f"the parameter {caller} of a caller came back as {said}"


def _said(exchange: Exchange, parameter: str) -> Iterator[Any]:
    """What an answer says of a parameter, as a whole and of each output; most say nothing."""
    document = exchange.json()
    for part in (document, *document["outputs"]):
        parameters = part.get("parameters")
        if isinstance(parameters, dict) and parameter in parameters:
            yield parameters[parameter]


@requirement("BATCH-002", name="error")
def test_a_row_that_fails_fails_alone(target: Target) -> None:
    """A client's answer does not depend on whose row makes the model raise."""
    values = [1.0 if caller in POISONED else -1.0 - caller for caller in range(16)]
    questions = [
        Question("fail", request(tensor("x", "FP32", [1, 1], [value]))) for value in values
    ]

    for answers in bursts(target, questions):
        for question, exchange in answers:
            asked = _asked(question)
            if asked == [1.0]:
                status = exchange.must_answer_at_all().status
                assert status >= 400, f"the row that makes the model raise is answered {status}"
                continue
            came = exchange.must_succeed().values("y")
            assert came == asked, f"beside a row that fails {asked} came back as {came}"


@requirement("BATCH-002", name="malformed")
def test_malformed_neighbours_do_not_make_up_a_valid_whole(target: Target) -> None:
    """A client whose data has the wrong length gets no stranger's elements, and gives none away."""
    numbers = count(1)
    surplus = (0, 1, -1, 0, -1, 1, 0, 1, -1, 0, 0, -1, 1, 0)  # elements too many
    questions = [_two_by_two(numbers, 4 + more) for more in surplus]
    for question in questions[1:3]:
        if question.ask(target).must_answer_at_all().status < 400:
            raise Untestable("alone, a request with too many or too few elements is not refused")

    for answers in bursts(target, questions):
        for question, exchange in answers:
            asked = _asked(question)
            if len(asked) != 4:
                status = exchange.must_answer_at_all().status
                assert status >= 400, f"{len(asked)} elements of shape [2, 2] are answered {status}"
                continue
            sums = [asked[0] + 2 * asked[1], asked[2] + 2 * asked[3]]
            came = exchange.must_succeed().values("y")
            assert came == sums, f"beside malformed requests {asked} is summed up to {came}"


def _two_by_two(numbers: "count[int]", elements: int) -> Question:
    data = [float(next(numbers)) for _ in range(elements)]
    return Question("row_sum", request(tensor("x", "FP32", [2, 2], data)))
