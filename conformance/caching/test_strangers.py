"""Nobody gets what belongs to another: requests that differ in one thing, at the same moment."""

from collections.abc import Sequence

import pytest

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.target.traffic import burst
from servespec.verdicts.requirement import requirement

from ..judging import admitted
from ..questions import SECONDS, Question
from .asking import (
    AWKWARD_IDS,
    asking,
    caching,
    changed,
    must_answer_outputs,
    must_be_apart,
    nonce,
    remembered,
    returned_ids,
    slow_of,
    twins,
    unused,
)

RUN = 0.1
"""Seconds of an execution: time enough to ask the same meanwhile."""
CALLERS = 12
OUTPUTS = (("y",), ("nonce", "tick"), ("tick", "y"))
FLAVOURS = ("sweet", "sour", "salty")

both = pytest.mark.parametrize("fixture", ["cached", "coalesced"])


def _question(target: Target, fixture: str) -> Question:
    """One that nobody has asked, and that runs long enough for others to ask it as well."""
    asking(target, fixture)
    return slow_of(target, fixture, RUN) if fixture == "coalesced" else remembered(unused())


def _answers(target: Target, questions: Sequence[Question]) -> list[tuple[Question, Exchange]]:
    """To all of them, asked at once, and again; without those who were refused as too many.

    What the first ones leave in a cache the others may find.
    """
    messages = [question.message(target) for question in questions]
    volleys = [burst(target.rest, messages, timeout=SECONDS) for _ in range(2)]
    return [
        (questions[place], answer)
        for volley in volleys
        for place, answer in admitted(volley.exchanges)
    ]


@requirement("CACHE-010", name="id", kind="saturating")
@both
def test_each_caller_gets_its_own_id(target: Target, fixture: str) -> None:
    """A client matches the answer to its question, however many ask the same."""
    question = _question(target, fixture)
    asked = [changed(question, id=id) for id in returned_ids(target)]
    answers = _answers(target, [*asked, question])

    for one, answer in answers:
        given, came = one.body.get("id"), answer.must_succeed().json().get("id", "")
        if given is None:
            assert came not in AWKWARD_IDS, f"who gave no id got that of another: {came!r}"
        else:
            assert came == given, f"the caller {given!r} got the id {came!r}"
    target.record(
        f"executions for {len(answers)} ids, {fixture}",
        len({nonce(answer) for _, answer in answers}),
    )


@requirement("CACHE-010", name="model", kind="saturating")
def test_callers_of_another_model_get_another_answer(target: Target) -> None:
    """A client gets the answer of the model that it asks, whatever others ask meanwhile."""
    caching(target)
    answers = _answers(target, twins(target) * CALLERS)

    must_be_apart((one.fixture, answer) for one, answer in answers)


@requirement("CACHE-010", name="version", kind="saturating")
def test_callers_of_another_version_get_another_answer(target: Target) -> None:
    """A client that pins a version gets the answer of that one, whatever others ask meanwhile."""
    caching(target)
    values = unused()
    asked = [remembered(values, version=version) for version in ("1", "2")]
    if any(remembered(unused(), version=one.version).ask(target).status != 200 for one in asked):
        raise NotApplicable("the target does not serve two versions of a model side by side")
    answers = _answers(target, asked * CALLERS)

    must_be_apart((f"version {one.version}", answer) for one, answer in answers)
    for one, answer in answers:
        came = answer.json().get("model_version", one.version)
        assert came == one.version, f"a caller of version {one.version} got version {came}"


@requirement("CACHE-010", name="outputs", kind="saturating")
@both
def test_callers_of_other_outputs_get_just_these(target: Target, fixture: str) -> None:
    """A client gets the outputs that it wants, whatever others want of the same."""
    question = _question(target, fixture)
    asked = [changed(question, outputs=[{"name": name} for name in names]) for names in OUTPUTS]

    for one, answer in _answers(target, asked * (CALLERS // len(asked))):
        must_answer_outputs(one, answer, [output["name"] for output in one.body["outputs"]])


@requirement("CACHE-010", name="parameters", kind="saturating")
@both
def test_callers_with_other_parameters_get_other_answers(target: Target, fixture: str) -> None:
    """A client who asks for something special gets no answer to something else."""
    question = _question(target, fixture)
    asked = [changed(question, parameters={"servespec_flavour": flavour}) for flavour in FLAVOURS]
    if remembered(unused(), parameters=asked[0].body["parameters"]).ask(target).status != 200:
        raise NotApplicable("the target refuses a parameter that it does not know")
    answers = _answers(target, asked * (CALLERS // len(asked)))

    must_be_apart((one.body["parameters"]["servespec_flavour"], answer) for one, answer in answers)


@requirement("CACHE-010", name="error", kind="saturating")
@both
def test_an_error_is_told_to_nobody_else(target: Target, fixture: str) -> None:
    """A client is answered, though others ask nearly the same and wrongly."""
    question = _question(target, fixture)
    wrong = [
        changed(question, outputs=[{"name": "no_such_output"}]),
        changed(question, version="99"),
        changed(question, inputs=[{**question.body["inputs"][0], "datatype": "BOOL"}]),
    ]

    wanted = question.body["inputs"][0]["data"]
    for one, answer in _answers(target, [*wrong, question] * (CALLERS // 3)):
        if one is question:
            came = answer.must_succeed().values("y")
            assert came == wanted, f"beside wrong requests {wanted} is answered as {came}"
        else:
            status = answer.must_answer_at_all().status
            assert status != 200, "a wrong request got the answer to a right one"
