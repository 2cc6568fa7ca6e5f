"""The store that holds what is kept is gone, or says nothing: an answer can always be computed."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .asking import caching, remembered, unused

REQUESTS = 6
PLACE = "{store}"
"""Stands for the address of the store in the arguments of a target file."""


@requirement("GUIDE-008")
@pytest.mark.parametrize("store", ["gone", "silent"])
def test_requests_are_answered_while_the_store_of_a_cache_is(target: Target, store: str) -> None:
    """A client is answered, whatever becomes of what only makes answers faster."""
    caching(target)
    arguments = target.claim("caching", "store_arguments")
    if arguments is None:
        raise NotApplicable("the target claims no store outside of it to keep answers in")
    with _store(silent=store == "silent") as address:
        own = [argument.replace(PLACE, address) for argument in arguments]
        with target.fresh("cached", arguments=own) as instance:
            seconds = [_ask_twice(instance.target) for _ in range(REQUESTS)]
    target.record(f"slowest answer with the store {store}", f"{max(seconds) * 1000:.0f} ms")


def _ask_twice(server: Target) -> float:
    """How long the slower answer takes; FAIL unless both are right."""
    question = remembered(unused())
    answers = [question.ask(server).must_succeed() for _ in range(2)]
    for answer in answers:
        assert answer.values("y") == question.body["inputs"][0]["data"], "other values came"
    return max(answer.seconds for answer in answers)


@contextmanager
def _store(*, silent: bool) -> Iterator[str]:
    """The address of a store that refuses connections, or takes them and never answers."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        if silent:
            held.listen(128)
        host, port = held.getsockname()
        yield f"{host}:{port}"
