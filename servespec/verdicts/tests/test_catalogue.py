"""The catalogue is complete, consistent and explained."""

import re
from pathlib import Path

import pytest

from servespec.verdicts.catalogue import (
    CATALOGUE,
    FOLDER,
    GROUPS,
    Basis,
    Level,
    UnknownRequirement,
    catalogue_sha256,
    find,
)
from servespec.verdicts.markdown import to_markdown

ROWS = list(CATALOGUE.values())
DOCS = Path(__file__).parents[3] / "docs"

SIZES = {
    "OIP-REST-PATH": 13,
    "OIP-REST-HLTH": 13,
    "OIP-REST-SMETA": 5,
    "OIP-REST-MMETA": 11,
    "OIP-REST-INFER": 34,
    "OIP-REST-DATA": 28,
    "OIP-REST-ERR": 14,
    "OIP-REST-PARM": 5,
    "OIP-GRPC-SVC": 14,
    "OIP-GRPC-INF": 20,
    "EXT-BIN": 18,
    "EXT-REPO": 10,
    "EXT-STAT": 9,
    "EXT-CLS": 4,
    "EXT-SHM": 5,
    "EXT-SCHED": 3,
    "EXT-SEQ": 4,
    "EXT-MISC": 6,
    "EXT-GEN": 8,
    "V1": 6,
    "TFS": 6,
    "TS": 5,
    "HTTP": 23,
    "HLTH-GRPC": 7,
    "K8S-PROBE": 10,
    "K8S-TERM": 14,
    "MET": 17,
    "TRC": 8,
    "BATCH": 9,
    "CACHE": 10,
    "LOAD": 15,
    "QUANT": 6,
    "ROLL": 8,
    "GUIDE": 9,
}

RULED = {
    *("OIP-GRPC-SVC-003", "OIP-GRPC-SVC-004", "OIP-GRPC-SVC-005", "OIP-REST-HLTH-009"),
    *("OIP-REST-ERR-008", "OIP-REST-INFER-001", "OIP-REST-ERR-007", "EXT-BIN-010", "EXT-BIN-002"),
    *("HTTP-001", "HTTP-009", "OIP-REST-MMETA-004", "OIP-REST-MMETA-005", "OIP-REST-MMETA-006"),
    *("OIP-REST-MMETA-007", "OIP-REST-DATA-010", "OIP-REST-DATA-011", "OIP-REST-DATA-012"),
    *("OIP-REST-DATA-013", "OIP-REST-DATA-019", "OIP-REST-DATA-020", "OIP-REST-DATA-021"),
    *("OIP-REST-INFER-003", "OIP-REST-INFER-029", "OIP-REST-INFER-034", "OIP-REST-ERR-005"),
    *("OIP-REST-ERR-011", "OIP-REST-PATH-004", "OIP-GRPC-SVC-006", "HTTP-011", "CACHE-004"),
    *("CACHE-005", "OIP-REST-HLTH-013", "K8S-PROBE-005", "K8S-PROBE-010", "K8S-TERM-002"),
    *("K8S-TERM-003", "K8S-TERM-004", "K8S-TERM-005", "K8S-TERM-007"),
}
"""The requirements that the decision on rulings names."""


def test_every_group_is_complete_and_numbered_without_gaps() -> None:
    expected = [f"{group}-{n:03}" for group, size in SIZES.items() for n in range(1, size + 1)]

    assert list(CATALOGUE) == expected


def test_every_file_of_the_folder_is_read() -> None:
    files = {path.stem for path in FOLDER.glob("*.toml")}

    assert files == {group.lower() for group in GROUPS} | {"groups", "sources", "profiles"}


def test_slugs_are_unique_and_readable() -> None:
    slugs = [row.slug for row in ROWS]

    assert len(set(slugs)) == len(slugs)
    assert [s for s in slugs if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+){1,6}", s)] == []


def test_no_slug_is_an_id() -> None:
    assert {row.slug.upper() for row in ROWS}.isdisjoint(CATALOGUE)


def test_every_level_and_basis_is_in_use() -> None:
    assert {row.level for row in ROWS} == set(Level)
    assert {row.basis for row in ROWS} == set(Basis)


def test_every_requirement_is_a_sentence_with_a_public_source() -> None:
    assert [row.id for row in ROWS if not row.text.endswith(".") or len(row.text) < 20] == []
    assert [row.id for row in ROWS if not row.source.link.startswith("https://")] == []


def test_every_source_is_in_use() -> None:
    cited = set(re.findall(r'document = "([^"]+)"', "".join(_group_files())))
    listed = set(re.findall(r"^\[([^]]+)\]", _text("sources"), re.MULTILINE))

    assert cited == listed


def test_a_ruling_is_the_end_of_the_sentence() -> None:
    assert {row.id for row in ROWS if row.ruling} >= RULED
    assert [row.id for row in ROWS if not row.text.endswith(row.ruling)] == []


def test_every_ruling_has_its_reason_in_the_decision() -> None:
    decision = (DOCS / "decisions/0003-rulings.md").read_text(encoding="utf-8")
    named = _ids_named(decision)

    assert {row.id for row in ROWS if row.ruling} - named == set()


def test_every_ambiguity_has_its_ruling() -> None:
    decision = (DOCS / "decisions/0003-rulings.md").read_text(encoding="utf-8")
    ruled = set(re.findall(r"^### (AMB-\d\d)$", decision, re.MULTILINE))

    assert {ref for row in ROWS for ref in row.ambiguities} == ruled


def test_a_waiver_gives_its_reason() -> None:
    waived = [row.waiver for row in ROWS if row.waiver is not None]

    assert waived
    assert [reason for reason in waived if not reason.endswith(".") or len(reason) < 20] == []


def test_a_requirement_is_found_by_id_and_by_slug() -> None:
    assert find("rest-infer-id-echoed") is find("OIP-REST-INFER-002")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownRequirement, match=r"did you mean rest-infer-id-echoed\?"):
        find("rest-infer-id-ecoed")


def test_a_name_like_no_other_is_answered_plainly() -> None:
    with pytest.raises(UnknownRequirement, match=r"^no requirement is called '\?'$"):
        find("?")


def test_the_hash_names_the_state_of_the_files() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", catalogue_sha256())
    assert catalogue_sha256() == catalogue_sha256()


def test_the_reference_page_is_current() -> None:
    page = DOCS / "reference/requirements.md"

    assert page.read_text(encoding="utf-8") == to_markdown()


def _text(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def _group_files() -> list[str]:
    return [_text(group.lower()) for group in GROUPS]


def _ids_named(text: str) -> set[str]:
    """The ids in a text; `-011` after a full id continues its group, `to -013` a range."""
    named: set[str] = set()
    group, last, upto = "", 0, False
    for prefix, number, word in re.findall(r"([A-Z0-9-]*[A-Z0-9])?-(\d{3})\b|\b(to)\b", text):
        if word:
            upto = True
            continue
        group, first = prefix or group, int(number)
        start = last if upto and not prefix else first
        named |= {f"{group}-{n:03}" for n in range(start, first + 1)}
        last, upto = first, False
    return named
