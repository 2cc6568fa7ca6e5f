"""A server whose every byte is written in the test, such as no real server would send."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from ..target import FixtureBinding, Target

Talk = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answering(*answers: bytes) -> Talk:
    """A connection on which each request gets the next answer, then the end."""

    def talk(connection: socket.socket) -> None:
        for answer in answers:
            _read_request(connection)
            connection.sendall(answer)

    return talk


def waiting(connection: socket.socket) -> None:
    """A connection on which nothing is ever said."""
    while connection.recv(1 << 16):
        pass


def resetting(connection: socket.socket) -> None:
    """A connection that is reset as soon as something came."""
    connection.recv(1 << 16)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ok(body: bytes, *fields: str) -> bytes:
    """An answer with a body of that length."""
    lines = ["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def scripted(*talks: Talk, together: bool = False) -> Iterator[int]:
    """Serve one connection after the other, or all `together`, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_serve, args=(listener, talks, together))
        server.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        server.join(timeout=5)


def target_at(
    port: int,
    *,
    headers: Mapping[str, str] | None = None,
    fixtures: Mapping[str, FixtureBinding] | None = None,
    alive: Callable[[], str | None] = lambda: None,
    user: str = "",
    **more: Any,
) -> Target:
    """A target that serves REST there; alive unless said otherwise."""
    return Target(
        f"http://{user}127.0.0.1:{port}",
        None,
        fixtures=fixtures or {},
        claims={},
        headers=headers or {},
        tls=None,
        alive=alive,
        **more,
    )


@contextmanager
def asked(
    *talks: Talk, headers: Mapping[str, str] | None = None, together: bool = False
) -> Iterator[Target]:
    """A target whose connections go as written."""
    with scripted(*talks, together=together) as port:
        target = target_at(port, headers=headers)
        try:
            yield target
        finally:
            target.close()


def _serve(listener: socket.socket, talks: tuple[Talk, ...], together: bool) -> None:
    with ThreadPoolExecutor(len(talks) or 1 if together else 1) as threads:
        for talk in talks:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            work = threads.submit(_talk, connection, talk)
            if not together:
                work.result()


def _talk(connection: socket.socket, talk: Talk) -> None:
    with connection, suppress(OSError):
        talk(connection)


def _read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    missing = int(fields.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        missing -= len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("the client left")
    return data
