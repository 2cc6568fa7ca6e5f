"""Objectives as tests: pytest test_my_latency.py --target target.toml."""

from servespec.loading import LoadTest


def test_half_of_the_answers_come_within_a_second(load_test: LoadTest) -> None:
    """Make it `load_test("tail", slo=["p99 < 100ms"])`: a minute, and the tail of your server."""
    result = load_test("smoke", slo=["p50 < 1s"], seconds=3)

    assert result.verdict == "PASS", result
