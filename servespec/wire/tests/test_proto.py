"""The compiled contract: fresh, typed as it is, compatible with other copies, and private."""

import ast
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor
from tritonclient.grpc import service_pb2

from .. import proto
from ..datatypes import DATATYPES
from ..proto.build import compile_descriptors

MISSING_THERE = {"ModelMetadataResponse": {"properties", "PropertiesEntry"}}
MESSAGES = proto.ModelInferRequest.DESCRIPTOR.file.message_types_by_name


def test_the_loaded_messages_are_those_of_the_source(tmp_path: Path) -> None:
    compile_descriptors(tmp_path / "fresh.binpb")
    loaded = resources.files(proto).joinpath("inference.binpb").read_bytes()
    assert loaded == (tmp_path / "fresh.binpb").read_bytes()


def test_the_messages_are_not_in_the_pool_that_packages_share() -> None:
    ours = proto.ModelInferRequest.DESCRIPTOR.file
    theirs = service_pb2.ModelInferRequest.DESCRIPTOR.file
    assert ours.pool is proto.POOL
    assert theirs.pool is not proto.POOL


def test_the_service_has_the_methods_of_the_protocol() -> None:
    assert {
        "ServerLive": (proto.ServerLiveRequest, proto.ServerLiveResponse),
        "ServerReady": (proto.ServerReadyRequest, proto.ServerReadyResponse),
        "ModelReady": (proto.ModelReadyRequest, proto.ModelReadyResponse),
        "ServerMetadata": (proto.ServerMetadataRequest, proto.ServerMetadataResponse),
        "ModelMetadata": (proto.ModelMetadataRequest, proto.ModelMetadataResponse),
        "ModelInfer": (proto.ModelInferRequest, proto.ModelInferResponse),
        "RepositoryIndex": (proto.RepositoryIndexRequest, proto.RepositoryIndexResponse),
        "RepositoryModelLoad": (
            proto.RepositoryModelLoadRequest,
            proto.RepositoryModelLoadResponse,
        ),
        "RepositoryModelUnload": (
            proto.RepositoryModelUnloadRequest,
            proto.RepositoryModelUnloadResponse,
        ),
    } == proto.METHODS


def test_typed_contents_have_a_field_for_each_datatype_that_names_one() -> None:
    fields = proto.InferTensorContents.DESCRIPTOR.fields_by_name
    assert {each.contents for each in DATATYPES.values()} - {None} == set(fields)


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_agree_with_another_copy_of_the_protocol(name: str) -> None:
    lacking = _fields(MESSAGES[name]) - _fields(getattr(service_pb2, name).DESCRIPTOR)
    assert {field[0] for field in lacking} == MISSING_THERE.get(name, set())


def _fields(message: Descriptor) -> set[tuple[Any, ...]]:
    """Names, numbers and types, those of nested messages included."""
    described = descriptor_pb2.DescriptorProto()
    message.CopyToProto(described)  # type: ignore[no-untyped-call]
    own = {(f.name, f.number, f.type, f.label, f.type_name) for f in described.field}
    inner = [{(each.name, *field) for field in _fields(each)} for each in message.nested_types]
    return own.union(*inner)


def _stubs() -> list[ast.ClassDef]:
    stub = ast.parse(resources.files(proto).joinpath("__init__.pyi").read_text("utf-8"))
    return [node for node in stub.body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("stub", _stubs(), ids=lambda stub: stub.name)
def test_the_stub_declares_the_fields_of_the_message(stub: ast.ClassDef) -> None:
    _compare(stub, MESSAGES[stub.name])


def test_the_stub_declares_every_message() -> None:
    assert {stub.name for stub in _stubs()} == set(MESSAGES)


def _compare(stub: ast.ClassDef, message: Descriptor) -> None:
    declared = [
        node.target.id
        for node in stub.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    assert declared == [field.name for field in message.fields]
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            assert [argument.arg for argument in node.args.kwonlyargs] == declared
        if isinstance(node, ast.ClassDef):
            _compare(node, message.nested_types_by_name[node.name])
