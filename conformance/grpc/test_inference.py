"""ModelInfer: id, outputs, parameters, shapes; each form of contents has a file of its own."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..strategies import ids
from .messages import ONE, bare, fp32, raw, typed

ADD_SUB = (fp32("a", 2.0), fp32("b", 3.0))
ADD_SUB_RAW = tuple(bare(entry.name, "FP32", entry.shape) for entry in ADD_SUB)
RAW = [bytes.fromhex("00000040"), bytes.fromhex("00004040")]  # 2.0 and 3.0


@requirement("OIP-GRPC-INF-001")
@given(id=ids)
def test_the_response_returns_the_request_id(target: Target, id: str) -> None:
    """A client that names its request can match the answer to the question."""
    exchange = target.grpc.infer("identity_fp32", inputs=[ONE], id=id)

    came = exchange.must_succeed().message.id
    assert came == id, f"the id {id!r} came back as {came!r}"


@requirement("OIP-GRPC-INF-013")
@pytest.mark.parametrize("form", ["typed", "raw"])
def test_outputs_are_all_raw_or_all_typed(target: Target, form: str) -> None:
    """A client looks in one place for the values of all outputs, and finds each one's own."""
    inputs, entries = (ADD_SUB, []) if form == "typed" else (ADD_SUB_RAW, RAW)
    exchange = target.grpc.infer("add_sub", inputs=inputs, raw=entries)

    answer = exchange.must_succeed().message
    filled = [output.name for output in answer.outputs if output.contents.ListFields()]
    if not answer.raw_output_contents:
        assert len(filled) == len(answer.outputs), f"only {filled} have contents, and none are raw"
        return
    assert not filled, f"there are raw contents, and {filled} have typed ones besides"
    found, outputs = len(answer.raw_output_contents), len(answer.outputs)
    assert found == outputs, f"{found} raw contents came for {outputs} outputs"
    values = {name: exchange.array(name).item() for name in ("sum", "difference")}
    assert values == {"sum": 5.0, "difference": -1.0}, f"2 + 3 and 2 - 3 came back as {values}"


@requirement("OIP-GRPC-INF-014")
def test_the_form_of_outputs(target: Target) -> None:
    """A client has to know in which form to expect the values."""
    x = typed("x", "FP32", [1], [2.0])
    forms = _form(target, inputs=[x]), _form(target, inputs=[bare("x", "FP32", [1])], raw=RAW[:1])

    names = {("typed", "raw"): "as the inputs", ("typed",) * 2: "typed", ("raw",) * 2: "raw"}
    target.record("form of outputs", names.get(forms, "raw for typed inputs, typed for raw ones"))


def _form(target: Target, **asked: Any) -> str:
    answer = target.grpc.infer("identity_fp32_rank1", **asked).must_succeed().message
    if answer.raw_output_contents:
        return "raw"
    assert answer.outputs[0].contents.ListFields(), "an output came without values in any form"
    return "typed"


@requirement("OIP-GRPC-INF-016")
def test_only_the_requested_outputs_come(target: Target) -> None:
    """A client that needs one output does not pay for the others."""
    outputs = ["sum", "difference"]
    for names in (["sum"], ["difference"], outputs[::-1], []):
        exchange = target.grpc.infer("add_sub", inputs=ADD_SUB, outputs=names)

        expected = sorted(map(target.fixture("add_sub").tensor, names or outputs))
        came = sorted(output.name for output in exchange.must_succeed().message.outputs)
        assert came == expected, f"of {expected} came {came}"


KINDS = {
    "bool_param": True,
    "int64_param": -(2**63),
    "string_param": "text",
    "double_param": 0.1,
    "uint64_param": 2**64 - 1,
}


@requirement("OIP-GRPC-INF-017")
def test_a_parameter_may_be_of_each_kind(target: Target) -> None:
    """A client with a number of 64 bits, or a fraction, need not write it as text."""
    for kind, value in KINDS.items():
        parameter = pb.InferParameter()
        setattr(parameter, kind, value)
        exchange = target.grpc.infer(
            "identity_fp32", inputs=[ONE], parameters={"servespec_example": parameter}
        )

        exchange.must_succeed()


EXTREME = {
    "negative": ([-5, 1], [2.0]),
    "to be guessed": ([-1, 1], [2.0]),
    "huge": ([2**62, 2], [2.0]),
    "huge, and 0 in 64 bits": ([2**32, 2**32], []),
}


@requirement("OIP-GRPC-INF-020", kind="may-kill")
@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize("form", ["typed", "raw"])
def test_an_extreme_shape_is_refused(target: Target, case: str, form: str) -> None:
    """One message of a few bytes must not take the memory of a server."""
    shape, values = EXTREME[case]
    if form == "typed":
        x, entries = typed("x", "FP32", shape, values), []
    else:
        x, entries = bare("x", "FP32", shape), [raw(np.array(values, "<f4"))]
    exchange = target.grpc.infer("identity_fp32", inputs=[x], raw=entries)

    exchange.must_be_refused()
