"""Open loop in Locust: one user a process sends that process's share of the schedule."""

import math
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from locust import LoadTestShape, User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, Runner, WorkerRunner

from servespec.target.objective import Objective

from .master import Master
from .options import add_options, objectives_of, plan_of
from .plan import PlanError
from .planes import Endpoint
from .records import Fate, Records
from .report import LoadReport, report_of
from .tables import refine_tables
from .terminal import exit_code, progress, rendered
from .worker import Assignment, Worker
from .workloads import Question

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
        self.report: LoadReport | None = None
        self.worker = Worker(self._tell, self._fire)
        self.master: Master | None = None

    def listen(self) -> None:
        """Hear the messages of the other side."""
        if not isinstance(self._runner, MasterRunner):
            self._on("assign", lambda data: self.worker.assign(Assignment.of(data)))
            self._on("go", lambda _: self.worker.go())
        if not isinstance(self._runner, WorkerRunner):
            for kind in ("ready", "rows", "done"):
                self._on(kind, partial(self._hear, kind))

    def begin(self) -> None:
        """Plan a run as the options say, and hand it out.

        Raises:
            PlanError: it cannot be.
        """
        plan, host = plan_of(self._given), self._environment.host
        self.objectives, self.report = objectives_of(self._given), None
        if not host:
            raise PlanError("host: expected the address of a server, found nothing")
        self.master = Master(plan, Endpoint(plan.plane, host), RunnerChannel(self._runner))
        self.master.begin()

    def is_over(self) -> bool:
        """Whether the run has ended; then it is judged."""
        master = self.master
        if master is None or self.report is not None:
            return True
        if not master.is_over():
            sys.stderr.write(f"\r{progress(master)}\033[K")
            sys.stderr.flush()
            return False
        host = self._environment.host or ""
        self.report = report_of(master.run(), host, self.objectives)
        sys.stderr.write(f"\r\033[K{rendered(self.report)}")
        self._environment.process_exit_code = exit_code(self.report.verdict)
        if self._given.load_report is not None:
            self.report.write(self._given.load_report)
        return True

    def _on(self, kind: str, hear: Any) -> None:
        self._runner.register_message(_PREFIX + kind, lambda msg, **_: hear(msg.data))

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(_PREFIX + kind, data)

    def _fire(self, question: Question, records: Records, row: int) -> None:
        """Let Locust's own tables know; its times count from the intended moment too."""
        fate = records.fate[row]
        done = records.done[row]
        error = None
        if fate != Fate.ANSWERED:
            error = Unanswered(f"{Fate(fate).name.lower()}, status {records.status[row]}")
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=self._given.plane,
            name=question.request.model_name,
            response_time=0.0 if math.isnan(done) else (done - records.intended[row]) * 1000,
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
            test.begin()
        if test.is_over():
            return None
        count = len(RunnerChannel(runner).workers())
        return count, float(count)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: Any) -> None:
    add_options(parser)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _init(environment: Environment, runner: Runner | None, **_: Any) -> None:
    refine_tables()
    assert runner is not None
    test = _TESTS[environment] = LoadTest(environment, runner)
    test.listen()
