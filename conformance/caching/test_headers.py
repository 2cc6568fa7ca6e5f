"""Headers that change an answer: who asks, and in which coding they can read it."""

from secrets import token_hex

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import SECONDS, Question
from .asking import caching, nonce, remembered, unused

ROWS = 1000
"""So many that the answer is worth a coding."""


@requirement("CACHE-002", name="user")
def test_a_user_is_told_nothing_of_another_who_asked_the_same(target: Target) -> None:
    """A user gets no header, cookie or trace of somebody else along with an answer."""
    caching(target)
    question = remembered(unused())
    users = [token_hex(16) for _ in range(3)]
    answers = [_of_user(target, question, user) for user in users]
    if any(answer.must_answer_at_all().status != 200 for answer in answers):
        raise NotApplicable("the target refuses headers that it does not know")

    shared = len({nonce(answer) for answer in answers}) < len(answers)
    target.record("an answer to one user", "is given to others" if shared else "is kept for it")
    for user, answer in zip(users, answers, strict=True):
        told = repr((answer.headers, answer.body))
        assert not any(other in told for other in users if other != user), (
            "a user is told what another one who asked the same had in a header"
        )


def _of_user(target: Target, question: Question, user: str) -> Exchange:
    """The answer to one who is named in all the places where servers look for it."""
    headers = {
        "Authorization": f"Bearer {user}",
        "Cookie": f"session={user}",
        "X-Request-Id": user,
        "X-User": user,
        "traceparent": f"00-{user}-{user[:16]}-01",
    }
    return _asked(target, question, headers)


@requirement("CACHE-002", name="coding")
def test_a_hit_comes_in_a_coding_that_its_client_reads(target: Target) -> None:
    """A client that knows no compression can read what another one got compressed."""
    caching(target)
    question = remembered(unused(ROWS))
    for accepted in ("gzip", "identity", "gzip", "identity"):
        answer = _asked(target, question, {"Accept-Encoding": accepted}).must_succeed()
        coding = answer.header("Content-Encoding") or "identity"
        assert coding in (accepted, "identity"), f"who accepts {accepted} gets {coding}"
        assert answer.values("y") == question.body["inputs"][0]["data"], "other values came"


def _asked(target: Target, question: Question, headers: dict[str, str]) -> Exchange:
    return target.rest.infer(question.fixture, question.body, headers=headers, timeout=SECONDS)
