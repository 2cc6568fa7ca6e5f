"""The alert on a slower model, as Prometheus' own tool evaluates it, and its command."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from servespec.target.outcomes import Inconclusive, Nonconformance
from servespec.target.sections import Metrics

from ..checks.alerting import History, must_tell
from ..comparing.alert import FEWEST, rules

NAMES = Metrics(request_seconds="my_seconds", model_label="name", version_label="revision")
OLD, NEW = 0.010, 0.012
BOUNDS = [0.001 * 1.1**power for power in range(60)]
UPDATE, LOOKS = 70, 110

Series = dict[tuple[str, str], float]
"""By model and version: how long each of its requests takes, in seconds."""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, which comes with Prometheus"
)


def page(counts: Mapping[tuple[str, str, float], int]) -> str:
    """Metrics of a server that answered so many requests of a model and version in that time."""
    lines = ["# TYPE my_seconds histogram", "other_seconds_count 7"]
    for model, version in dict.fromkeys(key[:2] for key in counts):
        labels = f'name="{model}",revision="{version}"'
        mine = {key[2]: count for key, count in counts.items() if key[:2] == (model, version)}
        for bound in (*BOUNDS, float("inf")):
            count = sum(each for taken, each in mine.items() if taken <= bound)
            written = "+Inf" if bound == float("inf") else f"{bound:.6g}"
            lines.append(f'my_seconds_bucket{{{labels},le="{written}"}} {count}')
        lines.append(f"my_seconds_count{{{labels}}} {sum(mine.values())}")
    return "\n".join(lines) + "\n"


def history(before: Series, after: Series, each: int = 20) -> History:
    """What is seen of a server that answers `each` requests of each series from look to look."""
    found, counts = History(NAMES, "mine"), dict[tuple[str, str, float], int]()
    for number in range(LOOKS + 1):
        for (model, version), taken in (before if number <= UPDATE else after).items():
            key = (model, version, taken)
            counts[key] = counts.get(key, 0) + each
        found.look(page(counts))
    return found


def mine(**versions: float) -> Series:
    return {("mine", version): taken for version, taken in versions.items()}


@needs_promtool
@pytest.mark.parametrize(
    ("after", "fires"),
    [
        (mine(v1=NEW), True),
        (mine(v2=NEW), True),
        (mine(v1=OLD, v2=NEW), True),
        (mine(v1=OLD), False),
        (mine(v2=OLD), False),
        (mine(v1=OLD * 1.05), False),
        (mine(v1=OLD / 2), False),
        (mine(v1=OLD) | {("other", "v1"): 2 * OLD}, False),
    ],
)
def test_it_fires_for_a_version_that_is_slower_than_the_model_was(
    after: Series, fires: bool, tmp_path: Path
) -> None:
    seen = history(mine(v1=OLD), after)

    assert not seen.fired(tmp_path, 0, UPDATE)
    assert seen.fired(tmp_path, UPDATE, LOOKS) is fires


@needs_promtool
@pytest.mark.parametrize(("each", "fires"), [(FEWEST // 20 + 1, True), (FEWEST // 20 - 1, False)])
def test_it_says_nothing_of_a_few_requests(each: int, fires: bool, tmp_path: Path) -> None:
    seen = history(mine(v1=OLD), mine(v1=NEW), each)

    assert seen.fired(tmp_path, UPDATE, LOOKS) is fires


TOLD = {
    "silent, and then fires": ((False, True, 1.0, 1.2), None),
    "as an update of hardly a tenth": ((False, True, 1.0, 1.1), None),
    "blind": ((False, False, 1.0, 1.2), Nonconformance),
    "hardly slower": ((False, False, 1.0, 1.1), Inconclusive),
    "cries wolf": ((True, True, 1.04, 1.2), Nonconformance),
    "a machine that slows down": ((True, True, 1.2, 1.2), Inconclusive),
}


@pytest.mark.parametrize(("seen", "outcome"), TOLD.values(), ids=TOLD)
def test_it_is_to_fire_for_an_update_and_for_nothing_else(
    seen: tuple[bool, bool, float, float], outcome: type[Exception] | None
) -> None:
    early, fired, feigned, slower = seen
    with pytest.raises(outcome) if outcome else nullcontext():
        must_tell(early=early, fired=fired, feigned=feigned, slower=slower)


@needs_promtool
def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rules(NAMES))

    subprocess.run(["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, check=True)


def test_metrics_without_buckets_are_told_from_those_with_them() -> None:
    seen = History(NAMES, "mine")

    seen.look("# TYPE my_seconds summary\nmy_seconds_count 3\n")
    assert not seen.has_buckets
    seen.look(page({("mine", "v1", OLD): 3}))
    assert seen.has_buckets


def test_the_command_writes_the_rules_in_the_names_of_the_target(tmp_path: Path) -> None:
    (tmp_path / "target.toml").write_text(
        '[target]\nname = "x"\nrest = "http://127.0.0.1:1"\n'
        '[metrics]\nrequest_seconds = "my_seconds"\nmodel_label = "name"\n'
        'version_label = "revision"\n'
    )
    command = [sys.executable, "-m", "servespec", "alert", "--target", "target.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == rules(NAMES)
