"""Turns what pytest saw of a check into a verdict, and the verdicts into a report."""

import warnings
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace

import pytest
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture import providers

from servespec.session import NotRun, Options, Session
from servespec.target.environment import InstallError
from servespec.target.leftovers import current_run
from servespec.target.manifest import ManifestError
from servespec.target.outcomes import (
    Inconclusive,
    Invalid,
    NotApplicable,
    TargetGone,
    Untestable,
)
from servespec.target.process import StartError
from servespec.verdicts.catalogue import CATALOGUE, Level, Requirement
from servespec.verdicts.profile import CONFORMANCE, PROFILES
from servespec.verdicts.report import Report
from servespec.verdicts.requirement import Check
from servespec.verdicts.result import CheckResult
from servespec.verdicts.store import write
from servespec.verdicts.summary import verdict_table
from servespec.verdicts.verdict import Verdict

__all__ = ["Judge"]


class Gone(Exception):
    """The target had died before this check could ask it anything."""


class Unjudgeable(pytest.exit.Exception):  # type: ignore[name-defined, misc]
    """The target cannot be judged at all; pytest prints the name of this class with the reason."""

    __module__ = "builtins"  # as pytest does for its own, which are printed without a module


class RequirementWarning(pytest.PytestWarning):
    """A SHOULD that fails: counted and printed, the run stays green."""


SKIPPED = {Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}
USAGE, SUITE_FAILED = 2, 3


