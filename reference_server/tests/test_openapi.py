"""The OpenAPI file says what the REST door does: its routes, and the form of its answers."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ..rest import find_route
from .serving import Served, tensor

DOCS = Path(__file__).parents[2] / "docs/reference"
API: Mapping[str, Any] = json.loads((DOCS / "openapi.json").read_text())
VALUES = {"model": "echo", "version": "1"}
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
READ = [path for path, item in API["paths"].items() if "get" in item and path != "/metrics"]


def _methods(path: str) -> set[str]:
    return {method.upper() for method in METHODS if method in API["paths"][path]}


def _in_the_page() -> Iterator[str]:
    """The routes of the page about the server, one by one."""
    table = (DOCS / "server.md").read_text().partition("## Routes")[2].partition("OPTIONS")[0]
    for cell in re.findall(r"^\| (`/.*?) \|", table, re.MULTILINE):
        for route in re.findall(r"`([^`]+)`", cell):
            short, optional, end = re.fullmatch(r"([^\[]*)(?:\[(.*)\])?(.*)", route).groups()  # type: ignore[union-attr]
            yield from {short + end, short + (optional or "") + end}


def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **API})


def _said(path: str, method: str, status: str) -> str:
    """The name of the schema of an answer."""
    answer = API["paths"][path][method]["responses"][status]
    if "$ref" in answer:
        answer = API["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return str(answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2])


def test_the_file_and_the_page_have_the_same_routes() -> None:
    assert set(API["paths"]) == set(_in_the_page())


@pytest.mark.parametrize("path", API["paths"])
def test_a_route_of_the_file_is_served_with_its_methods(path: str) -> None:
    route = find_route(path.format_map(VALUES))
    assert route is not None
    assert set(route.methods) == _methods(path)


@pytest.mark.parametrize("path", API["paths"])
def test_a_path_has_the_parameters_that_it_names(path: str) -> None:
    named = [one["$ref"].rpartition("/")[2] for one in API["paths"][path].get("parameters", [])]
    assert named == re.findall(r"\{(\w+)\}", path)


@pytest.mark.parametrize("schema", API["components"]["schemas"])
def test_a_schema_is_one(schema: str) -> None:
    Draft202012Validator.check_schema(API["components"]["schemas"][schema])


@pytest.mark.parametrize("path", READ)
def test_an_answer_has_the_form_that_is_told(path: str, served: Served) -> None:
    answer = served.rest.get(path.format_map(VALUES))
    _validator(_said(path, "get", str(answer.status_code))).validate(answer.json())


def test_an_inference_has_the_form_that_is_told(served: Served) -> None:
    sent = {"inputs": [tensor("x", [1, 1], [1.0])]}
    _validator("InferRequest").validate(sent)
    answer = served.infer("echo", *sent["inputs"])
    said = _said("/v2/models/{model}/infer", "post", str(answer.status_code))
    _validator(said).validate(answer.json())


def test_a_refusal_has_the_form_that_is_told(served: Served) -> None:
    _validator(_said("/v2/models/{model}", "get", "4XX")).validate(served.infer("none").json())
