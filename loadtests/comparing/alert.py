"""The rule by which Prometheus tells that an update made a model slower.

`python -m loadtests.comparing.alert --target target.toml` prints it with the server's own names.
"""

import argparse
import sys
from pathlib import Path

from servespec.target.manifest import ManifestError, load
from servespec.target.sections import Metrics

from ..commands import Parser

__all__ = ["ALERT", "BEFORE_SECONDS", "FEWEST", "FOR_SECONDS", "WINDOW_SECONDS", "rules"]

ALERT = "ModelLatencyRegression"
WINDOW_SECONDS, BEFORE_SECONDS, FOR_SECONDS = 300, 600, 120
TIMES = 1.1
"""Above the noise of a median of many, and half of what a fifth longer would be."""
FEWEST = 100
"""Requests in a window below which its median says little: a tenth is three of its errors, where
times are lognormal with a sigma of 0.25."""

_RULES = """\
# Tells when a version of a model takes longer at the median than the model took ten minutes before.
# It needs a scrape every 30 seconds or more often, fires some five minutes behind the update, and
# falls silent when the new times are ten minutes old: what has fired is yours to look into.
groups:
  - name: servespec
    rules:
      - alert: {alert}
        expr: |
          histogram_quantile(0.5, sum by ({model}, {version}, le) (rate({name}_bucket[{window}s])))
            > on ({model}) group_left ()
          {times:g} * histogram_quantile(
            0.5, sum by ({model}, le) (rate({name}_bucket[{window}s] offset {before}s))
          )
            and on ({model}, {version})
          sum by ({model}, {version}) (increase({name}_count[{window}s])) > {fewest}
            and on ({model})
          sum by ({model}) (increase({name}_count[{window}s] offset {before}s)) > {fewest}
        for: {held}s
        labels:
          severity: warning
        annotations:
          summary: a model takes longer at the median than ten minutes before
"""


def rules(metrics: Metrics) -> str:
    """The rule file of Prometheus for a server that calls its metrics so."""
    return _RULES.format(
        alert=ALERT,
        name=metrics.request_seconds,
        model=metrics.model_label,
        version=metrics.version_label,
        window=WINDOW_SECONDS,
        before=BEFORE_SECONDS,
        held=FOR_SECONDS,
        times=TIMES,
        fewest=FEWEST,
    )


def main() -> int:
    """Print it; returns the exit code."""
    parser = _parser()
    given = parser.parse_args()
    try:
        metrics = load(given.target).metrics
    except ManifestError as error:
        parser.error(str(error))
    sys.stdout.write(rules(metrics))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser("alert", description=__doc__)
    parser.add_argument("--target", type=Path, required=True, metavar="FILE", help="target file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
