"""A load test as a page that needs nothing beside it: verdicts, charts, and what to look at."""

import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from servespec.verdicts.verdict import Verdict

from .charts_tail import heat_map, percentile_curve
from .charts_time import budget_bar, timeline
from .webui.live import Now
from .wording import range_text, seconds_text

__all__ = ["live_body", "live_page", "page"]

_FATES = {
    "pending": "no answer has come yet",
    "answered": "a right answer came",
    "refused": "the target took no work: 429, 503 and their like",
    "failed": "another error",
    "lost": "no complete answer came in time",
    "shed": "the generator did not send it: too many were under way",
    "unasked": "the run was stopped before",
}
_OUTCOMES = {
    Verdict.INCONCLUSIVE: "The requests are too few to tell about the others.",
    Verdict.INVALID: "The run says nothing about the others: the generator was at fault.",
    Verdict.FAIL: "The target misses at least one.",
}
_OPTIONS = {
    "--arrivals": "arrivals",
    "--rate": "rate",
    "--seconds": "seconds",
    "--seed": "seed",
    "--plane": "plane",
    "--template": "template",
    "--workload": "workload",
    "--answer-seconds": "timeout",
    "--in-flight": "in_flight",
}


def page(report: Mapping[str, Any]) -> str:
    """The report of a run, of which the JSON file holds the same."""
    return _rendered("load_report.html.jinja", report)


def live_page(fragment: str) -> str:
    """A page that asks the address `fragment` for its content, again and again."""
    return _environment().get_template("load_live.html.jinja").render(fragment=fragment)


def live_body(now: Now) -> str:
    """What such a page asks for: how a run goes, and its report so far without a frame."""
    body = Markup(_rendered("load_body.html.jinja", now.report)) if now.report else ""
    return _environment().get_template("load_now.html.jinja").render(now=now, body=body)


def _rendered(template: str, report: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(
        report=report,
        plan=report["plan"],
        summary=report["summary"],
        headline=_headline(report),
        judgements=_judgements(report),
        command=_command(report),
        meanings=_FATES,
        curve=percentile_curve(report),
        heat=heat_map(report),
        timeline=timeline(report),
        budget=budget_bar(report),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=ChoiceLoader([templates, PackageLoader("servespec.verdicts")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = seconds_text
    environment.filters["upto"] = range_text
    return environment


def _judgements(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of the objectives, and of what each part of the time may take."""
    budget = report["budget"]
    return [*report["judgements"], *(budget["judgements"] if budget else ())]


def _headline(report: Mapping[str, Any]) -> str:
    """The outcome in a sentence."""
    judged, verdict = _judgements(report), Verdict(report["verdict"])
    if not judged:
        return "Nothing is judged: no objective was given, such as --slo 'p99 < 100ms'."
    kept = sum(each["verdict"] == Verdict.PASS for each in judged)
    if verdict is Verdict.PASS:
        return f"All objectives are kept ({kept})."
    return f"{kept} of {len(judged)} objectives are shown to be kept. {_OUTCOMES[verdict]}"


def _command(report: Mapping[str, Any]) -> str:
    """What asks for the same again."""
    plan = report["plan"]
    words = ["locust", "-f", "loadtests/locustfile.py", "--headless", "--host", report["address"]]
    for option, key in _OPTIONS.items():
        if plan[key] != "":
            words += [option, f"{plan[key]:g}" if isinstance(plan[key], float) else str(plan[key])]
    for each in report["judgements"]:
        words += ["--slo", each["objective"]]
    for each in report["budget"]["judgements"] if report["budget"] else ():
        words += ["--budget", each["objective"]]
    return shlex.join(words)
