"""Plain JSON by a template: the requests of a server that speaks a language of its own.

A TOML file says what to send and what counts as an answer:

    path = "/predict"
    body = '{"id": {id}, "instances": {rows}}'

    [answer]
    status = 200
    pointer = "/predictions/0"
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from servespec.target.schema import TEXT, TEXTS, Kind, ManifestError, Where, matching, one_of, read
from servespec.wire.messages import InferRequest

from .dialects import HttpRequest, is_success
from .plan import Plan, PlanError
from .workloads import workload_of

__all__ = ["Asked", "Expected", "Template", "read_template", "template_of"]

_PLACEHOLDER = re.compile(r"\{(\w+)(?::([^{}\"\s]+))?\}")
_KNOWN = "{id}, {model}, {row}, {rows}, {row:INPUT} or {rows:INPUT}"
_OURS = {"host", "connection", "content-length", "transfer-encoding", "x-request-id"}


def _statuses(value: Any, _: Path) -> tuple[int, ...]:
    given = value if isinstance(value, list) else [value]
    if not given or not all(type(each) is int and 100 <= each <= 599 for each in given):
        raise ValueError
    return tuple(given)


def _fields(value: Any, folder: Path) -> Mapping[str, str]:
    fields = TEXTS.read(value, folder)
    for name, text in fields.items():
        if name.lower() in _OURS:
            raise ValueError(f"{name}, which the generator writes itself")
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name) or re.search(r"[\r\n\0]", text):
            raise ValueError
    return fields


METHOD = one_of("POST", "PUT", "PATCH", "GET")
PATH = matching('a path such as "/predict"', r"/[^\s#]*")
FIELDS = Kind('header fields such as { Accept = "application/json" }', _fields)
STATUSES = Kind("a status such as 200, or a list of them", _statuses)
POINTER = matching('a JSON Pointer such as "/predictions/0"', r"(/([^/~]|~[01])*)*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is sent; `path` and `body` may hold placeholders."""

    path: Annotated[str, PATH]
    method: Annotated[str, METHOD] = "POST"
    headers: Annotated[Mapping[str, str], FIELDS] = field(default_factory=dict)
    body: Annotated[str, TEXT] = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """`[answer]`: its status, any success where none is given, and a value that its JSON holds."""

    status: Annotated[tuple[int, ...], STATUSES] = ()
    pointer: Annotated[str, POINTER] = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A dialect that a file describes."""

    asked: Asked
    answer: Expected = field(default_factory=Expected)

    def encode(self, request: InferRequest, number: int) -> HttpRequest:
        """Fill the template in.

        Raises:
            PlanError: it has a placeholder that nothing stands for, or does not make JSON.
        """
        asked, names = self.asked, {name.lower() for name in self.asked.headers}
        fields = dict(asked.headers)
        if asked.body and "content-type" not in names:
            fields["Content-Type"] = "application/json"
        body = _filled("body", asked.body, partial(_in_json, request, number))
        if _is_json(fields):
            _must_be_json(body)
        path = _filled("path", asked.path, partial(_in_a_path, request, number))
        return HttpRequest(asked.method, path, fields, body.encode())

    def is_answer(self, status: int, body: bytes) -> bool:
        """Whether it is what the file says of an answer."""
        expected = self.answer
        if not (status in expected.status if expected.status else is_success(status)):
            return False
        return not expected.pointer or _points_at_something(expected.pointer, body)

    def lenient(self) -> "Template":
        """The same requests, with any success as an answer."""
        return replace(self, answer=Expected())


def template_of(plan: Plan) -> Template | None:
    """The template that a plan asks for, tried on all its questions; None on the other planes.

    Raises:
        PlanError: there is none where there has to be one, or it does not fit the workload.
        ManifestError: there is a mistake in its file.
    """
    if plan.plane != "json" and not plan.template:
        return None
    if plan.plane != "json":
        raise PlanError(f"template: expected plane json beside it, found {plan.plane}")
    if not plan.template:
        raise PlanError("template: expected a file, as the plane is json, found none")
    template = read_template(Path(plan.template))
    try:
        for number, question in enumerate(workload_of(plan.workload, plan.seed).questions):
            template.encode(question.request, number)
    except PlanError as error:
        raise PlanError(f"{plan.template}: {error}") from None
    return template


def read_template(path: Path) -> Template:
    """Read the file.

    Raises:
        ManifestError: one line says what of it is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path}: expected a template, found {error.strerror}") from None
    except ValueError as error:  # no TOML, or not UTF-8
        raise ManifestError(f"{path}: expected valid TOML, found: {error}") from None
    where = Where(path, "")
    answer = read(Expected, document.pop("answer", {}), where.inner("answer"))
    return Template(read(Asked, document, where), answer)


def _filled(key: str, text: str, value: Callable[[str, str], str | None]) -> str:
    """The text with what its placeholders stand for; other braces are JSON's and stay."""

    def fill(match: re.Match[str]) -> str:
        found = value(match[1], match[2] or "")
        if found is None:
            raise PlanError(f"{key}: expected {_KNOWN}, found {match[0]}")
        return found

    return _PLACEHOLDER.sub(fill, text)


def _in_json(request: InferRequest, number: int, name: str, tensor: str) -> str | None:
    """What a placeholder of a body stands for; None: nothing."""
    if name in ("row", "rows"):
        return _rows(request, tensor, name == "row")
    plain = {"id": str(number), "model": json.dumps(request.model_name)}
    return None if tensor else plain.get(name)


def _rows(request: InferRequest, name: str, first: bool) -> str | None:
    """The rows of an input as JSON: of the first one where no name is given."""
    arrays = [each.array for each in request.inputs if name in ("", each.name)]
    if not arrays:
        return None
    rows = arrays[0].tolist()
    return json.dumps(rows[0] if first else rows, separators=(",", ":"))


def _in_a_path(request: InferRequest, number: int, name: str, tensor: str) -> str | None:
    plain = {"id": str(number), "model": quote(request.model_name, safe="")}
    return None if tensor else plain.get(name)


def _is_json(fields: Mapping[str, str]) -> bool:
    return any("json" in text for name, text in fields.items() if name.lower() == "content-type")


def _must_be_json(body: str) -> None:
    try:
        json.loads(body)
    except ValueError as error:
        raise PlanError(f"body: expected JSON once it is filled in, found {error}") from None


def _points_at_something(pointer: str, body: bytes) -> bool:
    """Whether the document has a value there (RFC 6901)."""
    try:
        value = json.loads(body)
        for token in pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            value = value[int(key) if isinstance(value, list) and key.isdecimal() else key]
    except (ValueError, LookupError, TypeError):
        return False
    return True
