"""What batching is for: more answers a second from executions that cost the same."""

from collections.abc import Sequence

from servespec.target.target import Target
from servespec.target.traffic import burst
from servespec.verdicts.requirement import requirement

from ..questions import Question, spin_of, spinning
from .crowds import CALLERS, full_house

EXECUTION = 0.01
ROUNDS = 15
GAIN = 2.0


@requirement("GUIDE-005", kind="saturating")
def test_many_callers_get_more_answers_a_second_than_one(target: Target) -> None:
    """An operator serves many clients for the price of few."""
    question = spinning(spin_of(target, EXECUTION))
    callers = min(CALLERS, full_house(target))
    wanted = float(target.claim("batching", "gain", GAIN))
    one = _answers_a_second(target, [question])
    many = _answers_a_second(target, [question] * callers)

    target.record("answers a second, one caller", f"{one:.0f}")
    target.record(f"answers a second, {callers} callers", f"{many:.0f}")
    assert many >= wanted * one, (
        f"{callers} callers get {many:.0f} answers a second, one gets {one:.0f}:"
        f" {many / one:.1f} times, not {wanted:g}"
    )


def _answers_a_second(target: Target, questions: Sequence[Question]) -> float:
    """Of callers who all ask again when all are answered."""
    messages = [question.message(target) for question in questions]
    seconds = 0.0
    for _ in range(ROUNDS):
        volley = burst(target.rest, messages)
        for exchange in volley.exchanges:
            exchange.must_succeed()
        seconds += max(volley.done)
    return ROUNDS * len(questions) / seconds
