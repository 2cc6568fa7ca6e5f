"""Every defect against all checks of its profiles: exactly those that it breaks may fail.

`python -m conformance.tests.matrix [--profile NAME] [--defect NAME]`; exit code 1 on a violation.
"""

import argparse
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO

import pytest

from servespec.target.defects import DefectSwitch
from servespec.target.instance import DEFECTS
from servespec.verdicts.catalogue import CATALOGUE
from servespec.verdicts.profile import CONFORMANCE, PROFILES
from servespec.verdicts.result import CheckResult
from servespec.verdicts.verdict import Verdict

from .checks import written_checks
from .defective import Defective, defective

SOUND = "(none)"
"""The column of the server as it should be."""
QUIET = {Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}


@dataclass(frozen=True, slots=True)
class Run:
    """One defect, what it has to break, and the profiles whose checks are asked."""

    defect: str
    breaks: frozenset[str]
    profiles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """A check that caught what it should not, or missed what it should catch."""

    defect: str
    check: str
    sentence: str


class Recorder:
    """Takes the results from the judge, in place of a report; `tell` hears of each test's end."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.results: list[CheckResult] = []
        self._tell = tell

    def pytest_runtest_logfinish(self) -> None:
        """Shows that it goes on."""
        self._tell()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Leaves the judge nothing to report."""
        judge: Any = session.config.pluginmanager.get_plugin("servespec-judge")
        self.results, judge.results = judge.results, []
        yield


def main() -> int:
    """Runs the matrix; prints a line a defect, then the violations."""
    parser = _parser()
    given = parser.parse_args()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.setdefault("SERVESPEC_SOAK_SECONDS", "5")
    began, found = time.monotonic(), []
    with defective() as server:
        switch = DefectSwitch(server.switch)
        if unknown := set(given.defect) - set(switch.breaks):
            parser.error(f"--defect {min(unknown)}: expected one of {', '.join(switch.breaks)}")
        runs = chosen(switch.breaks, given.defect, given.profile)
        for number, run in enumerate(runs, 1):
            start = time.monotonic()
            _say(f"[{number}/{len(runs)}] {run.defect:45} ", end="")
            violations = judge(server, switch, run)
            found += violations
            _say(f" {time.monotonic() - start:5.1f} s  {_word(violations)}")
    for violation in found:
        _say(f"{violation.defect}: {violation.check}: {violation.sentence}")
    minutes = (time.monotonic() - began) / 60
    _say(f"{len(runs) - 1} defects, {len(found)} violations, {minutes:.1f} minutes")
    return 1 if found else 0


def chosen(
    breaks: Mapping[str, Sequence[str]], defects: Sequence[str], profiles: Sequence[str]
) -> list[Run]:
    """The runs that were asked for, all where nothing was; the sound server comes first."""
    all_runs = [
        Run(name, frozenset(ids), frozenset(_profile(id) for id in ids))
        for name, ids in breaks.items()
        if not defects or name in defects
    ]
    ours = {name for name, profile in PROFILES.items() if profile.suite == CONFORMANCE}
    wanted = set(profiles) or {name for run in all_runs for name in run.profiles & ours}
    runs = [Run(run.defect, run.breaks, run.profiles & wanted) for run in all_runs]
    return [Run(SOUND, frozenset(), frozenset(wanted)), *(run for run in runs if run.profiles)]


def judge(server: Defective, switch: DefectSwitch, run: Run) -> list[Violation]:
    """Judges the server with the run's defect on, in those too that checks have to themselves."""
    defects = {run.defect} - {SOUND}
    switch.set(*defects)
    os.environ[DEFECTS] = ",".join(defects)  # which they inherit
    results: dict[str, list[CheckResult]] = {}
    for result in _results(server, run.profiles):
        results.setdefault(result.check, []).append(result)
    mistakes = {key: mistake(group, run.breaks) for key, group in results.items()}
    return [Violation(run.defect, key, text) for key, text in mistakes.items() if text]


def mistake(results: Sequence[CheckResult], broken: frozenset[str]) -> str:
    """What is wrong with the verdicts of one check, empty where they are as they have to be."""
    verdict = Verdict.worst([result.verdict for result in results])
    sentence = next(result.sentence for result in results if result.verdict is verdict)
    if {results[0].check, results[0].requirement} & broken:
        return "" if verdict is Verdict.FAIL else f"expected FAIL, found {verdict} {sentence}"
    return "" if verdict in QUIET else f"expected PASS, found {verdict} {sentence}"


def _results(server: Defective, profiles: frozenset[str]) -> Sequence[CheckResult]:
    """One pytest run in this process: what the first has imported serves all."""
    recorder = Recorder(partial(_say, ".", end="", file=sys.stdout))
    asked = {str(w.file) for w in written_checks() if _profile(w.check.requirement) in profiles}
    options = ["-c", os.devnull, f"--rootdir={os.getcwd()}", "--tb=no", "--import-mode=importlib"]
    options += ["-p", "servespec.plugin", "-p", "no:cacheprovider", "-p", "no:warnings"]
    options += ["--profile", ",".join(sorted(profiles)), *server.options]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        pytest.main([*sorted(asked), *options], plugins=[recorder])
    if not recorder.results:
        raise RuntimeError(f"expected verdicts, found none:\n{printed.getvalue()}")
    return recorder.results


def _profile(check: str) -> str:
    return CATALOGUE[check.partition("/")[0]].profile


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("matrix", description=__doc__)
    parser.add_argument("--profile", action="append", default=[], choices=PROFILES, metavar="NAME")
    parser.add_argument("--defect", action="append", default=[], metavar="NAME")
    return parser


def _word(violations: Sequence[Violation]) -> str:
    return f"VIOLATED by {', '.join(v.check for v in violations)}" if violations else "ok"


def _say(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    file = file or sys.stdout
    file.write(f"{text}{end}")
    file.flush()


if __name__ == "__main__":
    sys.exit(main())
