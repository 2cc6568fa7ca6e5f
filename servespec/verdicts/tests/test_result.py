"""A requirement's verdict follows from those of its checks."""

import pytest

from servespec.verdicts.result import CheckResult, by_requirement
from servespec.verdicts.verdict import Verdict


def of(*verdicts: Verdict) -> Verdict:
    """The verdict of a requirement whose checks ended like this."""
    checks = [CheckResult(f"HTTP-001/{n}", "HTTP-001", found) for n, found in enumerate(verdicts)]
    return by_requirement(checks)["HTTP-001"].verdict


@pytest.mark.parametrize("verdict", Verdict, ids=str)
def test_the_worst_check_decides(verdict: Verdict) -> None:
    expected = Verdict.PASS if verdict is Verdict.NOT_APPLICABLE else verdict

    assert of(Verdict.PASS, verdict, Verdict.PASS) is expected


def test_a_requirement_none_of_whose_checks_applies_does_not_apply() -> None:
    assert of(Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE) is Verdict.NOT_APPLICABLE
