"""Misbehaviours towards parameters of a REST inference."""

from .json_bodies import JsonObject, Refusal, inputs_of, question_defect, requested_of, with_inputs

RESERVED = {"binary_data_size", "sequence_id", "priority", "timeout"}


@question_defect("parameters-refused", breaks=["OIP-REST-PARM-001"])
def _(asked: JsonObject) -> JsonObject:
    """Takes no parameter named x, wherever it stands."""
    if "x" in _all_parameters(asked):
        raise Refusal("parameters are not supported")
    return asked


@question_defect("fractions-refused", breaks=["OIP-REST-PARM-002"])
def _(asked: JsonObject) -> JsonObject:
    """Takes integers, booleans and strings only."""
    if any(isinstance(value, float) for value in _parameters(asked).values()):
        raise Refusal("a parameter is no integer, boolean or string")
    return asked


@question_defect("structured-parameter-spoils", breaks=["OIP-REST-PARM-003"])
def _(asked: JsonObject) -> JsonObject:
    """Forgets the data over a parameter that it cannot read."""
    structured = [
        name
        for name, value in _parameters(asked).items()
        if value is None or isinstance(value, dict | list)
    ]
    return _spoilt(asked, *structured) if structured else asked


@question_defect("unknown-parameter-spoils", breaks=["OIP-REST-PARM-004"])
def _(asked: JsonObject) -> JsonObject:
    """Forgets the data over a parameter that another server may know."""
    foreign = [name for name in _parameters(asked) if name.startswith("x-")]
    return _spoilt(asked, *foreign) if foreign else asked


@question_defect("reserved-parameter-spoils", breaks=["OIP-REST-PARM-005"])
def _(asked: JsonObject) -> JsonObject:
    """Half serves extensions that it does not have."""
    reserved = RESERVED & _all_parameters(asked).keys()
    return _spoilt(asked, *reserved) if reserved else asked


def _parameters(holder: JsonObject) -> JsonObject:
    parameters = holder.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def _all_parameters(asked: JsonObject) -> JsonObject:
    """Those of the request, its inputs and its outputs together."""
    holders = [asked, *inputs_of(asked), *requested_of(asked)]
    return {name: value for each in holders for name, value in _parameters(each).items()}


def _spoilt(asked: JsonObject, *parameters: str) -> JsonObject:
    """The request without the parameters, and zeros for data."""
    rest = with_inputs(
        asked,
        lambda each: {
            **_without(each, parameters),
            "data": [0.0] * len(each["data"]),
        },
    )
    return _without(rest, parameters)


def _without(holder: JsonObject, parameters: tuple[str, ...]) -> JsonObject:
    kept = {name: value for name, value in _parameters(holder).items() if name not in parameters}
    return {**holder, "parameters": kept}
