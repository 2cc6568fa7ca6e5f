"""Which requests share an answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from servespec.wire.messages import InferRequest, RequestedOutput, Tensor

from ..codec import Codec
from ..errors import InvalidRequest
from ..keys import Keys, reuse
from ..signature import Reuse, Work

KEYS = Keys("m", "1", b"generation", Codec())


def request(*arrays: np.ndarray, datatype: str = "FP32", **members: object) -> InferRequest:
    """A request for outputs y and z, with the inputs a, b and so on."""
    inputs = tuple(
        Tensor(name, datatype, array) for name, array in zip("abc", arrays, strict=False)
    )
    asked = InferRequest("m", inputs)
    return replace(asked, **members)  # type: ignore[arg-type]


def key(asked: InferRequest, keys: Keys = KEYS) -> bytes:
    outputs = tuple(output.name for output in asked.outputs) or ("y", "z")
    work = Work({tensor.name: tensor.array for tensor in asked.inputs}, outputs)
    return keys.key(work, asked)


ONE = np.array([[1.0, 2.0]], "<f4")
ASKED = request(ONE, ONE)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, id="another"),
        replace(ASKED, inputs=ASKED.inputs[::-1]),
        replace(ASKED, model_version="1"),
        replace(ASKED, binary_output=True),
        replace(ASKED, parameters={"priority": 1, "timeout": 5, "cache": True}),
        replace(ASKED, parameters={"binary_data_output": True}),
        request(np.asfortranarray(ONE), ONE[:, ::-1].copy()[:, ::-1]),
        replace(ASKED, outputs=(RequestedOutput("y", True), RequestedOutput("z", False))),
    ],
)
def test_what_does_not_change_the_answer_is_not_in_the_key(other: InferRequest) -> None:
    explicit = replace(ASKED, outputs=(RequestedOutput("y"), RequestedOutput("z")))
    assert key(other) == key(explicit if other.outputs else ASKED)


DIFFERENT = [
    ASKED,
    request(ONE),
    request(ONE, ONE.T),
    request(ONE.reshape(1, 2, 1), ONE),
    request(ONE, ONE.view("<i4"), datatype="INT32"),
    request(ONE, ONE.view("<u4"), datatype="UINT32"),
    request(np.array([[0.0]], "<f4")),
    request(np.array([[-0.0]], "<f4")),
    request(np.array([[0x7FC00000]], "<u4").view("<f4")),
    request(np.array([[0x7FC00001]], "<u4").view("<f4")),
    request(np.array([b"ab", b"c"], object), datatype="BYTES"),
    request(np.array([b"a", b"bc"], object), datatype="BYTES"),
    request(np.array([], object), datatype="BYTES"),
    request(np.empty((0, 2), "<f4")),
    request(np.empty((0, 3), "<f4")),
    replace(ASKED, outputs=(RequestedOutput("y"),)),
    replace(ASKED, outputs=(RequestedOutput("z"), RequestedOutput("y"))),
    replace(ASKED, outputs=(RequestedOutput("y", None, {"classes": 3}), RequestedOutput("z"))),
    replace(ASKED, parameters={"temperature": 1}),
    replace(ASKED, parameters={"temperature": 1.0}),
    replace(ASKED, parameters={"temperature": True}),
    replace(ASKED, parameters={"temperature": "1"}),
    replace(ASKED, inputs=(ASKED.inputs[0], replace(ASKED.inputs[1], parameters={"unit": "K"}))),
]


def test_whatever_may_change_the_answer_is_in_the_key() -> None:
    assert len({key(other) for other in DIFFERENT}) == len(DIFFERENT)


def test_another_model_version_or_load_has_other_keys() -> None:
    identities = [("m", "1", b"x"), ("n", "1", b"x"), ("m", "2", b"x"), ("m", "1", b"y")]
    keys = {key(ASKED, Keys(*identity, Codec())) for identity in identities}
    assert len(keys) == 4


def test_the_order_of_parameters_is_not_in_the_key() -> None:
    first = replace(ASKED, parameters={"a": 1, "b": "x"})
    assert key(first) == key(replace(ASKED, parameters={"b": "x", "a": 1}))


def test_what_is_large_is_digested_in_the_thread_of_the_codec() -> None:
    codec = Codec()
    codec.start()
    keys = Keys("m", "1", b"generation", codec)
    asked = request(np.zeros(10**6, "<f4"))
    work = asyncio.run(keys.keyed(Work({"a": asked.inputs[0].array}, ("y", "z")), asked, ""))
    assert work.key == key(asked)


@pytest.mark.parametrize(
    ("parameters", "cache_control", "wanted"),
    [
        ({}, "", Reuse.ALLOWED),
        ({"cache": True}, "max-age=0", Reuse.ALLOWED),
        ({}, "no-cache", Reuse.NO_CACHE),
        ({"cache": True}, "private, No-Cache", Reuse.NO_CACHE),
        ({}, "no-cache, no-store", Reuse.NO_STORE),
        ({"cache": False}, "no-cache", Reuse.NO_STORE),
    ],
)
def test_a_caller_says_whether_another_answer_will_do(
    parameters: Mapping[str, bool], cache_control: str, wanted: Reuse
) -> None:
    assert reuse(parameters, cache_control) is wanted


def test_a_parameter_that_is_no_answer_to_that_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="parameter 'cache': 0; expected true or false"):
        reuse({"cache": 0}, "")
