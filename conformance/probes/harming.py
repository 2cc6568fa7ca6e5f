"""Ways to keep a server from serving, and how its readiness takes them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

from servespec.target.instance import Instance
from servespec.target.outcomes import Nonconformance, Untestable
from servespec.target.procfs import Process, send

from ..strategies import SCALAR, request
from .kubelet import polled

__all__ = ["HARMED", "deadlock", "must_return", "must_turn_false"]

HARMED = "witness"
"""The model whose engine the target file's commands kill and hang."""

HARMS: tuple[Literal["kill", "hang"], ...] = ("kill", "hang")

NOTICE_SECONDS = 3.0
"""Binding: how long readiness may still be true while no inference is answered."""

RETURN_SECONDS = 30.0
"""Binding: how long readiness may stay false when nothing keeps the server from serving."""

HANG_SECONDS = 2.0
"""Harness: an inference that takes so long is not answered any more."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something without which a server cannot serve: how it is taken away, and given back."""

    take: Callable[[], None]
    give_back: Callable[[], None]


def must_turn_false(instance: Instance, ready: Callable[[], bool]) -> Loss:
    """Keep the server from serving; FAIL when its readiness does not notice.

    Raises:
        Untestable: nothing that can be done here keeps it from serving.
    """
    for loss in _losses(instance):
        with suppress(Untestable):
            loss.take()
            if _notices(instance, ready):
                return loss
    raise Untestable(
        "nothing here keeps the server from serving; a target file can name a command that does: "
        "[chaos] kill"
    )


def must_return(instance: Instance, ready: Callable[[], bool], loss: Loss) -> None:
    """Let the server serve again; FAIL when it does not, or does not say so."""
    loss.give_back()
    served = False
    for is_ready in polled(ready, RETURN_SECONDS):
        served = _serves(instance)
        if is_ready and served:
            return
    word = "ready" if served else "serving"
    raise Nonconformance(f"the server was not {word} again {RETURN_SECONDS:g} s after the harm")


def deadlock(instance: Instance) -> str:
    """Hang the server so that no inference is answered; the sentence says how."""
    for how, hang in _hangs(instance):
        with suppress(Untestable):
            hang()
            if not _serves(instance, HANG_SECONDS):
                return how
    raise Untestable("the server answers inferences although all its processes are stopped")


def _losses(instance: Instance) -> Iterator[Loss]:
    for how in HARMS:
        yield Loss(partial(instance.harm, how), partial(instance.harm, "mend"))
    if workers := _workers(instance):
        yield Loss(partial(_signal, workers, signal.SIGKILL), lambda: None)
    if "model_repository" in instance.target.extensions:
        unload, load = (partial(_repository, instance, verb) for verb in ("unload", "load"))
        yield Loss(unload, load)


def _hangs(instance: Instance) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "the target file's [chaos] hang", partial(instance.harm, "hang")
    if workers := _workers(instance):
        yield "SIGSTOP to the workers", partial(_signal, workers, signal.SIGSTOP)
    yield "SIGSTOP to the main process", partial(instance.signal, signal.SIGSTOP)


def _notices(instance: Instance, ready: Callable[[], bool]) -> bool:
    """Whether readiness turned false; a server that serves on has nothing to notice."""
    served_at = time.monotonic()
    for is_ready in polled(ready, NOTICE_SECONDS + HANG_SECONDS):
        if not is_ready:
            return True
        if _serves(instance):
            served_at = time.monotonic()
        elif time.monotonic() - served_at > NOTICE_SECONDS:
            raise Nonconformance(
                f"readiness is true although no inference was answered for {NOTICE_SECONDS:g} s"
            )
    return False


def _serves(instance: Instance, seconds: float = 1.0) -> bool:
    body = request(SCALAR)
    return instance.target.rest.infer(HARMED, body, timeout=seconds).status == 200


def _workers(instance: Instance) -> list[Process]:
    return [process for process in instance.processes() if process.parent != os.getpid()]


def _signal(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        send(process, number)


def _repository(instance: Instance, verb: Literal["load", "unload"]) -> None:
    model = instance.target.fixture(HARMED).model
    answer = instance.target.rest.post(f"/v2/repository/models/{model}/{verb}", {})
    if answer.status != 200:
        raise Untestable(f"{answer.asked}: answered {answer.status}")
