"""Golden bytes, written by hand from the specification, in both directions."""

from .. import grpc, rest
from ..proto import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataResponse,
    ServerMetadataResponse,
)
from . import golden
from .golden import Vector, from_hex, vectors
from .same import assert_same


@vectors("rest_json.toml", "request")
def test_json_requests_are_read(vector: Vector) -> None:
    for wire in [vector.wire, *vector.entry.get("reads", [])]:
        found = rest.decode_request("m", "1", wire.encode(), header_length=None)
        assert_same(found, golden.request(vector.value, "m", "1"))


@vectors("rest_json.toml", "request")
def test_json_requests_are_written(vector: Vector) -> None:
    body, header_length = rest.encode_request(golden.request(vector.value, "m"), binary=False)
    assert (body.decode(), header_length) == (vector.wire, None)


@vectors("rest_json.toml", "response")
def test_json_answers_are_read(vector: Vector) -> None:
    for wire in [vector.wire, *vector.entry.get("reads", [])]:
        found = rest.decode_response(wire.encode(), header_length=None)
        assert_same(found, golden.response(vector.value))


@vectors("rest_json.toml", "response")
def test_json_answers_are_written(vector: Vector) -> None:
    body, header_length = rest.encode_response(golden.response(vector.value), frozenset())
    assert (body.decode(), header_length) == (vector.wire, None)


@vectors("rest_binary.toml", "request")
def test_binary_requests_are_read(vector: Vector) -> None:
    text = vector.wire.encode()
    body = text + from_hex(vector.entry["raw"])
    found = rest.decode_request("m", "", body, header_length=len(text))
    assert_same(found, golden.request(vector.value, "m"))


@vectors("rest_binary.toml", "request")
def test_binary_requests_are_written(vector: Vector) -> None:
    text = vector.wire.encode()
    body, header_length = rest.encode_request(golden.request(vector.value, "m"), binary=True)
    assert (body, header_length) == (text + from_hex(vector.entry["raw"]), len(text))


@vectors("rest_binary.toml", "response")
def test_binary_answers_are_read(vector: Vector) -> None:
    text = vector.wire.encode()
    body = text + from_hex(vector.entry["raw"])
    found = rest.decode_response(body, header_length=len(text))
    assert_same(found, golden.response(vector.value))


@vectors("rest_binary.toml", "response")
def test_binary_answers_are_written(vector: Vector) -> None:
    text = vector.wire.encode()
    binary = frozenset(vector.entry["binary"])
    body, header_length = rest.encode_response(golden.response(vector.value), binary)
    assert (body, header_length) == (text + from_hex(vector.entry["raw"]), len(text))


@vectors("grpc.toml", "request")
def test_grpc_requests_are_read(vector: Vector) -> None:
    found = grpc.decode_request(ModelInferRequest.FromString(from_hex(vector.wire)))
    assert_same(found, golden.request(vector.value, "m"))


@vectors("grpc.toml", "request")
def test_grpc_requests_are_written(vector: Vector) -> None:
    raw = vector.entry["raw_contents"]
    message = grpc.encode_request(golden.request(vector.value, "m"), raw=raw)
    assert message.SerializeToString(deterministic=True).hex() == from_hex(vector.wire).hex()


@vectors("grpc.toml", "response")
def test_grpc_answers_are_read(vector: Vector) -> None:
    found = grpc.decode_response(ModelInferResponse.FromString(from_hex(vector.wire)))
    assert_same(found, golden.response(vector.value))


@vectors("grpc.toml", "response")
def test_grpc_answers_are_written(vector: Vector) -> None:
    message = grpc.encode_response(golden.response(vector.value), vector.entry["raw_contents"])
    assert message.SerializeToString(deterministic=True).hex() == from_hex(vector.wire).hex()


@vectors("rest_json.toml", "server_metadata")
def test_server_metadata_is_written_as_json(vector: Vector) -> None:
    written = rest.encode_server_metadata(golden.server_metadata(vector.value))
    assert written.decode() == vector.wire


@vectors("rest_json.toml", "model_metadata")
def test_model_metadata_is_written_as_json(vector: Vector) -> None:
    written = rest.encode_model_metadata(golden.model_metadata(vector.value))
    assert written.decode() == vector.wire


@vectors("grpc.toml", "server_metadata")
def test_server_metadata_is_written_as_a_message(vector: Vector) -> None:
    message = grpc.encode_server_metadata(golden.server_metadata(vector.value))
    assert message == ServerMetadataResponse.FromString(from_hex(vector.wire))


@vectors("grpc.toml", "model_metadata")
def test_model_metadata_is_written_as_a_message(vector: Vector) -> None:
    message = grpc.encode_model_metadata(golden.model_metadata(vector.value))
    assert message == ModelMetadataResponse.FromString(from_hex(vector.wire))
