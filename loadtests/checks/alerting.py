"""What an alert rule would have told of a server, asked of Prometheus' own tool."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from servespec.session import NotRun
from servespec.target.outcomes import Inconclusive, Nonconformance
from servespec.target.sections import Metrics

from ..comparing.alert import ALERT, rules
from ..judging.counters import samples_of

__all__ = ["LOOK_SECONDS", "History", "must_tell", "needs_promtool"]

LOOK_SECONDS = 15
"""From look to look in the rule's time, whatever passed in between: it compares shares of counts,
and these do not change with the clock."""
STEADY, SLOWER = 1.05, 1.15
"""Times as long for clients, up to which the alert is to be silent, and from which on it tells."""
PATIENCE = 60.0
_TOOL = "promtool"


def needs_promtool() -> None:
    """Prometheus' own tool is there.

    Raises:
        NotRun: it is not.
    """
    if shutil.which(_TOOL) is None:
        raise NotRun(f"needs {_TOOL}, which comes with Prometheus")


def must_tell(*, early: bool, fired: bool, feigned: float, slower: float) -> None:
    """FAIL unless the alert fired for the update and for nothing else.

    Args:
        early: it fired before the update.
        fired: it fired after it.
        feigned: how many times as long clients waited at most, from window to window, before it.
        slower: how many times as long after it.

    Raises:
        Inconclusive: clients waited longer without an update, or hardly longer with it.
    """
    if early and feigned > STEADY:
        raise Inconclusive(
            f"{ALERT} fires without an update, as clients waited {feigned:.2f} times"
        )
    if early:
        raise Nonconformance(
            f"{ALERT} fires without an update, and clients waited {feigned:.2f} times as long"
        )
    if fired:
        return
    if slower < SLOWER:
        raise Inconclusive(f"the update took clients {slower:.2f} times as long, too little")
    raise Nonconformance(
        f"an update takes clients {slower:.2f} times as long, and {ALERT} does not fire"
    )


class History:
    """The durations that a server counted of the requests to one model, look by look.

    Args:
        names: what the server calls its metrics.
        model: whose series count; those without a label for the model count as well.
    """

    def __init__(self, names: Metrics, model: str) -> None:
        self._names = names
        self._model = model
        self._looks: list[Mapping[str, float]] = []

    @property
    def has_buckets(self) -> bool:
        """Whether the last look showed a histogram."""
        return any(series.startswith(f"{self._bucket}{{") for series in self._looks[-1])

    @property
    def _bucket(self) -> str:
        return f"{self._names.request_seconds}_bucket"

    def look(self, page: str) -> None:
        """Add a page of metrics.

        Raises:
            ValueError: it is none.
        """
        names = self._names
        wanted = [self._bucket, f"{names.request_seconds}_count"]
        self._looks.append(
            {
                _written(sample.name, sample.labels): sample.value
                for sample in samples_of(page, wanted)
                if sample.labels.get(names.model_label, self._model) == self._model
            }
        )

    def fired(self, folder: Path, since: int, until: int) -> bool:
        """Whether the alert fired after look `since`, up to look `until`.

        Args:
            folder: for the files that the tool reads.
            since: a look's number, from 0.
            until: the number of a later one.
        """
        silent, _ = self._answers(folder, since, until, [])
        if silent:
            return False
        loud, text = self._answers(folder, since, until, [{"labels": "{}", "value": 1}])
        if not loud:  # neither fits: the files are not what it takes
            raise RuntimeError(f"{_TOOL} test rules: {text}")
        return True

    def _answers(
        self, folder: Path, since: int, until: int, expected: Sequence[Mapping[str, object]]
    ) -> tuple[bool, str]:
        (folder / "latency.rules.yaml").write_text(rules(self._names), encoding="utf-8")
        seconds = (until - since) * LOOK_SECONDS
        firing = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}'
        asked = {
            "expr": f"group(count_over_time({firing}[{seconds}s]))",
            "eval_time": f"{until * LOOK_SECONDS}s",
            "exp_samples": expected,
        }
        every = f"{LOOK_SECONDS}s"
        tests = {"interval": every, "input_series": self._series(), "promql_expr_test": [asked]}
        file = folder / "latency.test.yaml"  # JSON is YAML
        document = {
            "rule_files": ["latency.rules.yaml"], "evaluation_interval": every, "tests": [tests]
        }  # fmt: skip
        file.write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(
            [_TOOL, "test", "rules", file.name], cwd=folder, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return not done.returncode, done.stdout + done.stderr

    def _series(self) -> list[Mapping[str, str]]:
        known = dict.fromkeys(series for look in self._looks for series in look)
        return [
            {
                "series": series,
                "values": " ".join(
                    f"{look[series]:.17g}" if series in look else "_" for look in self._looks
                ),
            }
            for series in known
        ]


def _written(name: str, labels: Mapping[str, str]) -> str:
    """A series as PromQL has it."""
    pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return f"{name}{{{pairs}}}"
