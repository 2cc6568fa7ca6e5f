"""A check carries its requirement, however it is written."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, is_hypothesis_test
from hypothesis import strategies as st

from servespec.verdicts.catalogue import UnknownRequirement
from servespec.verdicts.requirement import Check, requirement

pytest_plugins = ["pytester"]

ID = "OIP-REST-INFER-002"


def check_of(test: Callable[..., Any]) -> Check:
    (mark,) = [mark for mark in test.pytestmark if mark.name == "requirement"]  # type: ignore[attr-defined]
    found: Check = mark.args[0]
    return found


def test_a_plain_check_carries_its_requirement() -> None:
    @requirement(ID)
    def check() -> None: ...

    assert check_of(check) == Check(ID)


def test_a_check_says_its_name_kind_and_fixtures() -> None:
    @requirement(ID, name="emoji", kind="may-kill", fixtures=["identity_fp32"])
    def check() -> None: ...

    assert check_of(check) == Check(ID, "emoji", "may-kill", ("identity_fp32",))
    assert check_of(check).key == f"{ID}/emoji"


def test_the_only_check_of_a_requirement_goes_by_its_id() -> None:
    assert Check(ID).key == ID


@pytest.mark.parametrize("above", [True, False], ids=["above given", "below given"])
def test_a_randomised_check_asks_25_questions_the_same_each_time(above: bool) -> None:
    asked: list[int] = []

    def check(n: int) -> None:
        asked.append(n)

    randomised = given(n=st.integers())
    test = requirement(ID)(randomised(check)) if above else randomised(requirement(ID)(check))
    test()
    first, asked[:] = asked[:], []
    test()

    assert asked == first
    assert len(first) == 25
    assert is_hypothesis_test(test)
    assert check_of(test) == Check(ID)


def test_checks_of_every_form_run_under_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from hypothesis import given, strategies as st
        from servespec.verdicts.requirement import requirement

        @requirement("OIP-REST-INFER-002")
        def test_plain(): pass

        @requirement("OIP-REST-DATA-007", name="int8")
        @pytest.mark.parametrize("n", [1, 2])
        def test_parametrized(n): pass

        @pytest.mark.parametrize("n", [1, 2])
        @requirement("OIP-REST-DATA-007", name="int16")
        @given(m=st.integers())
        def test_outer(tmp_path, n, m): pass

        @given(m=st.integers())
        @requirement("OIP-REST-DATA-007", name="int32")
        def test_inner(tmp_path, m): pass
        """
    )

    result = pytester.runpytest("--strict-markers", "-W", "error")

    result.assert_outcomes(passed=6)
    assert not (pytester.path / ".hypothesis").exists()


def test_an_unknown_id_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownRequirement, match=r"did you mean OIP-REST-INFER-002\?"):
        requirement("OIP-REST-INFR-002")


def test_a_check_names_the_id_and_not_the_slug() -> None:
    with pytest.raises(UnknownRequirement, match=f"is a slug: a check names {ID}"):
        requirement("rest-infer-id-echoed")


def test_an_unknown_fixture_is_an_error() -> None:
    with pytest.raises(ValueError, match=f"{ID}: no fixture is called 'identity_fp33'"):
        requirement(ID, fixtures=["identity_fp33"])
