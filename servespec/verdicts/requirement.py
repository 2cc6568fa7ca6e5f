"""Ties a check to the requirement that it judges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

from servespec.fixtures import FIXTURES

from .catalogue import UnknownRequirement, find

__all__ = ["CERTIFICATION", "Check", "Kind", "requirement"]

Kind = Literal["safe", "saturating", "may-kill"]
"""What any client may send; what fills the server; what may bring it down."""

CERTIFICATION = settings(
    max_examples=25,
    derandomize=True,  # the same questions to every target
    deadline=None,
    database=None,  # nothing is left in the user's directory
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=False,
)
"""How a randomised check asks when it certifies."""

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Check:
    """What a check says of itself; all else is in the catalogue.

    Attributes:
        requirement: the id of the requirement that it judges.
        name: tells the checks of one requirement apart; empty where there is only one.
        kind: whether a running server of somebody else may be asked this.
        fixtures: the fixture models that the target has to host.
    """

    requirement: str
    name: str = ""
    kind: Kind = "safe"
    fixtures: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The check in reports: `id`, or `id/name`."""
        return f"{self.requirement}/{self.name}" if self.name else self.requirement


def requirement(
    id: str, *, name: str | None = None, kind: Kind = "safe", fixtures: Sequence[str] = ()
) -> Callable[[Test], Test]:
    """Says which requirement the decorated check judges.

    It stands above or below `@given` and `@pytest.mark.parametrize`; a randomised check asks as
    `CERTIFICATION` says.

    Raises:
        UnknownRequirement: the catalogue has no requirement of this id; the text names the nearest.
        ValueError: there is no such fixture model.
    """
    if (row := find(id)).id != id:
        raise UnknownRequirement(f"{id!r} is a slug: a check names {row.id}")
    unknown = sorted(set(fixtures) - set(FIXTURES))
    if unknown:
        raise ValueError(f"{id}: no fixture is called {unknown[0]!r}")
    check = Check(id, name or "", kind, tuple(fixtures))

    def mark(test: Test) -> Test:
        _ask_as_certified(test)
        marked: Test = pytest.mark.requirement(check)(test)
        return marked

    return mark


def _ask_as_certified(test: Any) -> None:
    if is_hypothesis_test(test):
        CERTIFICATION(test)
    else:
        # A `@given` above takes its settings from here. `CERTIFICATION(test)` would say the same,
        # and make pytest refuse the test where no `@given` follows.
        test._hypothesis_internal_use_settings = CERTIFICATION
