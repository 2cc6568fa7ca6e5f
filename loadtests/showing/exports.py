"""What a run leaves for other tools, beside its JSON file: JUnit, HdrHistogram, Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from servespec.stats.hgrm import write_hgrm
from servespec.stats.hlog import Span, write_hlog
from servespec.verdicts.verdict import Verdict

from ..judging.evidence import Evidence
from ..judging.report import LoadReport
from .page import page

__all__ = ["Outcome", "junit", "prometheus", "write_all"]

_TAG = "response"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that is over, with all that is known of its requests.

    Attributes:
        report: what it says.
        evidence: what is known of each request.
        started: when its schedule began, seconds since the epoch.
    """

    report: LoadReport
    evidence: Evidence
    started: float


def write_all(outcome: Outcome, path: Path) -> list[Path]:
    """Write the report as JSON to `path`, and the others beside it.

    With `run.json` come `run.html`, `run.junit.xml`, `run.prom`, and, where a request was sent,
    `run.hgrm` and `run.hlog`.
    """
    outcome.report.write(path)
    stem = path.with_suffix("") if path.suffix == ".json" else path
    written = [path]
    for suffix, rendered in _FORMS.items():
        if text := rendered(outcome):
            written.append(stem.with_name(stem.name + suffix))
            written[-1].write_text(text, encoding="utf-8")
    return written


def junit(outcome: Outcome) -> str:
    """One test case for each objective; without any, one for the run itself.

    All but PASS and NOT_RUN is a failure, whose message is the verdict with its sentence.
    """
    report = outcome.report
    suite = Element("testsuite", name=f"load test of {report.address}")
    cases = [(each.objective, each.verdict, each.sentence) for each in report.all_judgements]
    cases = cases or [("the run", report.verdict, "; ".join(report.spoilt))]
    for case in cases:
        suite.append(_case(report.plan, *case))
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    indent(suite)
    return tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(plan: Mapping[str, Any], name: str, verdict: Verdict, sentence: str) -> Element:
    place, seconds = f"loadtests.{plan['plane']}.{plan['workload']}", f"{plan['seconds']:.3f}"
    case = Element("testcase", classname=place, name=name, time=seconds)
    if verdict is Verdict.PASS:
        SubElement(case, "system-out").text = sentence
    elif verdict is Verdict.NOT_RUN:
        SubElement(case, "skipped", message="no objective was given: nothing is judged")
    else:
        SubElement(case, "failure", type=verdict, message=f"{verdict}: {sentence}")
    return case


def prometheus(outcome: Outcome) -> str:
    """The numbers in the text format that Prometheus and its textfile collector read."""
    report, registry = outcome.report, CollectorRegistry()
    summary = report.summary
    requests = _gauge(registry, "requests", "Requests of the run, by what became of them.", "fate")
    for fate, count in summary.fates.items():
        requests.labels(fate).set(count)
    seconds = _gauge(
        registry, "response_seconds",
        "Response time from the intended moment; infinite where too few were answered.", "quantile",
    )  # fmt: skip
    for line in summary.lines:
        seconds.labels(f"{line.percent / 100:g}").set(line.seconds)
    lag = _gauge(registry, "lag_seconds", "The generator's own lateness.", "quantile")
    for line, late in zip(summary.lines, summary.lags, strict=False):
        lag.labels(f"{line.percent / 100:g}").set(late)
    kept = _gauge(
        registry, "objective_kept", "1 for an objective that is shown to be kept, else 0.",
        "objective", "verdict",
    )  # fmt: skip
    for each in report.all_judgements:
        kept.labels(each.objective, each.verdict).set(each.verdict is Verdict.PASS)
    _gauge(registry, "offered_rate", "Requests a second of the schedule.").set(summary.offered)
    _gauge(registry, "achieved_rate", "Right answers a second.").set(summary.achieved)
    return generate_latest(registry).decode()


def _gauge(registry: CollectorRegistry, name: str, told: str, *labels: str) -> Gauge:
    return Gauge(f"servespec_load_{name}", told, labels, registry=registry)


def _hgrm(outcome: Outcome) -> str:
    histogram = outcome.evidence.settled().histogram()
    return write_hgrm(histogram) if len(histogram) else ""


def _hlog(outcome: Outcome) -> str:
    spans = list(_spans(outcome))
    return write_hlog(spans) if spans else ""


def _spans(outcome: Outcome) -> Iterator[Span]:
    """Second by second of the schedule."""
    width = outcome.evidence.width
    for number, each in enumerate(outcome.evidence.stretches()):
        if len(each.response):
            started = outcome.started + number * width
            yield Span(started, float(width), each.response.histogram(), _TAG)


_FORMS: Mapping[str, Callable[[Outcome], str]] = {
    ".html": lambda outcome: page(outcome.report.to_json()),
    ".junit.xml": junit,
    ".hgrm": _hgrm,
    ".hlog": _hlog,
    ".prom": prometheus,
}
"""By what follows the name of the JSON file: from an outcome to text; "" is not written."""
