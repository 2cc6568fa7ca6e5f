"""Labels and names: what no client can make grow, and in which units it is said."""

import re
import secrets
from collections.abc import Callable

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request
from .scraping import quiet, scraped

WARMING, MADE_UP = 5, 200
"""A name that nobody knows may count for something: from then on, all of them do so."""
SHOWN = 3

_SCALED = re.compile(
    r"_(?:ns|us|ms|nanos|micros|millis|nanoseconds|microseconds|milliseconds|minutes|hours|days"
    r"|kb|mb|gb|kib|mib|gib|kilobytes|megabytes|gigabytes|kibibytes|mebibytes|gibibytes)(?:_|$)"
)
"""A unit that is none of the base units."""
_TIME = re.compile(r"_(?:duration|latency|latencies|elapsed|time)(?:_|$)")
_MEMORY = re.compile(r"_memory(?:_|$)")


@requirement("MET-013", name="models")
def test_unknown_models_and_versions_make_no_series(target: Target) -> None:
    """A stranger who guesses names does not fill the memory of server and scraper."""
    known = target.rest.model_path("identity_fp32", "")

    def ask(word: str) -> None:
        target.rest.post(f"/v2/models/{word}/infer", request(SCALAR))
        target.rest.post(f"{known}/versions/{word}/infer", request(SCALAR))

    _must_make_no_series(target, "unknown models and versions", ask)


@requirement("MET-013", name="paths")
def test_unknown_paths_make_no_series(target: Target) -> None:
    """A scanner that tries what other servers have does not fill the memory of this one."""

    def ask(word: str) -> None:
        target.rest.get(f"/{word}")
        target.rest.get(f"/v2/{word}?{word}={word}")

    _must_make_no_series(target, "unknown paths", ask)


@requirement("MET-013", name="ids")
def test_request_ids_make_no_series(target: Target) -> None:
    """A client gives each of its requests a name, all day long."""

    def ask(word: str) -> None:
        headers = {"X-Request-Id": word}
        target.rest.infer("identity_fp32", request(SCALAR, id=word), headers=headers)

    _must_make_no_series(target, "request ids", ask)


def _must_make_no_series(target: Target, what: str, ask: Callable[[str], None]) -> None:
    """FAIL when words that nobody knows, and that are other ones each time, make series."""
    for _ in range(WARMING):
        ask(secrets.token_hex(6))
    quiet(target)
    before = {sample.series for sample in scraped(target).samples}
    for _ in range(MADE_UP):
        ask(secrets.token_hex(6))
    quiet(target)
    made = [sample for sample in scraped(target).samples if sample.series not in before]
    shown = ", ".join(map(str, made[:SHOWN]))
    assert not made, f"{MADE_UP} {what} made {len(made)} series, such as {shown}"


@requirement("MET-015")
def test_times_are_in_seconds_and_sizes_in_bytes(target: Target) -> None:
    """A dashboard shows two servers on one axis."""
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()
    page = scraped(target)
    names = {page.family(sample) for sample in page.samples}

    scaled = sorted(filter(_SCALED.search, names))
    assert not scaled, f"in other units than seconds and bytes: {', '.join(scaled)}"
    bare = sorted(name for name in names if _lacks_unit(name))
    assert not bare, f"times without _seconds, or memory without _bytes: {', '.join(bare)}"


def _lacks_unit(name: str) -> bool:
    """Whether a name speaks of a time or of memory, and names no unit."""
    timed = _TIME.search(name) is not None and "seconds" not in name
    sized = _MEMORY.search(name) is not None and "bytes" not in name and "pool" not in name
    return timed or sized
