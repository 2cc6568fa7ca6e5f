"""Open loop in Locust: one user a process sends that process's share of the schedule."""

import math
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from locust import LoadTestShape, User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.web import WebUI

from servespec.target.manifest import ManifestError
from servespec.target.objective import Objective, ObjectiveError
from servespec.verdicts.verdict import Verdict

from .counting import Counting
from .distributed.master import Master
from .distributed.worker import Assignment, Worker
from .judging.budget import Limit
from .judging.report import LoadReport, report_of
from .options import add_options, limits_of, objectives_of, places_of, plan_of
from .sending.access import Access
from .sending.plan import PlanError
from .sending.records import Fate, Records
from .sending.template import template_of
from .sending.workloads import Question
from .showing.exports import Outcome, write_all
from .showing.tables import refine_tables
from .showing.terminal import exit_code, progress, rendered
from .showing.webui.tab import add_tab

__all__ = ["OpenLoopUser", "ScheduleShape", "master_of"]

_PREFIX = "servespec-"


class Unanswered(Exception):
    """What became of a request that was not answered: its fate, and the status where one came."""


class RunnerChannel:
    """Locust's own messages; where one process does everything, they go to itself."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def workers(self) -> list[str]:
        """The names of the workers that are there."""
        if isinstance(self._runner, MasterRunner):
            clients = self._runner.clients
            return sorted(each.id for each in clients.ready + clients.spawning + clients.running)
        return ["local"]

    def send(self, kind: str, data: Mapping[str, Any], worker: str) -> None:
        """Send a message to one of them."""
        self._runner.send_message(_PREFIX + kind, dict(data), worker)


class LoadTest:
    """What an environment knows of the load test: the master's part, the worker's, or both."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self.objectives: Sequence[Objective] = ()
        self.limits: Sequence[Limit] = ()
        self.report: LoadReport | None = None
        self.mistake = ""
        self.worker = Worker(self._tell, self._fire, self._access)
        self.master: Master | None = None
        self._counting: Counting | None = None

    def listen(self) -> None:
        """Hear the messages of the other side."""
        if not isinstance(self._runner, MasterRunner):
            self._on("assign", lambda data: self.worker.assign(Assignment.of(data)))
            self._on("go", lambda _: self.worker.go())
        if not isinstance(self._runner, WorkerRunner):
            for kind in ("ready", "rows", "counts", "done", "failed"):
                self._on(kind, partial(self._hear, kind))

    def begin(self) -> None:
        """Plan a run as the options say, and hand it out.

        Raises:
            PlanError: it cannot be.
            ManifestError: there is a mistake in one of its files.
        """
        plan, host, self.mistake = plan_of(self._given), self.address, ""
        self.objectives, self.report = objectives_of(self._given), None
        self.limits = limits_of(self._given)
        template_of(plan)
        if not host:
            raise PlanError("host: expected the address of a server, found nothing")
        channel = RunnerChannel(self._runner)
        if plan.together and len(channel.workers()) > 1:
            raise PlanError(f"{plan.arrivals}: expected one worker, as it is one loop")
        self.master = Master(plan, host, channel)
        if self.limits:
            self._counting = Counting(plan, places_of(self._given, host), self._access())
        self._look()
        self.master.begin()

    def proceed(self) -> None:
        """Show how a run goes on; judge it once nothing more is to be expected of it."""
        if self.master is None or not self.is_under_way:
            return
        if self.master.is_over():
            self._end(self.master)
        else:
            self._look()
            sys.stderr.write(f"\r{progress(self.master)}\033[K")
            sys.stderr.flush()

    def cut_off(self) -> None:
        """Judge a run that was ended early, by whatever the workers have told."""
        if self.master is not None and self.is_under_way:
            self._end(self.master)

    @property
    def address(self) -> str:
        """Where the load goes."""
        return self._environment.host or ""

    @property
    def is_under_way(self) -> bool:
        """Whether a run has begun that was not judged."""
        return self.master is not None and self.report is None

    def _look(self) -> None:
        """Ask the server what it has counted, where that is of use."""
        if self._counting is not None and self.master is not None:
            self._counting.look()
            self.master.counted = self._counting.counted()

    def _end(self, master: Master) -> None:
        self._look()
        if self._counting is not None:
            self._counting.close()
            self._counting = None
        run = master.run()
        self.report = report_of(run, self.address, self.objectives, self.limits)
        sys.stderr.write(f"\r\033[K{rendered(self.report)}")
        self._environment.process_exit_code = exit_code(self.report.verdict)
        if self._given.load_report:
            outcome = Outcome(self.report, run.evidence, time.time() - master.elapsed)
            write_all(outcome, Path(self._given.load_report))

    def _access(self) -> Access:
        return Access.of(Path(self._given.target) if self._given.target else None)

    def _on(self, kind: str, hear: Any) -> None:
        self._runner.register_message(_PREFIX + kind, lambda msg, **_: hear(msg.data))

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(_PREFIX + kind, data)

    def _fire(self, question: Question, records: Records, row: int) -> None:
        """Let Locust's own tables know; its times count from the intended moment too."""
        fate = Fate(int(records.fate[row]))  # numpy's own numbers would cost 10 us a request
        taken = float(records.done[row] - records.intended[row])
        error = None
        if fate is not Fate.ANSWERED:
            error = Unanswered(f"{fate.name.lower()}, status {records.status[row]}")
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=self._given.plane,
            name=question.request.model_name,
            response_time=0.0 if math.isnan(taken) else taken * 1000,
            response_length=0,
            exception=error,
            context={},
        )

    @property
    def _given(self) -> Namespace:
        given = self._environment.parsed_options
        assert isinstance(given, Namespace)
        return given

    def _hear(self, kind: str, data: Mapping[str, Any]) -> None:
        getattr(self.master, kind)(data)


