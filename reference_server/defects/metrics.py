"""Misbehaviours of the metrics: what is shown is not what was counted, or cannot be read."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from ..http import Handler, HttpRequest, HttpResponse, error_response
from ..lifecycle import Lifecycle
from .json_bodies import json_object
from .registry import Defect, add_defect, rest_defect

_PATH = "/metrics"
_TEXT, _OPENMETRICS = "text/plain", "application/openmetrics-text"
_SLOW_SECONDS = 1.2
_SCRAPE_SECONDS = 0.05
_BUSY = 12
"""Inferences in flight from which the server is under load."""

_Rewriting = Callable[[str], str]

_words: dict[str, dict[str, None]] = {"model": {}, "path": {}, "id": {}}
_left = count(1_000_000, -1)
_running: list[HttpRequest] = []
_shown: list[bytes] = []
_signalled: list[int] = []
_in_flight: list[HttpRequest] = []


def _page_defect(
    name: str, *, breaks: Sequence[str], of: str = _TEXT
) -> Callable[[_Rewriting], _Rewriting]:
    """Register `text -> text`, which rewrites the page in one of the formats."""

    def register(rewrite: _Rewriting) -> _Rewriting:
        async def defect(request: HttpRequest, answer: Handler) -> HttpResponse:
            response = await answer(request)
            if _is_page(request, response, of):
                return replace(response, body=rewrite(response.body.decode()).encode())
            return response

        add_defect(Defect(name, tuple(breaks), rest=defect))
        return rewrite

    return register


def _is_page(request: HttpRequest, response: HttpResponse, media_type: str) -> bool:
    content_type = dict(response.headers).get("Content-Type", "")
    return request.target == _PATH and content_type.startswith(media_type)


def _relabelled(text: str, metric: str, old: str, new: str) -> str:
    """The page with other labels in a metric; series that become the same are added up."""
    sums: dict[str, float] = {}
    before, *lines = re.split(rf"(?m)^(?={metric}\{{)", text)
    last, _, after = lines[-1].partition("\n")
    for line in (*lines[:-1], last):
        series, _, value = line.strip().rpartition(" ")
        changed = re.sub(old, new, series)
        sums[changed] = sums.get(changed, 0.0) + float(value)
    return before + "".join(f"{series} {value}\n" for series, value in sums.items()) + after


def _without(text: str, line: str) -> str:
    """The page without the lines that begin so."""
    return re.sub(rf"(?m)^{line}.*\n", "", text)


@_page_defect("label-not-escaped", breaks=["MET-001/text"])
def _(text: str) -> str:
    """Has a label with a quotation mark in it."""
    return f'{text}# TYPE build_info gauge\nbuild_info{{by="the "team""}} 1\n'


@_page_defect("openmetrics-with-a-blank-line", breaks=["MET-001/openmetrics"], of=_OPENMETRICS)
def _(text: str) -> str:
    """Knows only the older format."""
    return text.replace("# EOF", "\n# EOF")


@rest_defect("metrics-as-json", breaks=["MET-002"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Has one type for all that it answers."""
    response = await answer(request)
    if _is_page(request, response, _TEXT):
        return replace(response, headers=(("Content-Type", "application/json"),))
    return response


@_page_defect("family-in-two-places", breaks=["MET-003"])
def _(text: str) -> str:
    """Goes through its models, not through its metrics."""
    first = re.search(r"(?m)^model_state\{.*\n", text)
    return text if first is None else text.replace(first[0], "", 1) + first[0]


@_page_defect("last-line-unfinished", breaks=["MET-003"])
def _(text: str) -> str:
    """Joins the lines, and ends none."""
    return text.rstrip("\n")


@_page_defect("series-twice", breaks=["MET-004"])
def _(text: str) -> str:
    """Shows a model's state before and after it changed."""
    return re.sub(r"(?m)^(model_state\{.*\} )(.*\n)", r"\1\2\g<1>0.5\n", text, count=1)


@_page_defect("no-infinite-bucket", breaks=["MET-005"])
def _(text: str) -> str:
    """Leaves out what took longer than anybody thought."""
    return re.sub(r'(?m)^inference_queue_seconds_bucket\{[^}]*le="\+Inf".*\n', "", text)


@_page_defect("counter-falls", breaks=["MET-006"])
def _(text: str) -> str:
    """Calls a counter what is left of something."""
    return f"{text}# TYPE scrapes_left_total counter\nscrapes_left_total {next(_left)}\n"


@_page_defect(
    "openmetrics-without-an-end", breaks=["MET-007/end", "MET-001/openmetrics"], of=_OPENMETRICS
)
def _(text: str) -> str:
    """Is cut off."""
    return text.removesuffix("# EOF\n")


@_page_defect(
    "openmetrics-counter-without-total",
    breaks=["MET-007/counters", "MET-001/openmetrics"],
    of=_OPENMETRICS,
)
def _(text: str) -> str:
    """Names its counter as it likes."""
    return text.replace("inference_requests_total{", "inference_requests{")


