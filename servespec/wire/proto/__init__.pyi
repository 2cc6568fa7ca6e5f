from collections.abc import Iterable, Mapping

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.containers import (
    MessageMap,
    RepeatedCompositeFieldContainer,
    RepeatedScalarFieldContainer,
    ScalarMap,
)
from google.protobuf.message import Message

SERVICE: str
POOL: DescriptorPool
METHODS: Mapping[str, tuple[type[Message], type[Message]]]

class ServerLiveRequest(Message): ...

class ServerLiveResponse(Message):
    live: bool
    def __init__(self, *, live: bool = ...) -> None: ...

class ServerReadyRequest(Message): ...

class ServerReadyResponse(Message):
    ready: bool
    def __init__(self, *, ready: bool = ...) -> None: ...

class ModelReadyRequest(Message):
    name: str
    version: str
    def __init__(self, *, name: str = ..., version: str = ...) -> None: ...

class ModelReadyResponse(Message):
    ready: bool
    def __init__(self, *, ready: bool = ...) -> None: ...

class ServerMetadataRequest(Message): ...

class ServerMetadataResponse(Message):
    name: str
    version: str
    extensions: RepeatedScalarFieldContainer[str]
    def __init__(
        self, *, name: str = ..., version: str = ..., extensions: Iterable[str] = ...
    ) -> None: ...

class ModelMetadataRequest(Message):
    name: str
    version: str
    def __init__(self, *, name: str = ..., version: str = ...) -> None: ...

class ModelMetadataResponse(Message):
    class TensorMetadata(Message):
        name: str
        datatype: str
        shape: RepeatedScalarFieldContainer[int]
        def __init__(
            self, *, name: str = ..., datatype: str = ..., shape: Iterable[int] = ...
        ) -> None: ...

    name: str
    versions: RepeatedScalarFieldContainer[str]
    platform: str
    inputs: RepeatedCompositeFieldContainer[ModelMetadataResponse.TensorMetadata]
    outputs: RepeatedCompositeFieldContainer[ModelMetadataResponse.TensorMetadata]
    properties: ScalarMap[str, str]
    def __init__(
        self,
        *,
        name: str = ...,
        versions: Iterable[str] = ...,
        platform: str = ...,
        inputs: Iterable[ModelMetadataResponse.TensorMetadata] = ...,
        outputs: Iterable[ModelMetadataResponse.TensorMetadata] = ...,
        properties: Mapping[str, str] = ...,
    ) -> None: ...

class InferParameter(Message):
    bool_param: bool
    int64_param: int
    string_param: str
    double_param: float
    uint64_param: int
    def __init__(
        self,
        *,
        bool_param: bool = ...,
        int64_param: int = ...,
        string_param: str = ...,
        double_param: float = ...,
        uint64_param: int = ...,
    ) -> None: ...

class InferTensorContents(Message):
    bool_contents: RepeatedScalarFieldContainer[bool]
    int_contents: RepeatedScalarFieldContainer[int]
    int64_contents: RepeatedScalarFieldContainer[int]
    uint_contents: RepeatedScalarFieldContainer[int]
    uint64_contents: RepeatedScalarFieldContainer[int]
    fp32_contents: RepeatedScalarFieldContainer[float]
    fp64_contents: RepeatedScalarFieldContainer[float]
    bytes_contents: RepeatedScalarFieldContainer[bytes]
    def __init__(
        self,
        *,
        bool_contents: Iterable[bool] = ...,
        int_contents: Iterable[int] = ...,
        int64_contents: Iterable[int] = ...,
        uint_contents: Iterable[int] = ...,
        uint64_contents: Iterable[int] = ...,
        fp32_contents: Iterable[float] = ...,
        fp64_contents: Iterable[float] = ...,
        bytes_contents: Iterable[bytes] = ...,
    ) -> None: ...

