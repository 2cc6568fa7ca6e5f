"""Whether a server that was just started answers, and whether it is really that server."""

import socket
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from . import procfs
from .connection import Tls

__all__ = ["Stranger", "answers_grpc", "answers_rest", "connect", "listens", "port_of"]

SERVER_READY = "/inference.GRPCInferenceService/ServerReady"
TRUE = b"\x08\x01"  # ServerReadyResponse with ready (field 1) true
SECONDS = 2.0


class Stranger(Exception):
    """The port is held by a process that the suite did not start."""


def port_of(address: str) -> int:
    """The port of a URL or of host:port."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    return parts.port or (443 if parts.scheme == "https" else 80)


def connect(address: str, tls: Tls | None = None) -> None:
    """Opens and closes a connection to a URL or host:port; with `tls` it also shakes hands.

    Raises:
        OSError: it cannot be opened; ConnectionRefusedError where nothing listens, ssl.SSLError
            where nobody whom we trust speaks TLS.
    """
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    try:
        with socket.create_connection((host, port_of(address)), SECONDS) as plain:
            if tls:
                tls.context().wrap_socket(plain, server_hostname=host).close()
    except UnicodeError as error:
        raise OSError(f"{host!r} is no name of a host") from error


def listens(port: int, own: Callable[[], Collection[procfs.Process]]) -> bool:
    """Whether one of our `own` processes listens on the port; anybody else there is an error."""
    inodes = procfs.listeners(port)
    if not inodes:
        return False
    held: set[str] = set().union(*(procfs.sockets(process.pid) for process in own()))
    foreign = (inodes - held) & procfs.listeners(port)  # a socket closed meanwhile is nobody's
    if foreign:
        raise Stranger(f"port {port} belongs to {_holder(foreign)}, not to the started target")
    return not inodes.isdisjoint(held)


def _holder(inodes: set[str]) -> str:
    for pid in procfs.processes():
        if procfs.sockets(pid) & inodes:
            return f"process {pid} ({procfs.command(pid)})"
    return "a process of another user"


def answers_rest(url: str, path: str, headers: Mapping[str, str], tls: Tls | None) -> str | None:
    """Asks for readiness; None when it is ready, otherwise what came instead."""
    import httpx

    try:
        answer = httpx.get(
            url.rstrip("/") + path,
            headers=dict(headers),
            verify=tls.context() if tls else url.startswith("https:"),  # else not worth 20 ms
            timeout=SECONDS,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return f"GET {path}: {error or type(error).__name__}"
    return None if answer.status_code == 200 else f"GET {path}: status {answer.status_code}"


def answers_grpc(address: str, headers: Mapping[str, str]) -> str | None:
    """Calls ServerReady without encryption; None when ready, otherwise what came instead.

    A server without that method is ready when it says so.
    """
    import grpc

    metadata = tuple((name.lower(), value) for name, value in headers.items())
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(
            SERVER_READY, request_serializer=bytes, response_deserializer=bytes
        )
        try:
            answer = ask(b"", timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
            return None if code is grpc.StatusCode.UNIMPLEMENTED else f"ServerReady: {code.name}"
    return None if TRUE in answer else "ServerReady: not ready"
