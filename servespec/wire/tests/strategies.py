"""Messages that the codecs must carry unchanged."""

import math
from collections.abc import Collection

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ..datatypes import DATATYPES
from ..messages import InferRequest, InferResponse, Parameters, RequestedOutput, Tensor

ROUND_TRIP = settings(max_examples=100, deadline=None, database=None)

ALL = tuple(DATATYPES)
IN_JSON = tuple(name for name in ALL if name != "BF16")
TYPED = tuple(name for name, datatype in DATATYPES.items() if datatype.contents)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)
parameters: st.SearchStrategy[Parameters] = st.dictionaries(
    texts,
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    max_size=3,
)


@st.composite
def tensors(draw: st.DrawFn, name: str, datatypes: Collection[str], *, utf8: bool) -> Tensor:
    """Any tensor of some datatypes; with `utf8`, BYTES are text."""
    datatype = DATATYPES[draw(st.sampled_from(sorted(datatypes)))]
    shape = draw(shapes)
    count = math.prod(shape)
    array = np.empty(count, datatype.dtype)
    if datatype.size is None:
        element = texts.map(str.encode) if utf8 else st.binary(max_size=8)
        array[:] = draw(st.lists(element, min_size=count, max_size=count))
    else:
        size = count * datatype.size
        array = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8).copy()
        array = (array & 1 if datatype.name == "BOOL" else array).view(datatype.dtype)
        if array.dtype.kind == "f":
            array[np.isnan(array)] = np.nan  # JSON has one NaN
    return Tensor(name, datatype.name, array.reshape(shape), draw(parameters))


@st.composite
def tensor_tuples(draw: st.DrawFn, datatypes: Collection[str], *, utf8: bool) -> tuple[Tensor, ...]:
    """Tensors of different names."""
    names = draw(st.lists(texts, max_size=3, unique=True))
    return tuple(draw(tensors(name, datatypes, utf8=utf8)) for name in names)


@st.composite
def requests(
    draw: st.DrawFn, datatypes: Collection[str], *, utf8: bool = False, rest: bool = False
) -> InferRequest:
    """Any request; what only REST says is said only where `rest`."""
    flags = st.sampled_from([None, True, False]) if rest else st.none()
    return InferRequest(
        model_name=draw(texts),
        model_version=draw(texts),
        id=draw(texts),
        inputs=draw(tensor_tuples(datatypes, utf8=utf8)),
        outputs=tuple(
            RequestedOutput(name, draw(flags), draw(parameters))
            for name in draw(st.lists(texts, max_size=2, unique=True))
        ),
        parameters=draw(parameters),
        binary_output=rest and draw(st.booleans()),
    )


def responses(
    datatypes: Collection[str], *, utf8: bool = False
) -> st.SearchStrategy[InferResponse]:
    """Any answer."""
    return st.builds(
        InferResponse,
        model_name=texts,
        model_version=texts,
        id=texts,
        outputs=tensor_tuples(datatypes, utf8=utf8),
        parameters=parameters,
    )
