"""How many bytes the kernel carried for this process: of any protocol, encrypted or not."""

import os
import socket
import struct
from pathlib import Path

__all__ = ["bytes_carried"]

_COUNTERS = struct.Struct("@QQ")
_OFFSET = 120
"""Of `tcpi_bytes_acked` and `tcpi_bytes_received` in `struct tcp_info` (linux/tcp.h, from 4.1)."""


def bytes_carried(port: int) -> int:
    """Of all TCP connections of this process to that port that are open, in both directions.

    It is what the connections carry, without the headers of TCP and IP.
    """
    return sum(_carried(int(each.name), port) for each in Path("/proc/self/fd").iterdir())


def _carried(number: int, port: int) -> int:
    try:
        connection = socket.socket(fileno=os.dup(number))
    except OSError:  # no socket, or closed meanwhile
        return 0
    with connection:
        try:
            is_theirs = connection.getpeername()[1] == port
            told = connection.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _OFFSET + _COUNTERS.size
            )
        except (OSError, IndexError):  # of another family, or not connected
            return 0
    return sum(_COUNTERS.unpack_from(told, _OFFSET)) if is_theirs else 0
