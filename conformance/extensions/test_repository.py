"""The model repository over REST: the index, load, reload and unload."""

import time

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import Outcome, Question, constant, driving
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request
from .repository import FIXTURE, Repository, repository

STATES = ("UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING")
RATE = 50.0
SECONDS = 3.0
RELOADS = 5
UNKNOWN = "servespec-no-such-model"


@requirement("EXT-REPO-001", fixtures=[FIXTURE])
def test_the_index_has_the_form_that_is_documented(target: Target) -> None:
    """A client reads from one answer what there is, and in which state."""
    with repository(target) as server:
        rows = server.rows()

        names = [row.get("name") for row in rows]
        assert server.model in names, f"the index lists {names}, and not {server.model!r}"
        for row in rows:
            strings = {
                key: row[key] for key in ("name", "version", "state", "reason") if key in row
            }
            wrong = [key for key, value in strings.items() if not isinstance(value, str)]
            assert not wrong, f"{wrong[0]} of {row} is no string"
            assert {"name", "state"} <= row.keys(), f"{row} lacks a name or a state"
            assert row["state"] in STATES, f"{row} has a state that is not documented"


@requirement("EXT-REPO-002", name="ready", fixtures=[FIXTURE])
def test_who_asks_for_what_is_ready_gets_no_more(target: Target) -> None:
    """A client that looks for somebody to ask is not sent to a model that is not loaded."""
    with repository(target) as server:
        ready = server.states({"ready": True})
        assert set(ready) == {"READY"}, f"asked for what is ready, a loaded model has {ready}"

        server.unloaded()
        ready = server.states({"ready": True})
        assert not ready, f"asked for what is ready, an unloaded model is listed as {ready}"


@requirement("EXT-REPO-002", name="empty", fixtures=[FIXTURE])
def test_who_asks_nothing_special_gets_all(target: Target) -> None:
    """A client may leave out what it does not need to say."""
    with repository(target) as server:
        server.unloaded()
        expected = server.rows({"ready": False})
        for body in (b"{}", b""):
            found = server.rows(body)
            assert found == expected, f"{body!r} is answered {found}, ready: false {expected}"


@requirement("EXT-REPO-003", fixtures=[FIXTURE])
def test_what_is_not_loaded_is_listed(target: Target) -> None:
    """An operator finds what can be loaded."""
    with repository(target) as server:
        server.unloaded()
        states = server.states()

        assert states, f"the index does not list {server.model!r}, which was unloaded"
        assert "READY" not in states, f"of a model that was unloaded the index says {states}"


@requirement("EXT-REPO-004", fixtures=[FIXTURE])
def test_what_is_loaded_is_ready(target: Target) -> None:
    """Whoever loads a model can send requests to it next."""
    with repository(target) as server:
        server.unloaded()
        began = time.monotonic()
        server.change("load").must_succeed()
        answered = time.monotonic()

        server.must_become(ready=True)
        waited = time.monotonic() - answered
        target.record("the load took", f"{answered - began:.2f} s, then ready in {waited:.2f} s")
        server.must_serve()


@requirement("EXT-REPO-005", fixtures=[FIXTURE])
def test_a_reload_fails_no_request(target: Target) -> None:
    """A model is brought up to date while its users go on."""
    with repository(target) as server:
        rest = server.target.rest
        schedule = constant(RATE, SECONDS)
        with driving(rest, schedule, lambda number: _question(server, number)) as traffic:
            for _ in range(RELOADS):
                server.change("load").must_succeed()
                time.sleep(SECONDS / RELOADS / 2)

        rows = traffic.ledger.rows
        wrong = [row for row in rows if row.outcome is not Outcome.ANSWERED]
        target.record("asked during the reloads", f"{len(rows)}, {len(wrong)} failed")
        assert not wrong, f"{len(wrong)} of {len(rows)} requests: {wrong[0].detail}"


def _question(server: Repository, number: int) -> Question:
    message = server.target.rest.message(FIXTURE, {**request(SCALAR), "id": str(number)})

    def accept(exchange: Exchange) -> str | None:
        version, values = exchange.answer("model_version"), exchange.values("y")
        return None if values == [float(version)] else f"version {version} answered {values}"

    return Question(str(number), message, accept)


@requirement("EXT-REPO-006", fixtures=[FIXTURE])
def test_what_is_unloaded_is_asked_no_more(target: Target) -> None:
    """A client learns at once that a model is gone, and does not try again and again."""
    with repository(target) as server:
        server.change("unload").must_succeed()
        server.must_become(ready=False)

        server.infer().must_be_client_error()


@requirement("EXT-REPO-007", name="unknown", fixtures=[FIXTURE])
def test_a_load_of_what_is_not_there_is_an_error(target: Target) -> None:
    """An operator who mistypes a name is told so."""
    with repository(target) as server:
        answer = server.change("load", model=UNKNOWN)

        _must_be_error(answer)
        server.must_serve()


@requirement("EXT-REPO-007", name="serving", fixtures=[FIXTURE])
def test_a_load_that_fails_leaves_what_serves(target: Target) -> None:
    """A mistake in a deployment costs no user of the model."""
    with repository(target) as server:
        server.must_serve()
        answer = server.change("load", {"config": "no configuration"})

        _must_be_error(answer)
        server.must_serve()


def _must_be_error(answer: Exchange) -> None:
    assert answer.must_answer_at_all().status >= 400, f"a failing load is answered {answer.status}"
    assert answer.error(), "the error object has no text"
