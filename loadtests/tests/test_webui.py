"""The tab in Locust's page: live, startable again, and seen by a real browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .paging import Paging, paging

RUN = {"rate": "100", "seconds": "1", "arrivals": "constant"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def web() -> Iterator[Paging]:
    with paging() as page:
        yield page


def run(web: Paging, **form: str) -> None:
    """From the form to the last answer."""
    web.start(**{**RUN, **form})
    web.until(lambda state: state["phase"] in ("preparing", "running"))
    web.until(lambda state: state["phase"] == "over")


def test_the_form_offers_our_options_with_their_defaults(web: Paging) -> None:
    found = re.search(r"window.templateArgs = (.*)", web.text("/"))
    assert found is not None
    offered = json.loads(found[1])["extra_options"]
    assert offered["rate"]["default_value"] == 100
    assert {"arrivals", "seconds", "slo", "plane", "workload", "seed"} <= set(offered)
    assert "load_report" not in offered


def test_a_verdict_is_shown_while_the_load_goes_on(web: Paging) -> None:
    web.start(**{**RUN, "seconds": "3", "slo": "p50 < 5s, error_rate < 50%"})
    live = web.until(lambda state: state["phase"] == "running" and state["report"])
    asked = [each["objective"] for each in live["report"]["judgements"]]
    assert asked == ["p50 < 5s", "error_rate < 50%"]
    assert len(live["report"]["summary"]["moments"]) < 3
    over = web.until(lambda state: state["phase"] == "over")
    assert over["report"]["summary"]["requests"] == 300
    body = web.text("/tail-latency/body")
    assert body.count("<svg") == 3
    assert "verdicts may still change" not in body


def test_a_second_run_takes_what_the_form_says_then(web: Paging) -> None:
    run(web, slo="p50 < 5s")
    run(web, slo="", rate="50")
    over = web.state()["report"]
    assert over["judgements"] == []
    assert over["plan"]["rate"] == 50


def test_a_mistake_in_the_form_is_told_and_the_next_run_begins(web: Paging) -> None:
    web.start(**{**RUN, "slo": "p99 <"})
    told = web.until(lambda state: state["phase"] == "mistaken")
    assert "expected a bound such as 100ms" in told["mistake"]
    run(web, slo="", arrivals="poisson")
    assert web.state()["report"]["plan"]["arrivals"] == "poisson"


def test_a_run_that_is_stopped_on_the_page_is_invalid(web: Paging) -> None:
    web.start(**{**RUN, "seconds": "60", "slo": "p50 < 5s"})
    web.until(lambda state: state["phase"] == "running")
    web.stop()
    over = web.until(lambda state: state["phase"] == "over")
    assert over["report"]["verdict"] == "INVALID"
    assert "stopped before" in over["report"]["spoilt"][0]


def test_the_report_can_be_kept_as_a_page_of_its_own(web: Paging) -> None:
    run(web)
    assert web.text("/tail-latency/report.html").startswith("<!doctype html>")


def seen(address: str, profile: Path) -> str:
    """What a browser has made of a page after its scripts ran."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    words += ["--virtual-time-budget=5000", "--dump-dom", address]
    done = subprocess.run([BROWSER, *words], capture_output=True, text=True, timeout=90, check=True)
    return done.stdout


def test_a_browser_draws_the_charts(web: Paging, tmp_path: Path) -> None:
    run(web)
    page = seen(f"{web.url}/tail-latency", tmp_path)
    assert page.count("<svg") == 3
    assert "The run is over" in page


def test_a_browser_shows_the_tab_within_locusts_page(web: Paging, tmp_path: Path) -> None:
    run(web)
    page = seen(f"{web.url}/?tab=tail-latency", tmp_path)
    assert '<iframe id="tail-latency"' in page
    assert '<iframe id="tail-latency"' not in seen(f"{web.url}/?tab=failures", tmp_path)
