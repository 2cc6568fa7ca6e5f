"""The judged server as checks see it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import grpc
from google.protobuf import json_format

from ..fixtures import FIXTURES
from ..wire import proto as pb
from .binding import FixtureBinding
from .connection import Tls
from .evidence import Evidence, Journal
from .exchange import GrpcExchange
from .grpc import GrpcPlane
from .outcomes import Untestable
from .rest import RestPlane

__all__ = ["FixtureBinding", "Target", "Tls"]


class Target:
    """One server to be judged, over whichever planes it serves.

    Args:
        rest_url: such as `http://localhost:8000`; None: not served over REST.
        grpc_address: `host:port`; None: not served over gRPC.
        fixtures: how the fixtures are called there; those that are missing are called as ours.
        claims: what the server claims, by profile.
        headers: sent with every request; their values never appear in evidence.
        tls: whom to trust; None: the system's authorities over REST, plain text over gRPC.
        alive: None while the server lives, or a sentence of how it died.

    Attributes:
        check: the name of the check that runs.
        variants: what was recorded of choices that are the server's own, since the check began.
    """

    def __init__(
        self,
        rest_url: str | None,
        grpc_address: str | None,
        *,
        fixtures: Mapping[str, FixtureBinding],
        claims: Mapping[str, Mapping[str, Any]],
        headers: Mapping[str, str],
        tls: Tls | None,
        alive: Callable[[], str | None],
    ) -> None:
        self._rest_url = rest_url
        self._grpc_address = grpc_address
        self._fixtures = fixtures
        self._claims = claims
        self._headers = headers
        self._tls = tls
        self._journal = Journal(alive, headers.items())
        self._present: set[str] = set()
        self.check = ""
        self.variants: dict[str, str] = {}

    def __repr__(self) -> str:
        rest = (self._rest_url or "").rpartition("@")[2]  # nobody prints a password
        return f"Target({rest or self._grpc_address})"

    @cached_property
    def rest(self) -> RestPlane:
        """The REST plane; Untestable where there is none."""
        if self._rest_url is None:
            raise Untestable("the target has no REST address")
        return RestPlane(
            self._rest_url,
            hosted=self.fixture,
            journal=self._journal,
            headers=self._headers,
            tls=self._tls,
        )

    @cached_property
    def grpc(self) -> GrpcPlane:
        """The gRPC plane; Untestable where there is none."""
        if self._grpc_address is None:
            raise Untestable("the target has no gRPC address")
        return GrpcPlane(
            self._grpc_address,
            hosted=self.fixture,
            journal=self._journal,
            headers=self._headers,
            tls=self._tls,
        )

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        for plane in ("rest", "grpc"):
            if plane in self.__dict__:
                self.__dict__.pop(plane).close()

    def begin(self, name: str) -> None:
        """A check begins: what was seen before it is no evidence of it."""
        self.check = name
        self._journal.begin()
        self.variants = {}

    @property
    def evidence(self) -> list[Evidence]:
        """The last exchanges of the check, oldest first."""
        return self._journal.kept

    @property
    def omitted(self) -> int:
        """How many exchanges of the check came before those."""
        return self._journal.omitted

    def must_live(self) -> None:
        """Raise TargetGone when the server is dead."""
        self._journal.must_live(self.check)

    def record(self, key: str, value: object) -> None:
        """Note which of the accepted behaviours the server shows; it goes into the report."""
        self.variants[key] = str(value)

    def claims(self, profile: str) -> bool:
        """Whether the server claims a profile, in whatever detail."""
        return profile in self._claims

    def claim(self, profile: str, key: str, default: Any = None) -> Any:
        """What the server claims under a profile."""
        return self._claims.get(profile, {}).get(key, default)

    def metadata(self) -> Mapping[str, Any]:
        """The server's metadata as a JSON object, asked once."""
        return self._metadata

    @property
    def extensions(self) -> frozenset[str]:
        """The protocol extensions that the server's metadata lists."""
        listed = self._metadata.get("extensions")
        return frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()

    def has_fixture(self, name: str) -> bool:
        """Whether the server hosts a fixture; not asked again once it did."""
        return not self._why_absent(name)

    def fixture(self, name: str) -> FixtureBinding:
        """How a fixture is called on the server; Untestable where it is not hosted."""
        if why := self._why_absent(name):
            raise Untestable(
                f"the target does not host the fixture {name} ({why}); see `servespec fixtures`"
            )
        return self._binding(name)

    def _binding(self, name: str) -> FixtureBinding:
        if name not in FIXTURES:
            raise LookupError(f"{name} is none of the fixtures: {', '.join(FIXTURES)}")
        return self._fixtures.get(name, FixtureBinding(name))

    def _why_absent(self, name: str) -> str:
        if name in self._present:
            return ""
        ask = self._refused_by_grpc if self._rest_url is None else self._refused_by_rest
        why = ask(self._binding(name))
        if not why:
            self._present.add(name)
        return why

    def _refused_by_rest(self, binding: FixtureBinding) -> str:
        path = binding.path()
        exchange = self.rest.get(path)
        if exchange.status == 200 or self.rest.get(f"{path}/ready").status == 200:
            return ""
        return f"GET {path} -> {exchange.failure or exchange.status}"

    def _refused_by_grpc(self, binding: FixtureBinding) -> str:
        ask = pb.ModelMetadataRequest(name=binding.model, version=binding.version)
        exchange = self.grpc.call("ModelMetadata", ask)
        if exchange.code is grpc.StatusCode.OK:
            return ""
        return f"ModelMetadata of {binding.model} -> {exchange.code.name}"

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        if self._rest_url is None:
            exchange = self.grpc.call("ServerMetadata", pb.ServerMetadataRequest())
            return _members(exchange)
        value = self.rest.get("/v2").must_succeed().json()
        return value if isinstance(value, dict) else {}


def _members(exchange: GrpcExchange) -> dict[str, Any]:
    exchange.must_succeed()
    return json_format.MessageToDict(exchange.message, preserving_proto_field_name=True)
