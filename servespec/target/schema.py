"""Reads a TOML table into a frozen dataclass whose annotations say what is expected."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

__all__ = [
    "FILE",
    "PORT",
    "SECONDS",
    "TEXT",
    "TEXTS",
    "WORDS",
    "Kind",
    "ManifestError",
    "Where",
    "known",
    "matching",
    "one_of",
    "read",
    "scalars",
]

T = TypeVar("T")
Scalar = bool | int | float | str


class ManifestError(ValueError):
    """One line that names file, section and key, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a target file, for the message about a mistake there."""

    file: Path
    section: str

    def inner(self, name: str) -> "Where":
        """A section within this one."""
        return Where(self.file, f"{self.section}.{name}" if self.section else name)

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the file start from."""
        return self.file.parent

    def mistake(self, name: str, expected: str, found: str) -> ManifestError:
        """The error to raise; `name` is the key, empty for the section itself."""
        place = " ".join(filter(None, (self.section and f"[{self.section}]", name)))
        return ManifestError(f"{self.file}: {place}: expected {expected}, found {found}")

    def table(self, value: object) -> dict[str, Any]:
        """The value, which has to be a table."""
        if not isinstance(value, dict):
            raise self.mistake("", "a table", shown(value))
        return value


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a value may be.

    Attributes:
        expected: completes the sentence "expected ...".
        read: turns the TOML value, given the folder of the file, into what the program uses; a
            ValueError means a mistake, its text replaces what is said to have been found.
    """

    expected: str
    read: Callable[[Any, Path], T]

    def checked(self, value: object, name: str, where: Where) -> T:
        """What the program uses for `value`, found under the key `name`."""
        try:
            return self.read(value, where.folder)
        except ValueError as error:
            raise where.mistake(name, self.expected, str(error) or shown(value)) from None


def read(section: type[T], table: object, where: Where) -> T:
    """The dataclass `section` filled from `table`; its fields are annotated with their kinds.

    A field without a default is a required key. Every mistake is a `ManifestError`.
    """
    hints = get_type_hints(section, include_extras=True)
    expected: dict[str, Kind[Any]] = {name: hint.__metadata__[0] for name, hint in hints.items()}
    given = where.table(table)
    for name in given:
        known(name, expected, where, key=name)
    values = {name: expected[name].checked(value, name, where) for name, value in given.items()}
    for item in fields(section):  # type: ignore[arg-type]  # a dataclass
        required = item.default is MISSING and item.default_factory is MISSING
        if required and item.name not in values:
            raise where.mistake(item.name, expected[item.name].expected, "nothing")
    return section(**values)


def scalars(table: object, where: Where) -> Mapping[str, Any]:
    """A table of plain values, or lists of them, whose keys another part of the suite knows."""
    given = where.table(table)
    return {name: PLAIN.checked(value, name, where) for name, value in given.items()}


def known(name: str, names: Collection[str], where: Where, key: str = "") -> None:
    """Refuses a name that is not in the closed list, with the likely one."""
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
        raise where.mistake(key, "a known name", f"{name!r} ({hint})")


def shown(value: object) -> str:
    """A value in one short line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_of(*names: str) -> Kind[str]:
    """A choice from a closed list."""
    return Kind(f"one of {', '.join(names)}", lambda value, _: _checked(value, value in names))


def _checked(value: Any, valid: bool) -> Any:
    if not valid:
        raise ValueError
    return value


def matching(expected: str, pattern: str) -> Kind[str]:
    """A string of a given form."""
    form = re.compile(pattern)
    return Kind(
        expected,
        lambda value, _: _checked(value, isinstance(value, str) and bool(form.fullmatch(value))),
    )


def _is_scalar(value: object) -> bool:
    return isinstance(value, Scalar)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_plain(value: object) -> bool:
    return _is_scalar(value) or (isinstance(value, list) and all(map(_is_scalar, value)))


def _seconds(value: Any, _: Path) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(_checked(value, number and 0 < value <= 3600))


def _port(value: Any, _: Path) -> int:
    number = isinstance(value, int) and not isinstance(value, bool)
    return int(_checked(value, number and 0 <= value <= 65535))


def _file(value: Any, folder: Path) -> Path:
    path = folder / str(_checked(value, _is_text(value)))
    if not path.is_file():
        raise ValueError(f"no file {shown(str(path))}")
    return path


def _words(value: Any, _: Path) -> tuple[str, ...]:
    valid = isinstance(value, list) and value and all(map(_is_text, value))
    return tuple(_checked(value, bool(valid)))


def _texts(value: Any, _: Path) -> Mapping[str, str]:
    valid = isinstance(value, dict) and all(map(_is_text, value.values()))
    return dict(_checked(value, valid))


PLAIN: Kind[Any] = Kind(
    "a string, a number, true, false, or a list of these",
    lambda value, _: _checked(value, _is_plain(value)),
)
TEXT: Kind[str] = Kind("a string", lambda value, _: _checked(value, _is_text(value)))
TEXTS = Kind('a table of strings such as { x = "INPUT0" }', _texts)
WORDS = Kind('a list of words such as ["server", "--port", "8080"]', _words)
SECONDS = Kind("a number of seconds above 0, at most 3600", _seconds)
PORT = Kind("a port from 1 to 65535, or 0 for a free one", _port)
FILE = Kind("a file, its path relative to this one", _file)
