"""Just enough of HTTP/2 to see a GOAWAY, which no gRPC client shows."""

import socket
import time

from servespec.target.outcomes import Nonconformance

__all__ = ["must_say_goaway", "open_http2"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
SETTINGS_ACK = b"\0\0\0\x04\x01\0\0\0\0"
SETTINGS, PING, GOAWAY, ACK = 4, 6, 7, 1
HEAD = 9


def open_http2(address: str, timeout: float) -> socket.socket:
    """A connection that has made its HTTP/2 greetings, and is idle."""
    host, _, port = address.rpartition(":")
    opened = socket.create_connection((host.strip("[]"), int(port)), timeout)
    opened.sendall(PREFACE + EMPTY_SETTINGS)
    return opened


def must_say_goaway(connection: socket.socket, within: float) -> None:
    """Read frames until a GOAWAY comes; FAIL when the connection ends, or the time, without one."""
    deadline = time.monotonic() + within
    try:
        while True:
            kind, flags, payload = _frame(connection, deadline)
            if kind == GOAWAY:
                return
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(SETTINGS_ACK)
            if kind == PING and not flags & ACK:
                connection.sendall(_pong(payload))
    except TimeoutError:
        raise Nonconformance(f"no GOAWAY came within {within:g} s of SIGTERM") from None
    except (EOFError, ConnectionError):
        raise Nonconformance("the connection ended without a GOAWAY") from None


def _pong(payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([PING, ACK]) + bytes(4) + payload


def _frame(connection: socket.socket, deadline: float) -> tuple[int, int, bytes]:
    head = _exactly(connection, HEAD, deadline)
    return head[3], head[4], _exactly(connection, int.from_bytes(head[:3], "big"), deadline)


def _exactly(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
