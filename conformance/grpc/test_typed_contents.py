"""InferTensorContents: the field of the datatype, one element for each of the tensor's."""

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .messages import FIELDS, Input, bits, contents, sample, typed

WRONG_FIELDS = {
    "BOOL": "int_contents",
    "UINT8": "int_contents",
    "UINT16": "int_contents",
    "UINT32": "uint64_contents",
    "UINT64": "uint_contents",
    "INT8": "uint_contents",
    "INT16": "int64_contents",
    "INT32": "int64_contents",
    "INT64": "int_contents",
    "FP32": "fp64_contents",
    "FP64": "fp32_contents",
    "BYTES": "int_contents",
}
SIZES = st.integers(1, 4)


@requirement("OIP-GRPC-INF-009", name="right-field")
@pytest.mark.parametrize("datatype", FIELDS)
def test_the_field_of_the_datatype_is_read(target: Target, datatype: str) -> None:
    """A client that knows no raw form can send every datatype that has a field."""
    sent = sample(datatype)
    x = typed("x", datatype, sent.shape, sent.ravel().tolist())
    exchange = target.grpc.infer(f"identity_{datatype.lower()}", inputs=[x])

    came = exchange.array("y")
    assert bits(came) == bits(sent), f"{sent.tolist()} came back as {came.tolist()}"


@requirement("OIP-GRPC-INF-009", name="other-field")
@pytest.mark.parametrize("datatype", FIELDS)
def test_another_field_is_refused(target: Target, datatype: str) -> None:
    """A client that filled the wrong field learns it, rather than have its values converted."""
    x = Input(
        name="x",
        datatype=datatype,
        shape=[1, 1],
        contents=contents(WRONG_FIELDS[datatype], [1]),
    )
    exchange = target.grpc.infer(f"identity_{datatype.lower()}", inputs=[x])

    exchange.must_be_refused()


@requirement("OIP-GRPC-INF-010")
@given(rows=SIZES, columns=SIZES, data=st.data())
def test_another_number_of_elements_is_refused(
    target: Target, rows: int, columns: int, data: st.DataObject
) -> None:
    """A client that got its shape wrong does not get an answer to another tensor."""
    size = rows * columns
    sent = data.draw(st.integers(0, 2 * size).filter(lambda other: other != size))
    x = typed("x", "FP32", [rows, columns], [0.5] * sent)
    exchange = target.grpc.infer("identity_fp32", inputs=[x])

    exchange.must_be_refused()


OUTSIDE = [("INT8", 300, 127), ("INT8", -129, -128), ("INT16", 40_000, 32_767)]


@requirement("OIP-GRPC-INF-012")
@pytest.mark.parametrize(("datatype", "value", "nearest"), OUTSIDE)
def test_small_integers_do_not_wrap(
    target: Target, datatype: str, value: int, nearest: int
) -> None:
    """A client whose number is too large is not answered for quite another one."""
    fixture = f"identity_{datatype.lower()}"
    exchange = target.grpc.infer(fixture, inputs=[typed("x", datatype, [1, 1], [value])])

    seen = "refused"
    if exchange.must_not_crash().code is StatusCode.OK:
        seen = "clamped"
        came = exchange.array("y").item()
        assert came == nearest, f"{value} in {datatype} came back as {came}"
    target.record("integers out of range", seen)
    claimed = target.claim("oip-grpc", "integers_out_of_range", seen)
    assert seen == claimed, f"integers out of range are documented as {claimed}, and were {seen}"
