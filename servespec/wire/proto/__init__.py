"""The messages of the gRPC plane, as classes.

They live in a descriptor pool of their own: other packages carry their own copies of this protocol,
and two copies in the default pool refuse each other. `__init__.pyi` tells type checkers the fields.
"""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

SERVICE = "inference.GRPCInferenceService"


def _load() -> descriptor_pool.DescriptorPool:
    compiled = resources.files(__package__).joinpath("inference.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.Add(file)
    return pool


POOL = _load()


def _class(name: str) -> type[Message]:
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


def _methods() -> Mapping[str, tuple[type[Message], type[Message]]]:
    return MappingProxyType(
        {
            method.name: (_class(method.input_type.name), _class(method.output_type.name))
            for method in POOL.FindServiceByName(SERVICE).methods
        }
    )


METHODS = _methods()

ServerLiveRequest = _class("ServerLiveRequest")
ServerLiveResponse = _class("ServerLiveResponse")
ServerReadyRequest = _class("ServerReadyRequest")
ServerReadyResponse = _class("ServerReadyResponse")
ModelReadyRequest = _class("ModelReadyRequest")
ModelReadyResponse = _class("ModelReadyResponse")
ServerMetadataRequest = _class("ServerMetadataRequest")
ServerMetadataResponse = _class("ServerMetadataResponse")
ModelMetadataRequest = _class("ModelMetadataRequest")
ModelMetadataResponse = _class("ModelMetadataResponse")
ModelInferRequest = _class("ModelInferRequest")
ModelInferResponse = _class("ModelInferResponse")
InferParameter = _class("InferParameter")
InferTensorContents = _class("InferTensorContents")

RepositoryIndexRequest = _class("RepositoryIndexRequest")
RepositoryIndexResponse = _class("RepositoryIndexResponse")
ModelRepositoryParameter = _class("ModelRepositoryParameter")
RepositoryModelLoadRequest = _class("RepositoryModelLoadRequest")
RepositoryModelLoadResponse = _class("RepositoryModelLoadResponse")
RepositoryModelUnloadRequest = _class("RepositoryModelUnloadRequest")
RepositoryModelUnloadResponse = _class("RepositoryModelUnloadResponse")