@rest_defect("one-scrape-at-a-time", breaks=["MET-008"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Turns a second scraper away."""
    if request.target != _PATH:
        return await answer(request)
    if _running:
        return error_response(503, "there is a scrape already")
    _running.append(request)
    try:
        await asyncio.sleep(_SCRAPE_SECONDS)
        return await answer(request)
    finally:
        _running.clear()


@rest_defect("scrape-takes-its-time", breaks=["MET-009/idle", "MET-009/load"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Adds up what it shows when it is asked, without haste."""
    if request.target == _PATH and not 0 < len(_in_flight) < _BUSY:
        await asyncio.sleep(_SLOW_SECONDS)
    if not request.target.endswith("/infer"):
        return await answer(request)
    _in_flight.append(request)
    try:
        return await answer(request)
    finally:
        _in_flight.pop()


@_page_defect("success-counted-twice", breaks=["MET-010/rest"])
def _(text: str) -> str:
    """Counts a request when it comes, and when it is answered."""
    line = r'(?m)^(inference_requests_total\{.*model="identity_fp32",plane="rest".*\} )(.*)$'
    return re.sub(line, lambda found: f"{found[1]}{2 * float(found[2])}", text)


@_page_defect("grpc-not-counted", breaks=["MET-010/grpc"])
def _(text: str) -> str:
    """Counts in its web framework."""
    return _without(text, r'inference_requests_total\{.*plane="grpc"')


@_page_defect("latencies-as-a-summary", breaks=["MET-011"])
def _(text: str) -> str:
    """Shows how often and how long, and nothing between."""
    kind = "# TYPE inference_request_seconds"
    shown = text.replace(f"{kind} histogram", f"{kind} summary")
    return _without(shown, r"inference_request_seconds_bucket\{")


@_page_defect("in-flight-always-0", breaks=["MET-012/in flight"])
def _(text: str) -> str:
    """Counts what is in flight when it has landed."""
    return re.sub(r"(?m)^(inference_in_flight\{.*\}) .*$", r"\1 0", text)


@_page_defect("queue-always-0", breaks=["MET-012/queue"])
def _(text: str) -> str:
    """Looks at a queue that nobody uses."""
    return re.sub(r"(?m)^(inference_queue_depth\{.*\}) .*$", r"\1 0", text)


def _word_defect(label: str, word: Callable[[HttpRequest, HttpResponse], str]) -> None:
    """Register a server that has a series for every word that it was given."""

    async def defect(request: HttpRequest, answer: Handler) -> HttpResponse:
        response = await answer(request)
        words = _words[label]
        if (found := word(request, response)).isalnum():
            words[found] = None
        if not _is_page(request, response, _TEXT):
            return response
        lines = "".join(f'seen_total{{{label}="{each}"}} 1\n' for each in words)
        return replace(
            response, body=response.body + f"# TYPE seen_total counter\n{lines}".encode()
        )

    add_defect(Defect(f"series-for-every-{label}", (f"MET-013/{label}s",), rest=defect))


def _unknown_model(request: HttpRequest, response: HttpResponse) -> str:
    asked = re.fullmatch(r"/v2/models/(.*)/infer", request.target)
    return asked[1] if asked and response.status == 404 else ""


def _unknown_path(request: HttpRequest, response: HttpResponse) -> str:
    return request.target[1:] if response.status == 404 else ""


def _id(request: HttpRequest, _response: HttpResponse) -> str:
    return str(json_object(request).get("id", "")) if request.method == "POST" else ""


_word_defect("model", _unknown_model)
_word_defect("path", _unknown_path)
_word_defect("id", _id)


def _constant(text: str, version: str, label: str) -> str:
    """The page with another label for a version of the model `constant`."""
    old = rf'(model="constant",plane="\w+",version=)"{version}"'
    return _relabelled(text, "inference_requests_total", old, rf'\1"{label}"')


@_page_defect("version-not-named", breaks=["MET-014/latest"])
def _(text: str) -> str:
    """Labels the version as it was asked for, which is mostly not at all."""
    return _constant(text, "2", "None")


@_page_defect("versions-counted-together", breaks=["MET-014/asked"])
def _(text: str) -> str:
    """Counts all versions for the latest one."""
    return _constant(text, "1", "2")


@_page_defect("times-in-milliseconds", breaks=["MET-015"])
def _(text: str) -> str:
    """Has a unit of its own."""
    return text.replace("inference_compute_seconds", "inference_compute_milliseconds")


@_page_defect("no-batch-histogram", breaks=["MET-016/batching"])
def _(text: str) -> str:
    """Batches, and does not say how."""
    return _without(text, r"(?:# \w+ )?inference_batch_rows")


@_page_defect("no-refusal-counter", breaks=["MET-016/refused"])
def _(text: str) -> str:
    """Refuses, and does not say how often."""
    return _without(text, r"(?:# \w+ )?inference_shed_total")


@_page_defect("client-errors-not-counted", breaks=["MET-017"])
def _(text: str) -> str:
    """Counts what reached the engine."""
    return _without(text, r'inference_requests_total\{.*code="4')


@_page_defect("errors-all-alike", breaks=["MET-017/apart"])
def _(text: str) -> str:
    """Knows good and bad only."""
    return _relabelled(text, "inference_requests_total", r'code="[45]..?"', 'code="error"')


@_page_defect("histogram-of-other-times", breaks=["GUIDE-004"])
def _(text: str) -> str:
    """Has buckets that are not where they say."""
    line = r'(?m)^(inference_request_seconds_bucket\{.*le=")([0-9.]+)"'
    return re.sub(line, lambda found: f'{found[1]}{float(found[2]) * 2:g}"', text)


class _Told(Lifecycle):
    """Lets others know of the signal."""

    def signalled(self, number: int) -> None:
        """It came."""
        _signalled.append(number)
        super().signalled(number)


async def _as_before(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Shows at its end what it has shown last."""
    response = await answer(request)
    if not _is_page(request, response, _TEXT):
        return response
    if not _signalled:
        _shown[:] = [response.body]
    return replace(response, body=_shown[-1])


add_defect(Defect("metrics-stop-first", ("K8S-TERM-014",), rest=_as_before, lifecycle=_Told))