_TESTS: dict[Environment, LoadTest] = {}


def master_of(environment: Environment) -> Master | None:
    """The run of an environment, or None before the first."""
    test = _TESTS.get(environment)
    return test.master if test else None


class OpenLoopUser(User):
    """Sends what its process was assigned; there is one in each process."""

    abstract = True

    @task
    def drive(self) -> None:
        """Send the share, then be done."""
        _TESTS[self.environment].worker.drive()
        raise StopUser


class ScheduleShape(LoadTestShape):
    """As many users as processes, until the schedule is over."""

    abstract = True

    def tick(self) -> tuple[int, float] | None:
        """Asked every second by Locust; None ends the run."""
        runner = self.runner
        assert runner is not None
        test = _TESTS[runner.environment]
        if test.master is None or runner.shape_last_tick is None:
            try:
                test.begin()
            except (PlanError, ObjectiveError, ManifestError) as error:
                test.mistake = str(error)
                sys.stderr.write(f"servespec: {error}\n")
                runner.environment.process_exit_code = 2
                return None
        test.proceed()
        if not test.is_under_way:
            return None
        count = len(RunnerChannel(runner).workers())
        return count, float(count)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: Any) -> None:
    add_options(parser)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _init(environment: Environment, runner: Runner | None, web_ui: WebUI | None, **_: Any) -> None:
    refine_tables()
    assert runner is not None
    test = _TESTS[environment] = LoadTest(environment, runner)
    test.listen()
    given = environment.parsed_options
    if given is not None and web_ui is not None:
        add_tab(web_ui, test, given.web_base_path)
    if given is not None and given.headless and not isinstance(runner, WorkerRunner):
        # As long as a shape runs, Locust heeds Ctrl-C only, and dies of SIGTERM beside its workers.
        gevent.signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def _test_stop(environment: Environment, **_: Any) -> None:
    """A run that somebody stopped is judged as well, once its workers have told of it."""
    if environment in _TESTS:
        _TESTS[environment].proceed()


@events.quit.add_listener  # type: ignore[untyped-decorator]
def _quit(**_: Any) -> None:
    for test in _TESTS.values():
        test.cut_off()


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _quitting(environment: Environment, **_: Any) -> None:
    """What ends before it is judged says nothing: the exit code is fixed from here on."""
    if environment in _TESTS and _TESTS[environment].is_under_way:
        environment.process_exit_code = exit_code(Verdict.INVALID)
