"""A server that speaks plain JSON is asked as a file says, and judged by what the file expects."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from servespec.target.manifest import ManifestError
from servespec.wire.messages import InferRequest, Tensor

from ..sending.plan import Plan, PlanError
from ..sending.records import Fate
from ..sending.template import Asked, Expected, Template, read_template, template_of
from ..sending.workloads import workload_of
from .driving import drive
from .loading import load
from .predicting import predicting

ROWS = np.array([[1.0, 2.5], [3.0, 4.0]], np.float32)
REQUEST = InferRequest("a b", (Tensor("x", "FP32", ROWS), Tensor("n", "INT64", np.array([[7]]))))
TEMPLATE = """
path = "/predict?id={id}"
headers = { X-Tenant = "blue" }
body = '{"id": {id}, "instances": {rows}, "nested": {"a": 1}}'

[answer]
status = [200, 201]
pointer = "/predictions/0/score"
"""
MISTAKES = {
    "path = 1": 'path: expected a path such as "/predict", found 1',
    "body = ''": "path: expected a path",
    "path = '/p'\nbodies = ''": "bodies: expected a known name, found 'bodies' (did you mean",
    "path = '/p'\nmethod = 'BREW'": "method: expected one of POST, PUT, PATCH, GET, found 'BREW'",
    "path = '/p'\nheaders = {Content-Length = '3'}": "Content-Length, which the generator writes",
    'path = "/p"\nheaders = {A = "b\\r\\nC: d"}': "headers: expected header fields such as",
    "path = '/p'\n[answer]\nstatus = 'ok'": "[answer] status: expected a status such as 200",
    "path = '/p'\n[answer]\npointer = 'a/b'": "[answer] pointer: expected a JSON Pointer such as",
    "path = ": "expected valid TOML, found: ",
    "path = '/p'\nbody = '{\"x\": {rowz}}'": "body: expected {id}, {model}, {row}, {rows},",
    "path = '/p'\nbody = '{\"x\": {rows:z}}'": "found {rows:z}",
    "path = '/p/{rows}'": "path: expected {id}, {model}, {row}, {rows},",
    "path = '/p'\nbody = '{\"x\": {rows}'": "body: expected JSON once it is filled in, found",
}


def written(folder: Path, text: str = TEMPLATE) -> Path:
    file = folder / "template.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"a": {rows}}', b'{"a": [[1.0,2.5],[3.0,4.0]]}'),
        ('{"a": {row}, "b": {"c": {id}}}', b'{"a": [1.0,2.5], "b": {"c": 5}}'),
        ('{"a": {rows:n}, "m": {model}}', b'{"a": [[7]], "m": "a b"}'),
        ("{row:n}", b"[7]"),
        ("", b""),
    ],
)
def test_placeholders_are_filled_and_other_braces_stay(body: str, expected: bytes) -> None:
    asked = Template(Asked("/{model}/{id}", body=body)).encode(REQUEST, 5)

    assert (asked.path, asked.body) == ("/a%20b/5", expected)


def test_what_is_no_json_by_its_own_header_may_be_anything() -> None:
    asked = Template(Asked("/", headers={"content-type": "text/csv"}, body="a,{id}"))

    assert asked.encode(REQUEST, 5).fields == {"content-type": "text/csv"}


@pytest.mark.parametrize(
    ("expected", "status", "body", "right"),
    [
        (Expected(), 204, b"", True),
        (Expected(), 301, b"", False),
        (Expected((200, 404)), 404, b"", True),
        (Expected((200,)), 201, b"", False),
        (Expected(pointer="/a/1/b~1c"), 200, b'{"a": [0, {"b/c": null}]}', True),
        (Expected(pointer="/a/1"), 200, b'{"a": [0]}', False),
        (Expected(pointer="/a/-1"), 200, b'{"a": [0]}', False),
        (Expected(pointer="/a/b"), 200, b'{"a": "b"}', False),
        (Expected(pointer="/a"), 200, b"<html>", False),
        (Expected((200,), "/a"), 500, b'{"a": 1}', False),
    ],
)
def test_an_answer_is_what_the_file_expects(
    expected: Expected, status: int, body: bytes, right: bool
) -> None:
    assert Template(Asked("/"), expected).is_answer(status, body) is right


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_template_is_one_line_that_names_the_file(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises((ManifestError, PlanError)) as told:
        template_of(Plan(plane="json", template=str(file)))

    assert MISTAKES[text] in str(told.value)
    assert str(told.value).startswith(str(file))
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("plan", [Plan(plane="json"), Plan(template="a"), Plan(plane="rest")])
def test_a_template_goes_with_the_plane_json_alone(plan: Plan) -> None:
    if plan == Plan():
        assert template_of(plan) is None
    else:
        with pytest.raises(PlanError, match="template: expected "):
            template_of(plan)


def test_another_template_makes_another_fingerprint(tmp_path: Path) -> None:
    plan = Plan(plane="json", template=str(written(tmp_path)))
    before = plan.fingerprint(plan.offsets())

    written(tmp_path, TEMPLATE + "# changed\n")

    assert plan.fingerprint(plan.offsets()) != before


def test_live_the_bodies_arrive_and_a_success_without_the_value_is_none(tmp_path: Path) -> None:
    file = written(tmp_path)
    rows = [each.request.inputs[0].array.tolist() for each in workload_of("identity", 1).questions]
    with predicting() as server:
        server.silent = {1}
        driven = drive(server.url, np.arange(40) / 100, plane="json", template=file)
    fates = driven.records.fate.tolist()

    assert {path for path, _, _ in server.asked} == {"/predict?id=0", "/predict?id=1"}
    assert fates.count(Fate.ANSWERED) == 20
    assert fates.count(Fate.FAILED) == 20
    for _, head, document in server.asked:
        assert head["X-Tenant"] == "blue"
        assert document["instances"] == rows[document["id"]]


def test_live_a_load_test_of_such_a_server_passes(tmp_path: Path) -> None:
    with predicting() as server:
        words = [f"--target-url={server.url}", "--plane=json", f"--template={written(tmp_path)}"]
        ended = load(tmp_path, *words, "--profile=smoke", "--seconds=1", "--slo=p50 < 1s")

    assert (ended.code, ended.report["verdict"]) == (0, "PASS"), ended.text
    assert ended.report["summary"]["fates"] == {"answered": 20}
    assert len(server.asked) == 20
    assert "over json" in ended.text


def test_live_a_bad_template_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    file = written(tmp_path, "path = 'predict'")
    words = ["--target-url=http://127.0.0.1:1", "--plane=json", f"--template={file}"]
    command = [sys.executable, "-m", "servespec", "load", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith(f"servespec: load: {file}: path: expected a path such as")
    assert len(done.stderr.splitlines()) == 1


def test_a_template_is_read_whole(tmp_path: Path) -> None:
    template = read_template(written(tmp_path))

    assert template.answer == Expected((200, 201), "/predictions/0/score")
    assert template.lenient() == Template(template.asked)
