"""What is kept, and for how long: no errors, nothing beyond a reload, a lifetime or a size."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from servespec.target.exchange import Exchange
from servespec.target.instance import Instance
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.procfs import resident_bytes
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement

from ..extensions.repository import Repository, access
from ..grpc.messages import typed
from ..questions import Question
from ..strategies import binary_request
from .asking import caching, changed, nonce, over_grpc, remembered, slow_of, unused

EXECUTION = 0.3
"""Seconds of a request that somebody gives up on."""
PATIENCE = 0.1
LONGEST_LIFE = 5.0
"""Seconds of a lifetime that a check waits for."""
LATE = 0.25
CAPACITIES = 10
"""How many times the size of the cache is put into it."""
MOST = 1 << 30
ENTRY = 8 << 20
SLACK = 64 << 20
"""Bytes that a server may need beside its cache for requests of this size."""


@requirement("CACHE-004", kind="saturating")
@pytest.mark.parametrize("how", ["gRPC deadline", "deadline header", "timeout", "left"])
def test_an_error_is_not_kept(target: Target, how: str) -> None:
    """A client gets its answer, though the same request has failed for somebody impatient."""
    caching(target)
    if target.claim("caching", "errors_kept", False):
        raise NotApplicable("the target says that it keeps errors")
    question = slow_of(target, "cached_spin", EXECUTION)
    if not _FAILURES[how](target, question):
        raise NotApplicable(f"the target knows no {how}, or answers all the same")

    answer = question.ask(target).must_succeed()
    wanted = question.body["inputs"][0]["data"]
    assert answer.values("y") == wanted, f"after a failure {wanted} is answered as other values"
    again = "kept" if nonce(question.ask(target)) == nonce(answer) else "computed again"
    target.record("the answer after a failure", again)


def _past_its_deadline(target: Target, question: Question) -> bool:
    (given,) = question.body["inputs"]
    x = typed("iterations", "INT64", given["shape"], given["data"])
    exchange = over_grpc(target).infer("cached_spin", inputs=[x], timeout=PATIENCE)
    return exchange.code.name != "OK"


def _past_its_header(target: Target, question: Question) -> bool:
    header = target.claim("overload", "deadline_header")
    if header is None:
        return False
    headers = {header: f"{PATIENCE:g}"}
    return _refused(target.rest.infer("cached_spin", question.body, headers=headers))


def _past_its_parameter(target: Target, question: Question) -> bool:
    asked = changed(question, parameters={"timeout": round(PATIENCE * 1e6)})
    return _refused(asked.ask(target))


def _refused(exchange: Exchange) -> bool:
    return exchange.must_answer_at_all().status != 200


def _left(target: Target, question: Question) -> bool:
    with open_burst(target.rest, [question.message(target)]) as (leaver,):
        time.sleep(PATIENCE)
        leaver.abandon(reset=True)
    time.sleep(PATIENCE)  # so that the target has noticed, and nobody joins what it still runs
    return True


_FAILURES: Mapping[str, Callable[[Target, Question], bool]] = {
    "gRPC deadline": _past_its_deadline,
    "deadline header": _past_its_header,
    "timeout": _past_its_parameter,
    "left": _left,
}


@requirement("CACHE-005")
def test_a_reload_drops_what_was_kept(target: Target) -> None:
    """An operator who loads a model anew gets its answers, and not those of the old one."""
    caching(target)
    question = remembered(unused())
    arguments, headers = access(target)
    with target.fresh("cached", arguments=arguments) as instance:
        before = nonce(question.ask(instance.target))
        kept = nonce(question.ask(instance.target)) == before
        target.record("asked twice before the reload", "kept" if kept else "computed twice")
        target.record("reloaded by", _reload(instance, headers))
        after = nonce(question.ask(instance.target))
    assert after != before, "after a reload a request gets the answer of the model before"


def _reload(instance: Instance, headers: Mapping[str, str]) -> str:
    """Loads the model anew where the target can be told to, and restarts it otherwise."""
    server = instance.target
    loaded = Repository(server, server.fixture("cached").model, headers).change("load")
    if loaded.status == 200:  # some serve the extension, and do not list it
        return "the repository extension"
    if "model_repository" in server.extensions:
        loaded.must_succeed()
    if server.claim("caching", "outlives_restart", False):
        raise Untestable("the target keeps what it has of the same files, and loads nothing anew")
    instance.restart()
    instance.wait_ready()
    return "a restart"


@requirement("CACHE-006", name="time")
def test_an_answer_is_not_kept_beyond_its_time(target: Target) -> None:
    """A client gets an answer no older than the operator says, however often it is asked."""
    caching(target)
    seconds = target.claim("caching", "ttl_seconds")
    if seconds is None:
        raise NotApplicable("the target claims no time after which an answer is dropped")
    if seconds > LONGEST_LIFE:
        raise Untestable(f"the target claims no ttl_seconds up to {LONGEST_LIFE:g}")
    question = remembered(unused(), "cached_twin")
    before = nonce(question.ask(target))
    computed = time.monotonic()
    if nonce(question.ask(target)) != before:
        raise Untestable("asked again at once, the request is computed again: nothing is kept")

    time.sleep(0.7 * seconds)
    target.record("asked after 0.7 of the time", nonce(question.ask(target)) == before)
    time.sleep(max(0.0, computed + seconds + LATE - time.monotonic()))
    assert nonce(question.ask(target)) != before, f"an answer is kept for more than {seconds:g} s"


@requirement("CACHE-006", name="memory", kind="saturating")
def test_the_cache_does_not_grow_beyond_its_size(target: Target) -> None:
    """An operator plans the memory of a server whose clients never ask the same twice."""
    caching(target)
    size = target.claim("caching", "bytes")
    if size is None or CAPACITIES * size > MOST:
        raise Untestable(f"the target claims no bytes up to {MOST // CAPACITIES}")
    entry = min(ENTRY, size // 4)
    with target.fresh("cached") as instance:
        _fill(instance.target, entry, 2)  # what the first requests take, all the later ones do
        before = _resident(instance)
        _fill(instance.target, entry, CAPACITIES * size // entry)
        grown = _resident(instance) - before

    stored, allowed = CAPACITIES * size, size + SLACK
    target.record(f"growth by answers of {stored >> 20} MiB", f"{grown >> 20} MiB")
    assert grown <= allowed, (
        f"answers of {stored >> 20} MiB made the server grow by {grown >> 20} MiB,"
        f" its cache is to hold {size >> 20} MiB"
    )


def _fill(server: Target, entry: int, count: int) -> None:
    """Asks for so many answers of so many bytes that nobody has asked for before."""
    binding = server.fixture("cached")
    rows = np.zeros(entry // 8, "<f4")
    outputs = [{"name": binding.tensor("nonce"), "parameters": {"binary_data": True}}]
    for _ in range(count):
        rows[:2] = unused()
        asked = binary_request(
            binding.tensor("x"), "FP32", [len(rows), 1], rows.tobytes(), outputs=outputs
        )
        server.rest.infer("cached", **asked, timeout=30).must_succeed()


def _resident(instance: Instance) -> int:
    return sum(resident_bytes(process.pid) for process in instance.processes())
