"""An answer's time ends when it was there, not when its greenlet had its turn."""

import json
import subprocess
import sys

COMMAND = [sys.executable, "-m", "loadtests.tests.hearing"]


def test_an_answer_is_not_later_because_another_one_was_told_first() -> None:
    done = subprocess.run(COMMAND, capture_output=True, timeout=30, check=True)
    first, second = sorted(json.loads(done.stdout), key=lambda moments: moments[1])

    assert second[1] - first[1] > 0.09
    assert second[0] == first[0]
    assert 0 <= first[0] <= first[1]
