"""The judged server as checks see it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

import grpc
from google.protobuf import json_format

from ..fixtures import FIXTURES
from ..wire import proto as pb
from .binding import FixtureBinding
from .connection import Tls
from .evidence import Evidence, Journal, Statistic
from .exchange import Exchange, GrpcExchange
from .grpc import GrpcPlane
from .manifest import Addresses
from .outcomes import NotApplicable, Untestable
from .rest import RestPlane
from .sections import Metrics, Probes

if TYPE_CHECKING:
    from .instance import Instance, Instances

__all__ = ["FixtureBinding", "Target", "Tls"]

_KUBELET = "kube-probe/1.34"


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
        probes: where and what an orchestrator asks; their `url` None: the REST URL.
        metrics: where the metrics are read, and their names; their `url` None: `/metrics` there.
        instances: starts further servers; None where nobody knows how.

    Attributes:
        check: the name of the check that runs.
        metrics: what the target calls its metrics.
        variants: what was recorded of choices that are the server's own, since the check began.
        statistics: what was measured since then.
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
        probes: Probes = Probes(),  # noqa: B008  # frozen
        metrics: Metrics = Metrics(),  # noqa: B008
        instances: "Instances | None" = None,
    ) -> None:
        self._rest_url = rest_url
        self._grpc_address = grpc_address
        self._fixtures = fixtures
        self._claims = claims
        self._headers = headers
        self._tls = tls
        self._journal = Journal(alive, headers.items())
        self._probes = probes
        self.metrics = metrics
        self._instances = instances
        self._present: set[str] = set()
        self.check = ""
        self.variants: dict[str, str] = {}
        self.statistics: list[Statistic] = []

    @classmethod
    def at(cls, rest_url: str | None, grpc_address: str | None = None) -> Self:
        """Whoever answers there: nothing is known of it."""
        return cls(
            rest_url,
            grpc_address,
            fixtures={},
            claims={},
            headers={},
            tls=None,
            alive=lambda: None,
        )

    def __repr__(self) -> str:
        rest = (self._rest_url or "").rpartition("@")[2]  # nobody prints a password
        return f"Target({rest or self._grpc_address})"

    @cached_property
    def rest(self) -> RestPlane:
        """The REST plane; Untestable where there is none."""
        if self._rest_url is None:
            raise Untestable("the target has no REST address")
        return self._over_http(self._rest_url)

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

    def _over_http(self, url: str) -> RestPlane:
        return RestPlane(
            url, hosted=self.fixture, journal=self._journal, headers=self._headers, tls=self._tls
        )

    def probe(
        self, name: Literal["live", "ready", "startup"], *, timeout: float = 10.0
    ) -> Exchange:
        """Ask as an orchestrator does, on a connection of its own.

        Raises:
            NotApplicable: the target file names no path for the startup probe.
        """
        paths = {"live": self._probes.live, "ready": self._probes.ready}
        path = paths.get(name, self._probes.startup)
        if path is None:
            raise NotApplicable("the target has no startup probe")
        plane = self._over_http(self._probes.url) if self._probes.url else self.rest
        return plane.request("GET", path, timeout=timeout, fresh=True)

    @property
    def has_startup_probe(self) -> bool:
        """Whether the target file names one."""
        return self._probes.startup is not None

    def scrape(self, accept: str | None = None, *, timeout: float = 10.0) -> Exchange:
        """Read the metrics, in the format that `accept` asks for."""
        url = urlsplit(self.metrics.url or "")
        plane = self._over_http(f"{url.scheme}://{url.netloc}") if self.metrics.url else self.rest
        headers = {"Accept": accept} if accept else {}
        path = url.path or "/metrics"
        return plane.request("GET", path, headers=headers, timeout=timeout, fresh=True)

    @contextmanager
    def fresh(
        self,
        *fixtures: str,
        ready: bool = True,
        harmed: bool = False,
        arguments: Sequence[str] = (),
    ) -> "Iterator[Instance]":
        """A server of the check's own, started anew with these fixtures only; gone afterwards.

        Args:
            fixtures: the models that it gets; none named: all of them.
            ready: wait until it is; otherwise come back as soon as its process is started.
            harmed: start it such that `Instance.harm` can be used.
            arguments: added to its start command.

        Raises:
            Untestable: nobody knows how to start one, or it does not host a fixture.
            Nonconformance: it does not become ready.
        """
        if self._instances is None:
            raise Untestable("signals and restarts need a target file with a start command")
        start = self._instances.start
        with start(
            self, fixtures, harmed=harmed, arguments=arguments, assume=not ready
        ) as instance:
            if ready:
                instance.wait_ready()
                for name in fixtures:
                    instance.target.fixture(name)
                instance.target.close()  # nobody is connected to it yet
            yield instance

    def beside(self, addresses: Addresses, hosting: Iterable[str] = ()) -> "Target":
        """Another server of the same kind, whose exchanges are evidence of the same check.

        Its death is the check's to judge. It is not asked whether it has what is said to be
        `hosting`.
        """
        other = Target(
            addresses.rest,
            addresses.grpc,
            fixtures=self._fixtures,
            claims=self._claims,
            headers=self._headers,
            tls=self._tls,
            alive=lambda: None,
            probes=replace(self._probes, url=addresses.probes),
            metrics=replace(self.metrics, url=addresses.metrics),
            instances=self._instances,
        )
        other._journal = self._journal.beside()
        other._present = set(hosting)
        other.check, other.variants, other.statistics = self.check, self.variants, self.statistics
        return other

    def as_kubelet(self) -> "Target":
        """The same server, asked by a kubelet, which has no credentials; to be closed."""
        other = self.beside(
            Addresses(self._rest_url, self._grpc_address, self._probes.url, self.metrics.url)
        )
        other._headers = {"User-Agent": _KUBELET}
        return other

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
        self.statistics = []

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

    def measured(self, statistic: Statistic) -> None:
        """Keep a number that the verdict rests on; it goes into the report."""
        self.statistics.append(statistic)

    def note(self, evidence: Evidence) -> None:
        """Keep as evidence what was seen otherwise than by an exchange."""
        self._journal.note(evidence)

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
