"""Misbehaviours in what the server says of itself and of its models."""

from collections.abc import Callable, Sequence

from ..http import Handler, HttpRequest, HttpResponse
from .json_bodies import JsonObject, json_object, question_defect, with_inputs, with_json
from .registry import rest_defect

Misstate = Callable[[JsonObject], JsonObject]


def statement_defect(
    name: str, path: str, *, breaks: Sequence[str]
) -> Callable[[Misstate], Misstate]:
    """Register `object -> object`: what GET of this path says instead."""

    def register(misstate: Misstate) -> Misstate:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            response = await answer(request)
            if request.target.rstrip("/") != path or request.method != "GET":
                return response
            return with_json(response, misstate(json_object(response)))

        return misstate

    return register


def _first_tensor(metadata: JsonObject, member: str, **changes: object) -> JsonObject:
    first, *rest = metadata[member]
    return {**metadata, member: [{**first, **changes}, *rest]}


@question_defect("tensor-case-folded", breaks=["OIP-REST-PATH-008/tensor"])
def _(asked: JsonObject) -> JsonObject:
    """Finds an input under a name in another case."""
    return with_inputs(asked, lambda each: {**each, "name": "x"} if each["name"] == "X" else each)


@question_defect("datatype-case-folded", breaks=["OIP-REST-PATH-008/datatype"])
def _(asked: JsonObject) -> JsonObject:
    """Knows a datatype in lower case."""
    return with_inputs(
        asked,
        lambda each: {**each, "datatype": "INT32"} if each.get("datatype") == "int32" else each,
    )


@statement_defect("live-as-text", "/v2/health/live", breaks=["OIP-REST-HLTH-006"])
def _(_health: JsonObject) -> JsonObject:
    """Says true in a string."""
    return {"live": "true"}


@statement_defect("ready-not-said", "/v2/health/ready", breaks=["OIP-REST-HLTH-007"])
def _(_health: JsonObject) -> JsonObject:
    """Has another word for ready."""
    return {"status": "ok"}


@statement_defect(
    "model-ready-nameless", "/v2/models/identity_fp32/ready", breaks=["OIP-REST-HLTH-008"]
)
def _(_health: JsonObject) -> JsonObject:
    """Does not say who is ready."""
    return {"ready": True}


@statement_defect("server-nameless", "/v2", breaks=["OIP-REST-SMETA-001"])
def _(metadata: JsonObject) -> JsonObject:
    """Has no name."""
    return {**metadata, "name": None}


@statement_defect(
    "extensions-unlisted",
    "/v2",
    breaks=["OIP-REST-SMETA-002", "OIP-REST-SMETA-003/listed"],
)
def _(metadata: JsonObject) -> JsonObject:
    """Serves an extension and lists none."""
    return {key: value for key, value in metadata.items() if key != "extensions"}


@rest_defect("extension-listed-only", breaks=["OIP-REST-SMETA-003/works"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Answers binary data with other bytes."""
    response = await answer(request)
    if b"\x07\x08" in request.body and request.target == "/v2/models/identity_uint8/infer":
        return with_json(response, {"outputs": []})
    return response


@statement_defect("server-versionless", "/v2", breaks=["OIP-REST-SMETA-004"])
def _(metadata: JsonObject) -> JsonObject:
    """Does not say of which release it is."""
    return {**metadata, "version": ""}


@statement_defect("metadata-platformless", "/v2/models/add_sub", breaks=["OIP-REST-MMETA-001"])
def _(metadata: JsonObject) -> JsonObject:
    """Does not say what runs the model."""
    return {key: value for key, value in metadata.items() if key != "platform"}


@statement_defect("metadata-other-name", "/v2/models/witness", breaks=["OIP-REST-MMETA-002"])
def _(metadata: JsonObject) -> JsonObject:
    """Names another model."""
    return {**metadata, "name": "WITNESS"}


@statement_defect(
    "metadata-version-numbers", "/v2/models/identity_fp64", breaks=["OIP-REST-MMETA-003"]
)
def _(metadata: JsonObject) -> JsonObject:
    """Lists versions as numbers."""
    return {**metadata, "versions": [int(each) for each in metadata["versions"]]}


@statement_defect("metadata-numpy-datatype", "/v2/models/row_sum", breaks=["OIP-REST-MMETA-004"])
def _(metadata: JsonObject) -> JsonObject:
    """Names datatypes as its library does."""
    return _first_tensor(metadata, "outputs", datatype="float32")


@statement_defect("metadata-minus-two", "/v2/models/row_sum", breaks=["OIP-REST-MMETA-005"])
def _(metadata: JsonObject) -> JsonObject:
    """Has a number of its own for a dimension that follows from others."""
    return _first_tensor(metadata, "outputs", shape=[-2, 1])


@statement_defect(
    "metadata-wrong-input", "/v2/models/identity_int64", breaks=["OIP-REST-MMETA-006"]
)
def _(metadata: JsonObject) -> JsonObject:
    """Announces an input under a name that it does not know."""
    return _first_tensor(metadata, "inputs", name="input_1")


@statement_defect(
    "metadata-wrong-output", "/v2/models/identity_fp64", breaks=["OIP-REST-MMETA-007"]
)
def _(metadata: JsonObject) -> JsonObject:
    """Announces another datatype than it answers with."""
    return _first_tensor(metadata, "outputs", datatype="FP32")


@statement_defect("metadata-platform", "/v2/models/identity_fp32", breaks=["OIP-REST-MMETA-008"])
def _(metadata: JsonObject) -> JsonObject:
    """Names a platform in a form of its own."""
    return {**metadata, "platform": "OpenVINO"}


@statement_defect(
    "absent-metadata-detail", "/v2/models/absent_for_metadata", breaks=["OIP-REST-MMETA-009"]
)
def _(error: JsonObject) -> JsonObject:
    """Says what is wrong under another member."""
    return {"detail": error.get("error")}


@statement_defect("metadata-properties", "/v2/models/identity_fp32", breaks=["OIP-REST-MMETA-011"])
def _(metadata: JsonObject) -> JsonObject:
    """Has properties that are no strings."""
    return {**metadata, "properties": {"priority": 1}}
