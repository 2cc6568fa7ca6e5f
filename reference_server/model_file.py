"""`model.toml`, beside the versions of a model: how it is served, where that is not as it comes."""

import contextlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from .errors import LoadError
from .routes import Routes, Sticky, mistake

__all__ = [
    "Batching",
    "Cache",
    "Label",
    "ModelFile",
    "Padding",
    "Queueing",
    "Steps",
    "Versions",
    "chosen_versions",
    "read_model_file",
]

NAME = "model.toml"
Label = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z")]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Function = Annotated[str, Meta(pattern=r"^[^/\\:]+\.py:[^\W\d]\w*$")]


class Padding(Struct, frozen=True, forbid_unknown_fields=True):
    """How works of different lengths come into one batch.

    Attributes:
        axis: along which they differ.
        values: the inputs that are padded, and with what.
        outputs: those that are cut back to the length of the caller's own inputs.
        buckets: lengths up to the same bucket run together; beyond the last one only equal ones.
    """

    axis: Count
    values: Annotated[dict[str, int | float], Meta(min_length=1)]
    buckets: Annotated[tuple[Count, ...], Meta(min_length=1)]
    outputs: tuple[str, ...] = ()


class Batching(Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is batched that computes each row by itself.

    Attributes:
        max_rows: of a batch; work with more runs in parts.
        max_delay_ms: how long a free engine holds work back for company.
        preferred_rows: sizes at which a batch is not held back any longer.
    """

    max_rows: Count
    max_delay_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    preferred_rows: tuple[Count, ...] = ()
    padding: Padding | None = None


class Steps(Struct, frozen=True, forbid_unknown_fields=True):
    """Python functions around the model, each as `file.py:function`; empty: none."""

    preprocess: Function | None = None
    postprocess: Function | None = None


class Queueing(Struct, frozen=True, forbid_unknown_fields=True):
    """How works wait for the engine.

    Attributes:
        max_size: how many may; None: what the server's flag says.
        timeout_ms: how long they may; None: as long as it takes.
        priority_levels: how many classes of work there are; 1: priorities are ignored.
        default_priority: of work that names none, from 1, which is served first; 0: the middle.
    """

    max_size: Count | None = None
    timeout_ms: Annotated[float, Meta(gt=0, le=3_600_000)] | None = None
    priority_levels: Annotated[int, Meta(ge=1, le=1000)] = 1
    default_priority: Annotated[int, Meta(ge=0)] = 0

    @property
    def usual_priority(self) -> int:
        """The priority of work that names none."""
        return self.default_priority or (self.priority_levels + 1) // 2


class Cache(Struct, frozen=True, forbid_unknown_fields=True):
    """How long answers are kept, for who asks the same again."""

    ttl_seconds: Annotated[float, Meta(gt=0, le=31_536_000)] = 300.0


class Versions(Struct, frozen=True, forbid_unknown_fields=True):
    """Which versions are served of those on disk; empty: all."""

    latest: Count | None = None
    specific: Annotated[tuple[Label, ...], Meta(min_length=1)] | None = None

    def chosen(self, labels: Sequence[str]) -> Sequence[str]:
        """Return those to serve; `labels` has the oldest first.

        Those that are named are to be served wherever they are.
        """
        if self.specific is not None:
            return self.specific
        return labels if self.latest is None else labels[-self.latest :]


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """All of `model.toml`.

    Attributes:
        batching: None: the model is not batched.
        steps: around the engine.
        deterministic: whether the same request has one right answer only.
        coalesce: whether identical work that is asked for at the same time runs once; None: where
            answers are kept.
        cache: None: no answer is kept.
        queue: before the engine.
        versions: of those on disk.
        routes: which version serves, until something else is set at run time.
    """

    batching: Batching | None = None
    steps: Steps = Steps()
    deterministic: bool = True
    coalesce: bool | None = None
    cache: Cache | None = None
    queue: Queueing = Queueing()
    versions: Versions = Versions()
    routes: Routes = Routes()

    @property
    def coalesces(self) -> bool:
        """Whether identical work that is asked for at the same time runs once."""
        return self.cache is not None if self.coalesce is None else self.coalesce


_TABLES: Mapping[str, type[Struct]] = {
    "$": ModelFile,
    "$.batching": Batching,
    "$.batching.padding": Padding,
    "$.steps": Steps,
    "$.cache": Cache,
    "$.queue": Queueing,
    "$.versions": Versions,
    "$.routes": Routes,
    "$.routes.sticky": Sticky,
}
_COMPLAINT = re.compile(r"(?P<text>.*?)(?: - at `(?P<place>[^`]*)`)?")


def read_model_file(folder: Path) -> ModelFile:
    """Read a model's `model.toml`; one that is not there says nothing.

    Raises:
        LoadError: it is no TOML, or holds what is not expected.
    """
    path = folder / NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(content, ModelFile)
    except FileNotFoundError:
        return ModelFile()
    except msgspec.ValidationError as error:
        raise LoadError(f"{path}: {_complaint(str(error))}") from error
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: expected a TOML file: {error}") from error
    _check_sizes(path, found.batching)
    _check_deterministic(path, found)
    _check_priorities(path, found.queue)
    if found.versions.latest is not None and found.versions.specific is not None:
        raise LoadError(f"{path}: versions: expected either latest or specific")
    if wrong := mistake(found.routes):
        raise LoadError(f"{path}: routes.{wrong}")
    return found


def chosen_versions(folder: Path, labels: Sequence[str]) -> Sequence[str]:
    """Return those that a model's file chooses; all, where loading will complain of the file."""
    with contextlib.suppress(LoadError):
        return read_model_file(folder).versions.chosen(labels)
    return labels


def _check_sizes(path: Path, batching: Batching | None) -> None:
    if batching is None:
        return
    if any(rows > batching.max_rows for rows in batching.preferred_rows):
        expected = f"expected sizes up to max_rows, which is {batching.max_rows}"
        raise LoadError(f"{path}: batching.preferred_rows: {expected}")
    buckets = batching.padding.buckets if batching.padding else ()
    if list(buckets) != sorted(set(buckets)):
        raise LoadError(f"{path}: batching.padding.buckets: expected rising lengths")


def _check_priorities(path: Path, queue: Queueing) -> None:
    if queue.default_priority > queue.priority_levels:
        expected = f"expected one up to priority_levels, which is {queue.priority_levels}"
        raise LoadError(f"{path}: queue.default_priority: {expected}")


def _check_deterministic(path: Path, found: ModelFile) -> None:
    if not found.deterministic and (found.cache is not None or found.coalesces):
        key = "coalesce" if found.cache is None else "cache"
        raise LoadError(f"{path}: {key}: expected a model that is deterministic")


def _complaint(text: str) -> str:
    """Name the key first, and the keys that there are where one is unknown."""
    match = _COMPLAINT.fullmatch(text)
    place = (match and match["place"]) or "$"
    said = match["text"] if match else text
    if "unknown field" in said:
        said += f"; expected {', '.join(_fields(_TABLES[place]))}"
    key = place.removeprefix("$").removeprefix(".")
    return f"{key}: {said}" if key else said


def _fields(table: type[Struct]) -> list[str]:
    fields: tuple[Any, ...] = structs.fields(table)
    return [field.name for field in fields]
