"""Model metadata: enough to write a request, and true of the answer."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire.datatypes import DATATYPES

FIXED_RANK = ["add_sub", "row_sum", "digits_fp32", "identity_int64"]
PLATFORM = re.compile(r"[a-z0-9]+_[a-z0-9]+")


def metadata_of(target: Target, fixture: str) -> dict[str, Any]:
    """The JSON object that describes a fixture's model."""
    metadata = target.rest.model_metadata(fixture).must_succeed().json()
    assert isinstance(metadata, dict), f"the metadata of {fixture} is {metadata!r}, not an object"
    return metadata


def entries(metadata: Mapping[str, Any], *members: str) -> list[dict[str, Any]]:
    """The tensors that metadata announces under these members."""
    found = [entry for member in members for entry in metadata.get(member) or []]
    assert found, f"{' and '.join(members)} announce no tensor"
    assert all(isinstance(entry, dict) for entry in found), f"not all objects: {found}"
    return found


def filled(shape: list[int]) -> list[int]:
    """A shape that a client may choose: 2 for whatever is variable."""
    return [2 if size == -1 else size for size in shape]


@requirement("OIP-REST-MMETA-001")
def test_metadata_has_name_platform_inputs_and_outputs(target: Target) -> None:
    """A client can find out how to ask."""
    metadata = metadata_of(target, "add_sub")

    for member, kind in (("name", str), ("platform", str), ("inputs", list), ("outputs", list)):
        value = metadata.get(member)
        assert isinstance(value, kind), f"{member} is {value!r}, not a {kind.__name__}"


@requirement("OIP-REST-MMETA-002")
def test_metadata_names_the_model_that_was_asked_for(target: Target) -> None:
    """A client that asks about many models can match the answers."""
    model = target.fixture("witness").model

    name = metadata_of(target, "witness").get("name")

    assert name == model, f"name is {name!r}, not {model!r}"


@requirement("OIP-REST-MMETA-003")
def test_every_listed_version_can_be_asked_for(target: Target) -> None:
    """A client can pin what it finds in the list."""
    versions = metadata_of(target, "identity_fp64").get("versions")
    if versions is None:
        raise NotApplicable("the metadata lists no versions")

    assert isinstance(versions, list), f"versions is {versions!r}, not an array"
    for version in versions:
        assert isinstance(version, str), f"version {version!r} is not a string"
        target.rest.get(target.rest.model_path("identity_fp64", version)).must_succeed()


@requirement("OIP-REST-MMETA-004")
@pytest.mark.parametrize("fixture", FIXED_RANK)
def test_every_tensor_has_name_datatype_and_shape(target: Target, fixture: str) -> None:
    """A client can write and read each tensor."""
    for entry in entries(metadata_of(target, fixture), "inputs", "outputs"):
        assert isinstance(entry.get("name"), str), f"name is {entry.get('name')!r}"
        assert entry.get("datatype") in DATATYPES, f"datatype is {entry.get('datatype')!r}"
        shape = entry.get("shape")
        assert isinstance(shape, list), f"shape is {shape!r}"
        assert all(type(size) is int for size in shape), f"shape {shape} is not all integers"


@requirement("OIP-REST-MMETA-005")
@pytest.mark.parametrize("fixture", FIXED_RANK)
def test_a_variable_dimension_is_minus_one(target: Target, fixture: str) -> None:
    """A client knows which dimensions it may choose."""
    for entry in entries(metadata_of(target, fixture), "inputs", "outputs"):
        sizes = [size for size in entry.get("shape") or [] if isinstance(size, int | float)]
        assert min(sizes, default=0) >= -1, f"{entry.get('name')} has the shape {sizes}"


@requirement("OIP-REST-MMETA-006")
@pytest.mark.parametrize("fixture", FIXED_RANK)
def test_metadata_is_enough_to_ask(target: Target, fixture: str) -> None:
    """A generic client needs no other source."""
    inputs = []
    for entry in entries(metadata_of(target, fixture), "inputs"):
        shape = filled(entry["shape"])
        inputs.append({**entry, "shape": shape, "data": [1] * _count(shape)})

    target.rest.post(f"{target.rest.model_path(fixture)}/infer", {"inputs": inputs}).must_succeed()


def _count(shape: list[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


@requirement("OIP-REST-MMETA-007")
def test_the_outputs_are_those_that_metadata_announced(target: Target) -> None:
    """A client can prepare for the answer."""
    metadata = metadata_of(target, "identity_fp64")
    (x,) = entries(metadata, "inputs")
    asked = {**x, "shape": [2, 3], "data": [1.0] * 6}

    answer = target.rest.post(target.rest.infer_path("identity_fp64"), {"inputs": [asked]})

    given = {each["name"]: each for each in answer.must_succeed().answer("outputs")}
    announced = {each["name"]: each for each in entries(metadata, "outputs")}
    assert given.keys() == announced.keys(), f"{sorted(given)} came, announced {sorted(announced)}"
    for name, entry in announced.items():
        assert given[name]["datatype"] == entry["datatype"], f"{name} is {given[name]['datatype']}"
        assert _fits(given[name]["shape"], entry["shape"]), f"{name} has {given[name]['shape']}"


def _fits(shape: list[int], announced: list[int]) -> bool:
    return len(shape) == len(announced) and all(
        wanted in (-1, size) for size, wanted in zip(shape, announced, strict=True)
    )


@requirement("OIP-REST-MMETA-008")
def test_the_platform_is_project_and_format(target: Target) -> None:
    """An operator sees what runs the model."""
    platform = metadata_of(target, "identity_fp32").get("platform")

    target.record("platform", platform)
    assert PLATFORM.match(str(platform)), f"platform is {platform!r}, not <project>_<format>"


@requirement("OIP-REST-MMETA-009")
def test_metadata_of_an_absent_model_is_an_error(target: Target) -> None:
    """A client can tell a typing error from an empty model."""
    exchange = target.rest.get("/v2/models/absent_for_metadata").must_answer_at_all()

    assert exchange.status >= 400, f"answered {exchange.status}, not an error"
    exchange.error()


@requirement("OIP-REST-MMETA-011")
def test_properties_are_strings(target: Target) -> None:
    """A client of properties need not guess their types."""
    properties = metadata_of(target, "identity_fp32").get("properties")
    if properties is None:
        raise NotApplicable("the metadata has no properties")

    assert isinstance(properties, dict), f"properties is {properties!r}, not an object"
    assert all(isinstance(value, str) for value in properties.values()), f"not all: {properties}"
