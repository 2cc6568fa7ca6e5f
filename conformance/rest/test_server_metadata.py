"""Server metadata: who answers, and which extensions it serves."""

from typing import Any

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import binary_request


def server_metadata(target: Target) -> dict[str, Any]:
    """The JSON object that GET /v2 answers."""
    metadata = target.rest.get("/v2").must_succeed().json()
    assert isinstance(metadata, dict), f"the server's metadata is {metadata!r}, not an object"
    return metadata


def listed_extensions(target: Target) -> list[Any]:
    """What the server lists now; nothing where there is no list."""
    listed = server_metadata(target).get("extensions")
    return listed if isinstance(listed, list) else []


@requirement("OIP-REST-SMETA-001")
def test_the_server_says_who_it_is(target: Target) -> None:
    """A client can tell servers and their releases apart."""
    metadata = server_metadata(target)

    for member in ("name", "version"):
        value = metadata.get(member)
        assert isinstance(value, str), f"{member} is {value!r}, not a string"
    listed = metadata.get("extensions")
    names = listed if isinstance(listed, list) else []  # OIP-REST-SMETA-002 asks for the list
    assert all(isinstance(each, str) for each in names), f"extensions is {listed!r}"


@requirement("OIP-REST-SMETA-002")
def test_extensions_are_listed_even_when_there_is_none(target: Target) -> None:
    """A client looks for an extension in the list, not for the list."""
    listed = server_metadata(target).get("extensions")

    assert isinstance(listed, list), f"extensions is {listed!r}, not an array"


@requirement("OIP-REST-SMETA-003", name="works")
def test_a_listed_extension_works(target: Target) -> None:
    """What is listed is a promise."""
    if "binary_tensor_data" not in listed_extensions(target):
        raise NotApplicable("no extension is listed that has a check here")
    x = target.fixture("identity_uint8").tensor("x")
    asked = binary_request(x, "UINT8", [1, 2], b"\x07\x08")

    answer = target.rest.infer("identity_uint8", asked["body"], headers=asked["headers"])

    assert answer.must_succeed().array("y").tolist() == [[7, 8]]


@requirement("OIP-REST-SMETA-003", name="listed")
def test_a_claimed_extension_is_listed(target: Target) -> None:
    """A client uses only what it finds in the list."""
    if not target.claims("binary"):
        raise NotApplicable("no extension is claimed")

    listed = listed_extensions(target)

    assert "binary_tensor_data" in listed, f"binary_tensor_data is claimed, listed are {listed}"


@requirement("OIP-REST-SMETA-004")
def test_the_version_is_not_empty(target: Target) -> None:
    """Who reports a problem can say of which release."""
    version = server_metadata(target).get("version")

    assert version, f"version is {version!r}"
