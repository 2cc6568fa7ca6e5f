"""The catalogue: what is asked of a model server, who says so, and in which profile.

The requirements are data, one TOML file a group in `catalogue/`; this module reads them once.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = [
    "CATALOGUE",
    "FOLDER",
    "GROUPS",
    "Basis",
    "Level",
    "Requirement",
    "Source",
    "UnknownRequirement",
    "catalogue_sha256",
    "find",
]

FOLDER = Path(__file__).with_suffix("")


class UnknownRequirement(LookupError):
    """No requirement has this id or slug; the text names the nearest."""


class Level(StrEnum):
    """How much a requirement asks, as in RFC 2119; INFO records a variant and judges nothing."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    INFO = "INFO"


class Basis(StrEnum):
    """Who says so: a certificate never mixes the first two with the third."""

    STATED = "STATED"  # the source uses an obligation word
    DESCRIBED = "DESCRIBED"  # the source only describes it; the level is our reading
    JUDGED = "JUDGED"  # no source asks for it; the level is our judgement


@dataclass(frozen=True, slots=True)
class Source:
    """The document that a requirement comes from, and where in it; section may be empty."""

    title: str
    link: str
    section: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One normative sentence.

    Attributes:
        id: its name for ever: never reused, never renumbered.
        slug: its readable alias.
        profile: the one profile that it belongs to.
        text: the sentence in our own words; a ruling is its end.
        feature: a theme within the profile, to group and select by; empty if none.
        ruling: how the sentence is read where its source is ambiguous or nothing is to be seen.
        ambiguities: the entries of `docs/decisions/0003-rulings.md` that it rests on.
        waiver: why no check judges it, now or for ever.
    """

    id: str
    slug: str
    level: Level
    basis: Basis
    profile: str
    text: str
    source: Source
    feature: str = ""
    ruling: str = ""
    ambiguities: tuple[str, ...] = ()
    waiver: str | None = None

    @property
    def group(self) -> str:
        """The id without its number."""
        return self.id.rpartition("-")[0]


def find(name: str) -> Requirement:
    """The requirement of this id or slug.

    Raises:
        UnknownRequirement: there is none; the text names the nearest.
    """
    row = CATALOGUE.get(name) or _BY_SLUG.get(name)
    if row is None:
        near = get_close_matches(name, [*CATALOGUE, *_BY_SLUG], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownRequirement(f"no requirement is called {name!r}{hint}")
    return row


def catalogue_sha256() -> str:
    """The hash that names this state of the catalogue in a report."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.toml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _load() -> Mapping[str, Requirement]:
    sources = _read("sources")
    rows = {id: row for group in GROUPS for id, row in _read(group.lower()).items()}
    return MappingProxyType({id: _requirement(id, row, sources) for id, row in rows.items()})


def _requirement(id: str, row: dict[str, Any], sources: dict[str, Any]) -> Requirement:
    place = row["source"]
    ruling = row.get("ruling", "")
    fields = {
        **row,
        "level": Level(row["level"]),
        "basis": Basis(row["basis"]),
        "text": f"{row['text']} {ruling}".rstrip(),
        "source": Source(**sources[place["document"]], section=place.get("section", "")),
        "ambiguities": tuple(row.get("ambiguities", ())),
    }
    return Requirement(id=id, **fields)


GROUPS: Mapping[str, str] = MappingProxyType(_read("groups"))
"""The title of each group, in reading order."""

CATALOGUE: Mapping[str, Requirement] = _load()
"""Every requirement by id, in reading order."""

_BY_SLUG = {row.slug: row for row in CATALOGUE.values()}
