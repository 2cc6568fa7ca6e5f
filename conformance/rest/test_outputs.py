"""Request Output and Response Output: which outputs come back, in which order, of which form."""

from collections.abc import Sequence
from functools import partial

from hypothesis import example, given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import answered_together
from ..strategies import JsonObject, request, tensor

NAMES = ("sum", "difference")


def operands(*shape: int, a: float = 5.0, b: float = 2.0) -> list[JsonObject]:
    """The inputs of `add_sub`, all elements of each alike."""
    count = shape[0] * shape[1]
    return [tensor("a", "FP32", shape, [a] * count), tensor("b", "FP32", shape, [b] * count)]


def wanted(*names: str) -> list[JsonObject]:
    """A request's list of outputs."""
    return [{"name": name} for name in names]


def returned(exchange: Exchange) -> list[str]:
    """The names of an answer's outputs as they stand there, by the fixture's names of them."""
    ours = {exchange.names.get(name, name): name for name in NAMES}
    names = [output["name"] for output in exchange.must_succeed().answer("outputs")]
    return [ours.get(name, name) for name in names]


@requirement("OIP-REST-INFER-016")
def test_only_the_requested_outputs_are_returned(target: Target) -> None:
    """A client that needs one output does not pay for the others."""
    for name in NAMES:
        exchange = target.rest.infer("add_sub", request(*operands(1, 2), outputs=wanted(name)))

        assert returned(exchange) == [name], f"asked for {name}, got {returned(exchange)}"


@requirement("OIP-REST-INFER-017")
def test_all_outputs_are_returned_unless_some_are_requested(target: Target) -> None:
    """A client that does not know the outputs gets every one."""
    exchange = target.rest.infer("add_sub", request(*operands(5, 1)))

    found = returned(exchange)
    assert set(found) == set(NAMES), f"the model has the outputs {NAMES}, returned were {found}"


@requirement("OIP-REST-INFER-018")
def test_what_an_empty_list_of_outputs_means(target: Target) -> None:
    """A client that builds its list of outputs knows what an empty one asks for."""
    exchange = target.rest.infer("add_sub", request(*operands(1, 2), outputs=[]))

    if exchange.must_not_crash().status != 200:
        target.record("empty list of outputs", f"refused with {exchange.status}")
        return
    found = returned(exchange)
    assert not found or set(found) == set(NAMES), f"it means neither all nor none: {found}"
    target.record("empty list of outputs", "all" if found else "none")


@requirement("OIP-REST-INFER-019")
def test_outputs_come_in_the_requested_order(target: Target) -> None:
    """A client that reads outputs by position reads the right ones."""
    asked = ["difference", "sum"]
    exchange = target.rest.infer("add_sub", request(*operands(1, 2), outputs=wanted(*asked)))

    found = returned(exchange)
    target.record("order of outputs", "as requested" if found == asked else "its own")
    documented = target.claim("oip-rest", "order_of_outputs", "as requested")
    assert found == asked or documented == "its own", f"asked for {asked}, got {found}"


@requirement("OIP-REST-INFER-020")
def test_an_output_that_the_model_does_not_have_is_refused(target: Target) -> None:
    """A client that misspells an output is told."""
    exchange = target.rest.infer("add_sub", request(*operands(1, 2), outputs=wanted("nope")))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-021")
def test_an_output_does_not_depend_on_requests_beside_it(target: Target) -> None:
    """A client gets the outputs that it asked for, whatever its batch-mates ask for."""
    calls = [partial(_ask_one_output, target, number) for number in range(64)]
    alone = [_outputs(call()) for call in calls[:8]]

    for number, exchange in answered_together(target, calls):
        found = _outputs(exchange)
        expected = alone[number % 8]
        assert found == expected, f"alone {expected}, among others {found}"


def _ask_one_output(target: Target, number: int) -> Exchange:
    inputs = operands(1, 2, a=float(number % 8))
    return target.rest.infer("add_sub", request(*inputs, outputs=wanted(NAMES[number % 2])))


def _outputs(exchange: Exchange) -> dict[str, Sequence[float]]:
    return {name: exchange.values(name) for name in returned(exchange)}


@requirement("OIP-REST-INFER-022")
def test_an_output_describes_itself(target: Target) -> None:
    """A client in a typed language can read every output."""
    exchange = target.rest.infer("add_sub", request(*operands(2, 5)))

    exchange.must_succeed()
    for name in NAMES:
        output = exchange.output(name)
        shape, datatype = output.get("shape"), output.get("datatype")
        is_list = isinstance(shape, list) and all(type(size) is int for size in shape)
        assert is_list, f"the shape of {name} is {shape!r}, not a list of integers"
        assert isinstance(datatype, str), f"the datatype of {name} is {datatype!r}, not a string"
        assert isinstance(output.get("data"), list), f"the data of {name} is not an array"


@requirement("OIP-REST-INFER-023")
@given(rows=st.integers(1, 64), columns=st.integers(1, 4))
@example(rows=64, columns=2)
def test_a_batch_comes_back_whole(target: Target, rows: int, columns: int) -> None:
    """A client that sends many rows at once gets as many."""
    sent = [float(number) for number in range(rows * columns)]
    exchange = target.rest.infer(
        "identity_fp32", request(tensor("x", "FP32", [rows, columns], sent))
    )

    shape = exchange.must_succeed().output("y").get("shape")
    assert shape == [rows, columns], f"of a batch of shape {[rows, columns]} came {shape}"
    came = len(exchange.values("y"))
    assert came == len(sent), f"of {len(sent)} values {came} came"