class Judge:
    """The part of the plugin that is there only when there is something to judge."""

    NAME = "servespec-judge"

    def __init__(self, options: Options) -> None:
        self.session = Session(options)
        self.results: list[CheckResult] = []
        self.broken: list[str] = []
        self.red = 0
        self.deaths: list[str] = []
        self.gone_after: str | None = None
        self.reports: Sequence[Report] = ()

    def pytest_configure(self) -> None:
        """Keeps Hypothesis to the same examples everywhere, and out of the user's folder."""
        # It takes examples from the constants of modules outside site-packages, so that a clone
        # would ask other questions than a wheel; there is no setting for that.
        vars(providers)["is_local_module_file"] = lambda _: False
        if not self.session.options.by_default:
            set_hypothesis_home_dir(current_run().folder / "hypothesis")

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leaves out the checks that were not asked for."""
        left_out = [item for item in items if not self._wants(profile_of(item))]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]

    def _wants(self, profile: str | None) -> bool:
        """Whether a check of the profile was asked for by name, or is no matter of minutes."""
        options = self.session.options
        if profile is None:
            return True
        if options.profiles:
            return profile in options.profiles
        return not options.by_default or PROFILES[profile].suite == CONFORMANCE

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Prints what will be asked, before the first request."""
        kinds = Counter(check.kind for item in items if (check := check_of(item)))
        mix = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        held_back = "" if self.session.may_intrude else " (only safe ones: a URL, no --intrusive)"
        if not kinds and self.session.options.by_default:
            return []
        return [f"judging {self.session.name}: {mix or 'no'} checks{held_back}"]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A check that cannot be read is the suite's fault, and its words must not get lost."""
        if report.failed:
            self.broken.append(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Starts the target when first needed; holds back what is not asked for."""
        check = check_of(item)
        if check is None:
            return
        self._bury()
        if self.gone_after:
            raise Gone(f"target gone after {self.gone_after}")
        if check.kind != "safe" and not self.session.may_intrude:
            raise NotRun(f"{check.kind}: against a URL only with --intrusive")
        try:
            self.session.begin(check)
        except StartError as error:
            raise Unjudgeable(
                f"{self.session.name} cannot be judged: {error}", SUITE_FAILED
            ) from None
        except (InstallError, ManifestError) as error:
            raise Unjudgeable(f"{self.session.name} cannot be judged: {error}", USAGE) from None

    def _bury(self) -> None:
        """Blames the last check for a target that died after it, and starts another."""
        death = self.session.death()
        if death and self.results and not self.gone_after:
            last = self.results[-1]
            sentence = f"the target is gone after it: {death}"
            self.results[-1] = replace(last, verdict=Verdict.FAIL, sentence=sentence)
            self._restart(last.check)

    def _restart(self, check: str) -> None:
        self.deaths.append(check)
        if not self.session.restart():
            self.gone_after = check

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Gives the check its verdict, and the pytest report the outcome that follows from it."""
        report = yield
        check = check_of(item)
        if check and (call.when == "call" or call.excinfo):
            result = self._result(check, call)
            self.results.append(result)
            self._show(item, report, result)
        return report

    def _result(self, check: Check, call: pytest.CallInfo[None]) -> CheckResult:
        error = call.excinfo.value if call.excinfo else None
        verdict, sentence = judged(error)
        evidence, variants = self.session.seen()
        death = None if self.gone_after else self.session.death()
        if death:
            verdict, sentence = Verdict.FAIL, f"the target is gone: {death}"
        if death or isinstance(error, TargetGone):
            self._restart(check.key)
        elif check.kind == "may-kill" and verdict is Verdict.FAIL:
            self.session.restart()  # it may live and be broken: the next check is not to pay for it
        kept = evidence[-1:] if verdict is Verdict.PASS else evidence
        return CheckResult(
            check.key,
            check.requirement,
            verdict,
            sentence,
            call.duration,
            variants,
            tuple(asdict(exchange) for exchange in kept),
            tuple(asdict(statistic) for statistic in self.session.target.statistics),
        )

    def _show(self, item: pytest.Item, report: pytest.TestReport, result: CheckResult) -> None:
        requirement = CATALOGUE[result.requirement]
        if result.verdict in SKIPPED:
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = (path, line or 0, f"{result.verdict}: {result.sentence}")
        elif result.verdict is Verdict.PASS:
            report.outcome, report.longrepr = "passed", None
        elif self._only_warns(result, requirement):
            report.outcome, report.longrepr = "passed", None
            _warn(item, f"{result.check} [{requirement.level}] {result.sentence}")
        else:
            report.outcome = "failed"
            self.red += 1
            report.sections.append(("requirement", f"{requirement.id}: {requirement.text}"))
            report.sections.extend(
                ("evidence", f"$ {seen['command']}\n{seen['answer']}")
                for seen in result.evidence[-2:]
            )

    def _only_warns(self, result: CheckResult, requirement: Requirement) -> bool:
        """Whether a FAIL leaves the run green: of a SHOULD, unless the target died of it."""
        optional = requirement.level is not Level.MUST
        return result.verdict is Verdict.FAIL and optional and result.check not in self.deaths

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stops the target, writes the report, sets the exit code that the verdicts call for."""
        try:
            if self.results:
                self.results += self._unasked(session.items)
                self.reports = self.session.reports(self.results)
        finally:
            self.session.close()
        for report in self.reports:
            write(report, self.session.report_dir)
        if not self.session.options.by_default:
            session.exitstatus = self._exit_code(session)

    def _unasked(self, items: Sequence[pytest.Item]) -> list[CheckResult]:
        """What a run that was cut short did not come to: no requirement passes without it."""
        checks = Counter(check for item in items if (check := check_of(item)))
        judged_times = Counter(result.check for result in self.results)
        return [
            CheckResult(check.key, check.requirement, Verdict.NOT_RUN, "the run ended before it")
            for check, count in checks.items()
            if judged_times[check.key] < count
        ]

    def _exit_code(self, session: pytest.Session) -> int:
        """What the verdicts call for, unless the run did not come to its end."""
        if self.broken:
            return SUITE_FAILED
        if not self.reports or session.exitstatus not in (0, 1):
            return session.exitstatus
        others_failed = session.testsfailed > self.red  # the user's own tests, beside the checks
        worst = max(report.exit_code for report in self.reports)
        return worst or int(others_failed or bool(self.deaths))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the table by profile."""
        for text in self.broken:
            terminalreporter.write_line(text)
        for report in self.reports:
            terminalreporter.write_line("")
            terminalreporter.write_line(verdict_table(report))
        if self.reports:
            terminalreporter.write_line(f"report: {self.session.report_dir}/report.html")

    def pytest_unconfigure(self) -> None:
        """Leaves nothing behind, whatever ended the run."""
        self.session.close()


def check_of(item: pytest.Item) -> Check | None:
    """The check that this item is, None for an ordinary test."""
    marker = item.get_closest_marker("requirement")
    return marker.args[0] if marker else None


def profile_of(item: pytest.Item) -> str | None:
    """The profile of a check, None for an ordinary test."""
    check = check_of(item)
    return CATALOGUE[check.requirement].profile if check else None


OUTCOMES: tuple[tuple[type[BaseException], Verdict], ...] = (
    (AssertionError, Verdict.FAIL),
    (TargetGone, Verdict.FAIL),
    (NotApplicable, Verdict.NOT_APPLICABLE),
    (NotRun, Verdict.NOT_RUN),
    (Untestable, Verdict.UNTESTABLE),
    (Invalid, Verdict.INVALID),
    (Inconclusive, Verdict.INCONCLUSIVE),
    (Gone, Verdict.ERROR),
)


def judged(error: BaseException | None) -> tuple[Verdict, str]:
    """The verdict and the sentence for the way in which a check ended."""
    if error is None:
        return Verdict.PASS, ""
    for kind, verdict in OUTCOMES:
        if isinstance(error, kind):
            return verdict, _sentence(error)
    if isinstance(error, BaseExceptionGroup) and error.subgroup(AssertionError):
        # Hypothesis saw it fail, and not again: once is enough.
        return Verdict.FAIL, f"on some tries: {_sentence(error.exceptions[0])}"
    return Verdict.ERROR, f"{type(error).__name__}: {_sentence(error)}"


def _sentence(error: BaseException) -> str:
    """The first line of the message: what comes after is pytest's introspection."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _warn(item: pytest.Item, text: str) -> None:
    """Records a warning without raising it: the user's filters may turn warnings into errors."""
    path, line, _ = item.location
    message = warnings.WarningMessage(RequirementWarning(text), RequirementWarning, path, line or 0)
    item.ihook.pytest_warning_recorded.call_historic(
        kwargs={
            "warning_message": message,
            "when": "runtest",
            "nodeid": item.nodeid,
            "location": None,
        }
    )
