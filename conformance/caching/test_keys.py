"""What makes two requests the same: all that the answer depends on, and nothing else."""

from collections.abc import Mapping
from secrets import randbelow
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..grpc.messages import Input
from ..questions import Question, executions_between
from ..strategies import binary_request, request, tensor
from .asking import (
    AWKWARD_IDS,
    caching,
    changed,
    must_answer_outputs,
    must_be_apart,
    nonce,
    over_grpc,
    remembered,
    returned_ids,
    twins,
    unused,
)

LONG = 1000
"""Rows of a request that differs from another in one of them."""
EXACT = 1 << 20
"""Whole numbers below, four of which FP32 sums up exactly, the last one counted four times."""
FLAVOUR = "servespec_flavour"
BITS: Mapping[str, tuple[int, int]] = {
    "zeros": (0x00000000, 0x80000000),  # 0.0, -0.0
    "quiet NaN": (0x7FC00000, 0x7FC00001),
    "signs of NaN": (0x7FC00000, 0xFFC00000),
    "infinities": (0x7F800000, 0xFF800000),
}
"""Values that JSON cannot tell apart, or that are equal, and have other bits."""
UNEQUAL = ("infinities",)
"""No claim makes these one."""


@requirement("CACHE-001", name="model")
def test_the_same_body_to_two_models_has_two_answers(target: Target) -> None:
    """A client gets the answer of the model that it asks, whatever another one was asked."""
    caching(target)
    asked = [changed(question, id="same") for question in twins(target)]

    must_be_apart((question.fixture, question.ask(target)) for question in asked)


@requirement("CACHE-001", name="version")
def test_the_same_body_to_two_versions_has_two_answers(target: Target) -> None:
    """A client that pins a version gets the answer of that one."""
    caching(target)
    values = unused()
    asked = [remembered(values, version=version, id="same") for version in ("1", "2")]
    answers = [question.ask(target).must_answer_at_all() for question in asked]
    if any(answer.status != 200 for answer in answers):
        raise NotApplicable("the target does not serve two versions of a model side by side")

    must_be_apart(zip(("version 1", "version 2"), answers, strict=True))


