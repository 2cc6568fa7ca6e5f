"""The text format of Prometheus (0.0.4, 1.0.0), read line by line as its specification has it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

__all__ = ["Page", "Sample", "Series", "read"]

Series = tuple[str, frozenset[tuple[str, str]]]
"""The name of a sample and its labels."""

_BLANK = r"[ \t]"
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*[ \t]*=[ \t]*"(?:[^"\\]|\\["\\n])*"'
_LABELS = rf"{_BLANK}*(?:{_LABEL}{_BLANK}*(?:,{_BLANK}*{_LABEL}{_BLANK}*)*,?{_BLANK}*)?"
_NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?|nan))"
_SAMPLE = re.compile(
    rf"{_BLANK}*({_NAME}){_BLANK}*(?:\{{({_LABELS})\}}{_BLANK}*|(?<={_BLANK}))"
    rf"({_NUMBER})(?:{_BLANK}+-?\d+)?{_BLANK}*"
)
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"')
_ANNOUNCES = re.compile(rf"{_BLANK}*#{_BLANK}+(?:TYPE|HELP)(?:{_BLANK}|$)")
_TYPE = re.compile(
    rf"{_BLANK}*#{_BLANK}+TYPE{_BLANK}+({_NAME}){_BLANK}+"
    rf"(counter|gauge|histogram|summary|untyped){_BLANK}*"
)
_HELP = re.compile(rf"{_BLANK}*#{_BLANK}+HELP{_BLANK}+({_NAME})(?:{_BLANK}(?:[^\\]|\\[\\n])*)?")
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}
_PARTS: Mapping[str, Sequence[str]] = {
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Sample:
    """One line with a value.

    Attributes:
        line: its number, from 1.
    """

    name: str
    labels: frozenset[tuple[str, str]]
    value: float
    line: int

    @property
    def series(self) -> Series:
        """What no other sample of the page may be."""
        return self.name, self.labels

    def label(self, name: str) -> str:
        """The value of a label; empty where there is none."""
        return dict(self.labels).get(name, "")

    def without(self, label: str) -> Series:
        """The series but for one of its labels."""
        return self.name, frozenset(pair for pair in self.labels if pair[0] != label)

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{value}"' for name, value in sorted(self.labels))
        return f"{self.name}{{{labels}}}" if labels else self.name


@dataclass(frozen=True, slots=True)
class _Announcement:
    """A line with the type of a family, or with its help."""

    keyword: str
    family: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """What was scraped.

    Attributes:
        text: all of it.
        samples: in their order; a line that cannot be read is none.
        types: of the families that say theirs.
        malformed: a sentence for each line that cannot be read.
    """

    text: str
    samples: tuple[Sample, ...]
    types: Mapping[str, str]
    malformed: tuple[str, ...]
    announced: tuple[_Announcement, ...]

    def family(self, sample: Sample) -> str:
        """The metric that a sample is a part of."""
        for suffix in ("_bucket", "_sum", "_count"):
            base = sample.name.removesuffix(suffix)
            if base != sample.name and suffix in _PARTS.get(self.types.get(base, ""), ()):
                return base
        return sample.name

    def of(self, *names: str) -> list[Sample]:
        """The samples of these names."""
        return [sample for sample in self.samples if sample.name in names]

    def misplaced(self) -> Iterator[str]:
        """A sentence for each family whose lines are not as and where they have to be."""
        if self.text and not self.text.endswith("\n"):
            yield "the last line does not end with a line feed"
        lines = [
            *((one.line, one.family, one.keyword) for one in self.announced),
            *((one.line, self.family(one), "") for one in self.samples),
        ]
        groups: dict[str, list[list[str]]] = {}
        for family, group in groupby(sorted(lines), key=itemgetter(1)):
            groups.setdefault(family, []).append([keyword for _, _, keyword in group])
        for family, parts in groups.items():
            if len(parts) > 1:
                yield f"the lines of {family} do not stand together"
            yield from _disordered(family, [keyword for part in parts for keyword in part])


def _disordered(family: str, keywords: Sequence[str]) -> Iterator[str]:
    """What is wrong with the order of a family's lines; a sample has no keyword."""
    for keyword in ("TYPE", "HELP"):
        if keywords.count(keyword) > 1:
            yield f"{family} has {keywords.count(keyword)} {keyword} lines"
        if "" in keywords and keyword in keywords[keywords.index("") :]:
            yield f"the {keyword} line of {family} comes after a sample of it"


def read(text: str, names: Sequence[str] = ()) -> Page:
    """Read a page; whatever its mistakes, the rest of it is read.

    Given `names`, of the samples only those that begin so: a page may have ten thousand others.
    """
    wanted = ("#", *names)
    samples: list[Sample] = []
    types: dict[str, str] = {}
    announced: list[_Announcement] = []
    malformed: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if names and not line.lstrip(" \t").startswith(wanted):
            continue
        if match := _SAMPLE.fullmatch(line):
            samples.append(Sample(match[1], _labels(match[2]), float(match[3]), number))
        elif match := _TYPE.fullmatch(line):
            types.setdefault(match[1], match[2])
            announced.append(_Announcement("TYPE", match[1], number))
        elif match := _HELP.fullmatch(line):
            announced.append(_Announcement("HELP", match[1], number))
        elif line.strip(" \t") and (_ANNOUNCES.match(line) or line.lstrip(" \t")[0] != "#"):
            malformed.append(f"line {number} cannot be read: {line[:_SHOWN]!r}")
    return Page(text, tuple(samples), types, tuple(malformed), tuple(announced))


def _labels(text: str | None) -> frozenset[tuple[str, str]]:
    if not text:
        return frozenset()
    pairs = _PAIR.findall(text)
    if "\\" in text:
        pairs = [
            (name, re.sub(r"\\.", lambda found: _ESCAPES[found[0]], value)) for name, value in pairs
        ]
    return frozenset(pairs)