class ModelInferRequest(Message):
    class InferInputTensor(Message):
        name: str
        datatype: str
        shape: RepeatedScalarFieldContainer[int]
        parameters: MessageMap[str, InferParameter]
        contents: InferTensorContents
        def __init__(
            self,
            *,
            name: str = ...,
            datatype: str = ...,
            shape: Iterable[int] = ...,
            parameters: Mapping[str, InferParameter] = ...,
            contents: InferTensorContents | None = ...,
        ) -> None: ...

    class InferRequestedOutputTensor(Message):
        name: str
        parameters: MessageMap[str, InferParameter]
        def __init__(
            self, *, name: str = ..., parameters: Mapping[str, InferParameter] = ...
        ) -> None: ...

    model_name: str
    model_version: str
    id: str
    parameters: MessageMap[str, InferParameter]
    inputs: RepeatedCompositeFieldContainer[ModelInferRequest.InferInputTensor]
    outputs: RepeatedCompositeFieldContainer[ModelInferRequest.InferRequestedOutputTensor]
    raw_input_contents: RepeatedScalarFieldContainer[bytes]
    def __init__(
        self,
        *,
        model_name: str = ...,
        model_version: str = ...,
        id: str = ...,
        parameters: Mapping[str, InferParameter] = ...,
        inputs: Iterable[ModelInferRequest.InferInputTensor] = ...,
        outputs: Iterable[ModelInferRequest.InferRequestedOutputTensor] = ...,
        raw_input_contents: Iterable[bytes] = ...,
    ) -> None: ...

class ModelInferResponse(Message):
    class InferOutputTensor(Message):
        name: str
        datatype: str
        shape: RepeatedScalarFieldContainer[int]
        parameters: MessageMap[str, InferParameter]
        contents: InferTensorContents
        def __init__(
            self,
            *,
            name: str = ...,
            datatype: str = ...,
            shape: Iterable[int] = ...,
            parameters: Mapping[str, InferParameter] = ...,
            contents: InferTensorContents | None = ...,
        ) -> None: ...

    model_name: str
    model_version: str
    id: str
    parameters: MessageMap[str, InferParameter]
    outputs: RepeatedCompositeFieldContainer[ModelInferResponse.InferOutputTensor]
    raw_output_contents: RepeatedScalarFieldContainer[bytes]
    def __init__(
        self,
        *,
        model_name: str = ...,
        model_version: str = ...,
        id: str = ...,
        parameters: Mapping[str, InferParameter] = ...,
        outputs: Iterable[ModelInferResponse.InferOutputTensor] = ...,
        raw_output_contents: Iterable[bytes] = ...,
    ) -> None: ...

class RepositoryIndexRequest(Message):
    repository_name: str
    ready: bool
    def __init__(self, *, repository_name: str = ..., ready: bool = ...) -> None: ...

class RepositoryIndexResponse(Message):
    class ModelIndex(Message):
        name: str
        version: str
        state: str
        reason: str
        def __init__(
            self, *, name: str = ..., version: str = ..., state: str = ..., reason: str = ...
        ) -> None: ...

    models: RepeatedCompositeFieldContainer[RepositoryIndexResponse.ModelIndex]
    def __init__(self, *, models: Iterable[RepositoryIndexResponse.ModelIndex] = ...) -> None: ...

class ModelRepositoryParameter(Message):
    bool_param: bool
    int64_param: int
    string_param: str
    bytes_param: bytes
    def __init__(
        self,
        *,
        bool_param: bool = ...,
        int64_param: int = ...,
        string_param: str = ...,
        bytes_param: bytes = ...,
    ) -> None: ...

class RepositoryModelLoadRequest(Message):
    repository_name: str
    model_name: str
    parameters: MessageMap[str, ModelRepositoryParameter]
    def __init__(
        self,
        *,
        repository_name: str = ...,
        model_name: str = ...,
        parameters: Mapping[str, ModelRepositoryParameter] = ...,
    ) -> None: ...

class RepositoryModelLoadResponse(Message): ...

class RepositoryModelUnloadRequest(Message):
    repository_name: str
    model_name: str
    parameters: MessageMap[str, ModelRepositoryParameter]
    def __init__(
        self,
        *,
        repository_name: str = ...,
        model_name: str = ...,
        parameters: Mapping[str, ModelRepositoryParameter] = ...,
    ) -> None: ...

class RepositoryModelUnloadResponse(Message): ...
