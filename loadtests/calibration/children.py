"""Processes that are begun without a fork.

Where gRPC's threads run, a forked process may abort before it has become another one; gevent's
`subprocess` forks.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from gevent import Timeout
from gevent.fileobject import FileObject

__all__ = ["running"]


@contextmanager
def running(command: list[str], seconds: float) -> Iterator[IO[bytes]]:
    """What a Python command writes, while it runs; the end of its standard input is to end it.

    Args:
        command: for this interpreter, such as `["-m", "json.tool"]`.
        seconds: that all of it may take.

    Raises:
        gevent.Timeout: it took longer.
    """
    stdin, to_it = os.pipe()
    from_it, stdout = os.pipe()
    ends = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
    process = os.posix_spawn(
        sys.executable, [sys.executable, *command], os.environ, file_actions=ends
    )
    os.close(stdin)
    os.close(stdout)
    told = cast(IO[bytes], FileObject(from_it, "rb"))
    try:
        with Timeout(seconds):
            yield told
    finally:
        os.close(to_it)
        told.close()
        with suppress(ChildProcessError):  # where gevent's loop has seen its end first
            os.waitpid(process, 0)
