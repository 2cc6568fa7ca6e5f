"""The model repository over gRPC, and who may change it."""

import json

from google.protobuf.message import Message

from servespec.target.exchange import GrpcExchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto

from ..caching.asking import over_grpc
from .repository import FIXTURE, SECONDS, Repository, repository


@requirement("EXT-REPO-010", name="index", fixtures=[FIXTURE])
def test_the_index_is_the_same_over_grpc(target: Target) -> None:
    """An operator finds the same on whichever plane the tool speaks."""
    with repository(target) as server:
        for loaded in (True, False):
            if not loaded:
                server.unloaded()
            answer = _ask(server, "RepositoryIndex", proto.RepositoryIndexRequest()).must_succeed()
            over_rest = sorted(
                tuple(str(row.get(key, "")) for key in ("name", "version", "state"))
                for row in server.rows()
            )
            found = sorted((row.name, row.version, row.state) for row in answer.message.models)
            assert found == over_rest, f"gRPC lists {found}, REST {over_rest}"


@requirement("EXT-REPO-010", name="changes", fixtures=[FIXTURE])
def test_loads_and_unloads_over_grpc_do_the_same(target: Target) -> None:
    """What is done on one plane is seen on the other."""
    with repository(target) as server:
        unload = proto.RepositoryModelUnloadRequest(model_name=server.model)
        _ask(server, "RepositoryModelUnload", unload).must_succeed()
        server.must_become(ready=False)
        load = proto.RepositoryModelLoadRequest(model_name=server.model)
        _ask(server, "RepositoryModelLoad", load).must_succeed()
        server.must_become(ready=True)

        server.must_serve()


def _ask(server: Repository, method: str, message: Message) -> GrpcExchange:
    metadata = tuple((name.lower(), value) for name, value in server.headers.items())
    return over_grpc(server.target).call(method, message, timeout=SECONDS, metadata=metadata)


@requirement("EXT-REPO-009", fixtures=[FIXTURE])
def test_strangers_configure_no_model(target: Target) -> None:
    """A configuration may name code to run: whoever reaches the port must not run theirs."""
    with repository(target) as server:
        kept = server.target.rest.get(f"/v2/models/{server.model}/config")
        config = kept.json() if kept.status == 200 else {"name": server.model}
        stranger = Repository(server.target, server.model, {}, server.settled_seconds)
        answer = stranger.change("load", {"config": json.dumps(config)})

        text = "loads a model with a configuration of whoever asks"
        assert answer.must_answer_at_all().status >= 400, f"without credentials the server {text}"
        server.must_serve()


@requirement("EXT-MISC-006", name="repository", fixtures=[FIXTURE])
def test_strangers_unload_no_model(target: Target) -> None:
    """Whoever can send inferences must not be able to end them for all others."""
    with repository(target) as server:
        stranger = Repository(server.target, server.model, {}, server.settled_seconds)
        answer = stranger.change("unload")

        assert answer.must_answer_at_all().status >= 400, "without credentials a model is unloaded"
        server.must_serve()
