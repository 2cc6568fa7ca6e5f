"""The arithmetic alone: samples with known percentiles, given to what records and reports them.

    python -m benchmarks.loadtest_accuracy.replay

The samples are the planted latencies themselves, 131,072 of each plan, and their percentiles those
of the nearest rank among them. The histogram counts them one by one in four parts that are then
merged, as workers do; `report` is what `servespec load` makes of a run's rows; stock Locust's table
is beside them.
"""

import sys

import numpy as np

from loadtests.judging.evidence import of_rows
from loadtests.judging.summary import summarize
from loadtests.sending.plan import Plan
from loadtests.sending.records import Fate, Records
from servespec.stats.histogram import Histogram
from servespec.stats.percentiles import percentile

from .plans import PLANS, held

PERCENTS = (50.0, 95.0, 99.0, 99.9)
PARTS = 4
RATE = 1000.0


def main() -> None:
    """Replay all plans, and print the largest errors."""
    heads = "".join(f"{name:>20}" for name in ("histogram, merged", "report", "stock Locust"))
    sys.stdout.write(f"largest error of p50, p95, p99, p99.9\n{'':12}{heads}\n")
    for plan in PLANS:
        samples = held(plan, 1)
        told = (_histogram(samples), _report(samples), _locust(samples))
        cells = "".join(f"{_largest_error(each, samples):>20.3%}" for each in told)
        sys.stdout.write(f"{plan:12}{cells}\n")


def _largest_error(told: list[float], samples: np.ndarray) -> float:
    true = [percentile(samples, percent) for percent in PERCENTS]
    pairs = zip(told, true, strict=True)
    return max(0.0 if found == due else abs(found / due - 1) for found, due in pairs)


def _histogram(samples: np.ndarray) -> list[float]:
    whole = Histogram()
    for part in range(PARTS):
        histogram = Histogram()
        for seconds in samples[part::PARTS].tolist():
            histogram.record(seconds)
        whole.merge(histogram)
    return [whole.percentile(percent) for percent in PERCENTS]


def _report(samples: np.ndarray) -> list[float]:
    records = Records.planned(np.arange(len(samples)) / RATE)
    answered = np.isfinite(samples)
    records.dispatched[:] = records.sent[:] = records.intended
    records.done[answered] = records.first[answered] = (records.intended + samples)[answered]
    records.fate[:] = np.where(answered, Fate.ANSWERED, Fate.LOST)
    seconds = len(samples) / RATE
    summary = summarize(of_rows(Plan(rate=RATE, seconds=seconds), records), seconds)
    found = {line.percent: line.seconds for line in summary.lines}
    return [found[percent] for percent in PERCENTS]


def _locust(samples: np.ndarray) -> list[float]:
    """What hangs is given up after two seconds, and counted as that."""
    from locust.stats import RequestStats

    stats = RequestStats()
    for seconds in np.where(np.isfinite(samples), samples, 2.0).tolist():
        stats.log_request("POST", "asked", seconds * 1000, 0)
    entry = stats.total
    return [entry.get_response_time_percentile(percent / 100) / 1000 for percent in PERCENTS]


if __name__ == "__main__":
    main()
