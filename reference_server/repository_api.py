"""The extension model_repository over both planes: what there is, load and unload; for operators.

A model is read from the server's own folder alone: a client that could send its configuration or
its files could have the server run what it likes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import Message
from msgspec import Struct

from servespec.wire import proto
from servespec.wire.messages import WireError

from .errors import InvalidRequest, LoadRefused, ShuttingDown
from .grpc import Answer, Context
from .http import HttpRequest, HttpResponse
from .model_control import ModelControl
from .repository import Entry, State
from .tokens import check_token

__all__ = ["EXTENSION", "RepositoryApi"]

EXTENSION = "model_repository"

_JSON = ("Content-Type", "application/json")
_NAMED = (State.READY, State.LOADING, State.UNLOADING)
"""States that the extension has names for; what is none of them is UNAVAILABLE."""
_LOAD = ("version",)
_UNLOAD = ("version", "unload_dependents")


class _IndexRequest(Struct, frozen=True):
    ready: bool = False


class _ChangeRequest(Struct, frozen=True):
    parameters: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Row:
    """A version, as the index has it."""

    name: str
    version: str
    state: str
    reason: str


class RepositoryApi:
    """Answers those who have the operator's token.

    Args:
        control: loads and unloads.
        token: of the operator.
        can_change: whether it may be asked to load and unload, as well as what there is.
    """

    def __init__(self, control: ModelControl, token: str, *, can_change: bool) -> None:
        self._control = control
        self._token = token
        self._can_change = can_change

    async def index(self, *, ready: bool) -> Sequence[_Row]:
        """Return all versions on disk, or those that can be asked."""
        rows = map(_row, await self._control.look())
        return [row for row in rows if row.state == "READY" or not ready]

    async def change(self, verb: str, name: str, parameters: Mapping[str, object]) -> None:
        """Load or unload a model, or the version that the parameters name.

        Raises:
            InvalidRequest: a parameter is not known, or is no version.
            ServingError: see `ModelControl`.
        """
        if not self._can_change:
            raise LoadRefused("--model-control poll: the files decide what is loaded")
        known = _LOAD if verb == "load" else _UNLOAD
        for parameter in parameters:
            if parameter not in known:
                expected = ", ".join(known)
                raise InvalidRequest(f"unknown parameter {parameter[:100]!r}; expected {expected}")
        version = parameters.get("version", "")
        if not isinstance(version, str):
            raise InvalidRequest(f"parameter 'version': {version!r}; expected a string")
        act = self._control.load if verb == "load" else self._control.unload
        await act(name, version)

    # REST.

    async def rest(self, request: HttpRequest, verb: str, name: str) -> HttpResponse:
        """Answer "index", "load" or "unload" of a model."""
        check_token(self._token, request.headers.get("authorization", ""))
        if verb == "index":
            asked = _decoded(request.body, _IndexRequest)
            rows = [_without_empty(row) for row in await self.index(ready=asked.ready)]
            return HttpResponse(200, msgspec.json.encode(rows), (_JSON,))
        if request.late:
            raise ShuttingDown("the server is shutting down")
        await self.change(verb, name, _decoded(request.body, _ChangeRequest).parameters)
        return HttpResponse(200, b"{}", (_JSON,))

    # gRPC.

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What answers each method of the extension."""
        return {
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.repository_model_load,
            "RepositoryModelUnload": self.repository_model_unload,
        }

    async def repository_index(
        self, request: proto.RepositoryIndexRequest, context: Context
    ) -> Message:
        """Say what there is."""
        self._check(context, request.repository_name)
        rows = await self.index(ready=request.ready)
        one = proto.RepositoryIndexResponse.ModelIndex
        models = [one(**{name: getattr(row, name) for name in row.__slots__}) for row in rows]
        return proto.RepositoryIndexResponse(models=models)

    async def repository_model_load(
        self, request: proto.RepositoryModelLoadRequest, context: Context
    ) -> Message:
        """Load, or reload."""
        self._check(context, request.repository_name)
        await self.change("load", request.model_name, _values(request.parameters))
        return proto.RepositoryModelLoadResponse()

    async def repository_model_unload(
        self, request: proto.RepositoryModelUnloadRequest, context: Context
    ) -> Message:
        """Unload."""
        self._check(context, request.repository_name)
        await self.change("unload", request.model_name, _values(request.parameters))
        return proto.RepositoryModelUnloadResponse()

    def _check(self, context: Context, repository: str) -> None:
        metadata = context.invocation_metadata() or ()
        said = (str(value) for key, value in metadata if key == "authorization")
        check_token(self._token, next(said, ""))
        if repository:
            raise InvalidRequest(f"unknown repository {repository[:100]!r}; there is one, unnamed")


def _row(entry: Entry) -> _Row:
    state = entry.state
    named = state in _NAMED
    reason = entry.reason or ("" if named else state.value.removeprefix("is "))
    return _Row(entry.name, entry.version, state.name if named else "UNAVAILABLE", reason)


def _without_empty(row: _Row) -> Mapping[str, str]:
    return {name: value for name in row.__slots__ if (value := getattr(row, name))}


def _decoded(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise WireError(f"the body: {error}") from error


def _values(parameters: Mapping[str, proto.ModelRepositoryParameter]) -> Mapping[str, object]:
    chosen = {name: one.WhichOneof("parameter_choice") for name, one in parameters.items()}
    return {name: getattr(parameters[name], field) for name, field in chosen.items() if field}