@requirement("CACHE-001", name="inputs")
@pytest.mark.parametrize("place", [0, LONG // 2, LONG - 1])
def test_one_other_element_makes_another_request(target: Target, place: int) -> None:
    """A client gets the answer to its own data, and not to what is nearly the same."""
    caching(target)
    values = unused(LONG)
    other = [*values]
    other[place] += 1.0

    _must_echo_apart(target, {"the values": values, "one other value": other})


@requirement("CACHE-001", name="order")
def test_the_same_values_in_another_order_make_another_request(target: Target) -> None:
    """A client gets its rows in its order."""
    caching(target)
    first, second, third = unused(3)

    values = {"three rows": [first, second, third], "two of them swapped": [second, first, third]}
    _must_echo_apart(target, {**values, "the first two of them": [first, second]})


def _must_echo_apart(target: Target, requests: Mapping[str, list[float]]) -> None:
    answers = {asked: remembered(values).ask(target) for asked, values in requests.items()}
    must_be_apart(answers.items())
    for asked, values in requests.items():
        assert answers[asked].values("y") == values, f"{asked}: answered are other values"


@requirement("CACHE-002", name="parameters")
@pytest.mark.parametrize("where", ["request", "input", "output"])
def test_other_parameters_make_another_request(target: Target, where: str) -> None:
    """A client who asks for something special gets no answer to what is usual."""
    caching(target)
    values = unused()
    asked = [{}, {FLAVOUR: "sweet"}, {FLAVOUR: "sour"}]
    answers = {str(each): _with_parameters(values, where, each).ask(target) for each in asked}
    if any(answer.must_answer_at_all().status != 200 for answer in answers.values()):
        raise NotApplicable(f"the target refuses a parameter of the {where} that it does not know")

    must_be_apart(answers.items())


def _with_parameters(values: list[float], where: str, parameters: Mapping[str, str]) -> Question:
    if where == "request":
        return remembered(values, parameters=parameters)
    if where == "output":
        outputs = [{"name": name, "parameters": parameters} for name in ("y", "nonce")]
        return remembered(values, outputs=outputs)
    x = tensor("x", "FP32", [len(values), 1], values, parameters=parameters)
    return Question("cached", request(x))


@requirement("CACHE-002", name="outputs")
def test_other_outputs_are_answered_as_they_are_asked(target: Target) -> None:
    """A client gets the outputs that it wants, whichever another one wanted."""
    caching(target)
    question = remembered(unused())
    for names in (("y",), ("nonce", "tick"), ("y", "batch"), (), ("tick",)):
        asked = changed(question, outputs=[{"name": name} for name in names]) if names else question
        must_answer_outputs(asked, asked.ask(target), names or ("y", "batch", "nonce", "tick"))


@requirement("CACHE-002", name="datatype")
def test_another_datatype_of_the_same_bytes_is_no_hit(target: Target) -> None:
    """A client that sends what the model does not take learns it, whoever sent the same bytes."""
    _must_be_refused_after_a_hit(target, "INT32", [2, 1])


@requirement("CACHE-002", name="shape")
@pytest.mark.parametrize("shape", [[1, 2], [2], [2, 1, 1]], ids=str)
def test_another_shape_of_the_same_values_is_no_hit(target: Target, shape: list[int]) -> None:
    """A client that sends what the model does not take learns it, whoever sent the same values."""
    _must_be_refused_after_a_hit(target, "FP32", shape)


def _must_be_refused_after_a_hit(target: Target, datatype: str, shape: list[int]) -> None:
    caching(target)
    strange, values = unused(), unused()
    if _said_to_be(strange, datatype, shape).ask(target).must_answer_at_all().status == 200:
        raise NotApplicable(f"the target takes {datatype} of shape {shape} for the model")
    for _ in range(2):
        nonce(remembered(values).ask(target))
    status = _said_to_be(values, datatype, shape).ask(target).must_answer_at_all().status
    assert status != 200, f"{datatype} of shape {shape} gets the answer to FP32 of shape [2, 1]"


def _said_to_be(values: list[float], datatype: str, shape: list[int]) -> Question:
    """The same bytes, whatever they are said to be."""
    same = np.array(values, "<f4").view("<i4").tolist() if datatype == "INT32" else values
    return Question("cached", request(tensor("x", datatype, shape, same)))


@requirement("CACHE-002", name="rows")
def test_the_same_values_in_another_shape_have_another_answer(target: Target) -> None:
    """A client gets the sums of its own rows, however another one has cut the same values."""
    caching(target)
    values = [float(randbelow(EXACT)) for _ in range(4)]

    for shape in ([1, 4], [4, 1], [2, 2], [1, 4]):
        rows = np.reshape(values, shape)
        wanted = (rows @ np.arange(1, 1 + shape[1])).tolist()
        answer = Question("cached_rows", request(tensor("x", "FP32", shape, values))).ask(target)
        came = answer.values("y")
        assert came == wanted, f"the sums of {values} in shape {shape} are {wanted}, not {came}"


@requirement("CACHE-003", name="id")
def test_the_same_request_under_another_id_is_a_hit_with_its_own_id(target: Target) -> None:
    """A client matches the answer to its question, and gets it without work."""
    caching(target)
    question = remembered(unused())
    first = nonce(question.ask(target))

    for id in returned_ids(target):
        answer = changed(question, id=id).ask(target)
        assert nonce(answer) == first, f"the id {id!r} makes another request of the same one"
        assert answer.answer("id") == id, f"a hit under the id {id!r} has {answer.answer('id')!r}"
    _must_name_nobody(question.ask(target))


@requirement("CACHE-003", name="id over gRPC")
def test_a_hit_over_grpc_carries_its_own_id(target: Target) -> None:
    """A client matches the answer to its question, and gets it without work."""
    caching(target)
    values = unused()
    first = nonce(_called(target, np.array(values, "<f4").tobytes()))

    for id in returned_ids(target, "grpc"):
        answer = _called(target, np.array(values, "<f4").tobytes(), id=id)
        assert nonce(answer) == first, f"the id {id!r} makes another request of the same one"
        assert answer.message.id == id, f"a hit under the id {id!r} has {answer.message.id!r}"


def _must_name_nobody(answer: Exchange) -> None:
    """A server may make up an id where none is given."""
    came = answer.json().get("id", "")
    assert came not in AWKWARD_IDS, f"a hit without an id has that of another: {came!r}"


@requirement("CACHE-003", name="no work")
def test_a_hit_is_not_computed(target: Target) -> None:
    """An operator pays for repeated work once."""
    caching(target)
    question = remembered(unused())
    before = question.ask(target)
    for _ in range(5):
        assert nonce(question.ask(target)) == nonce(before), "the same request is computed again"
    executions = executions_between(before, remembered(unused()).ask(target))

    target.record(
        "executions for five hits", "not to be told" if executions is None else executions
    )
    assert not executions, f"five hits are computed {executions} times, unseen"


@requirement("CACHE-008", name="binary data")
@pytest.mark.parametrize("kind", BITS)
def test_equal_values_of_other_bits_are_apart_in_binary_data(target: Target, kind: str) -> None:
    """A client gets the bits that belong to its own."""
    if "binary_tensor_data" not in target.extensions:
        raise NotApplicable("the target does not list the extension binary_tensor_data")
    own = unused(1)
    binding = target.fixture("cached")
    outputs = [{"name": binding.tensor("nonce")}]  # y is no number either, which JSON cannot tell

    def ask(raw: bytes) -> Exchange:
        asked = binary_request(binding.tensor("x"), "FP32", [2, 1], raw, outputs=outputs)
        return target.rest.infer("cached", **asked)

    _must_not_collide(target, kind, [ask(_with_bits(own, pattern)) for pattern in BITS[kind]])


@requirement("CACHE-008", name="gRPC")
@pytest.mark.parametrize("kind", BITS)
def test_equal_values_of_other_bits_are_apart_over_grpc(target: Target, kind: str) -> None:
    """A client gets the bits that belong to its own."""
    own = unused(1)
    inputs = [_with_bits(own, pattern) for pattern in BITS[kind]]
    if any(_called(target, raw, "witness").code is not StatusCode.OK for raw in inputs):
        raise NotApplicable(f"the target answers no model's {kind} over gRPC")

    _must_not_collide(target, kind, [_called(target, raw) for raw in inputs])


def _with_bits(own: list[float], pattern: int) -> bytes:
    return np.array(own, "<f4").tobytes() + pattern.to_bytes(4, "little")


def _called(target: Target, raw: bytes, fixture: str = "cached", id: str = "") -> GrpcExchange:
    x = Input(name="x", datatype="FP32", shape=[2, 1])
    return over_grpc(target).infer(fixture, inputs=[x], raw=[raw], id=id)


def _must_not_collide(target: Target, kind: str, answers: list[Any]) -> None:
    caching(target)
    one, other = map(nonce, answers)
    shared = "share an answer" if one == other else "are told apart"
    target.record("inputs of equal value and other bits", shared)
    if kind not in UNEQUAL and target.claim("caching", "equal_values_share", False):
        raise NotApplicable("the target says that inputs of equal value share an answer")
    assert one != other, "two inputs with other bits got the same answer"
