"""Known failures excuse the exit code and nothing else."""

from pathlib import Path

import pytest

from servespec.verdicts.baseline import Baseline, BaselineError, Known
from servespec.verdicts.verdict import Verdict

from .results import results

ENTRY = '[[known]]\nid = "HTTP-014"\nreason = "no clock"\nissue = "https://example.org/1"\n'
KNOWN = Known("HTTP-014", "no clock", "https://example.org/1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "baseline.toml"


def test_a_file_gives_its_entries(file: Path) -> None:
    file.write_text(ENTRY)

    assert Baseline.load(file) == Baseline((KNOWN,))


def test_an_empty_file_knows_nothing(file: Path) -> None:
    file.write_text("")

    assert Baseline.load(file) == Baseline()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known", "expected a TOML file"),
        ("[know]", "know: expected only tables"),
        ("known = 1", "known: expected tables"),
        ("known = [1]", r"\[\[known\]\] 1: expected a table with id, reason, issue"),
        (ENTRY + "[[known]]\nid = 3", r"\[\[known\]\] 2: id: expected a text"),
        ('[[known]]\nid = "HTTP-014"\nissue = "x"', "1: reason: expected a text"),
        (ENTRY + 'until = "May"', "1: until: expected only id, reason, issue"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_was_expected(
    file: Path, text: str, message: str
) -> None:
    file.write_text(text)

    with pytest.raises(BaselineError, match=message) as error:
        Baseline.load(file)

    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(file: Path) -> None:
    with pytest.raises(BaselineError, match="expected a TOML file"):
        Baseline.load(file)


def test_only_what_is_unknown_is_left_to_fail() -> None:
    seen = results([], HTTP_014=Verdict.FAIL, HTTP_004=Verdict.UNTESTABLE, HTTP_001=Verdict.PASS)

    failures, stale = Baseline((KNOWN,)).apply(seen)

    assert [result.requirement for result in failures] == ["HTTP-004"]
    assert stale == []


def test_an_error_of_the_suite_is_nothing_to_know() -> None:
    failures, _ = Baseline().apply(results([], HTTP_014=Verdict.ERROR))

    assert failures == []


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_APPLICABLE], ids=str)
def test_an_entry_whose_requirement_holds_is_stale(verdict: Verdict) -> None:
    _, stale = Baseline((KNOWN,)).apply(results([], HTTP_014=verdict))

    assert stale == [KNOWN]


def test_an_entry_that_names_no_requirement_is_stale() -> None:
    unknown = Known("HTTP-999", "gone", "https://example.org/2")

    assert Baseline((unknown,)).apply({}) == ([], [unknown])


def test_an_entry_whose_requirement_was_not_judged_is_kept() -> None:
    assert Baseline((KNOWN,)).apply(results([], HTTP_014=Verdict.NOT_RUN)) == ([], [])


def test_the_json_says_which_entry_is_stale_and_reads_back() -> None:
    baseline = Baseline((KNOWN,))
    row = baseline.as_json(results([], HTTP_014=Verdict.PASS))

    assert row["known"][0]["stale"] is True
    assert Baseline.from_json(row) == baseline
