"""What the documentation names is there: files, commands, options, claims."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cli_page import PAGE, page, verbs

ROOT = Path(__file__).parents[2]
FILES = ["README.md", "CHANGELOG.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/*.md"]
PAGES = [file for pattern in FILES for file in sorted(ROOT.glob(pattern))]
SUITES = (ROOT / "conformance", ROOT / "loadtests/checks")
CHECKS = [file for suite in SUITES for file in suite.rglob("*.py") if "tests" not in file.parts]
FOREIGN = {"--pyargs", "--exit-timeout-secs", "--http-restricted-api", "--model-control-mode"}
"""Options of pytest and of Triton."""

pages = pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))


@pages
def test_links_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text())
    relative = [link for link in links if "://" not in link]

    assert [link for link in relative if not (file.parent / link).exists()] == []


@pages
def test_the_options_that_are_named_exist(file: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", _without_toml(file.read_text())))

    assert named - _declared() - FOREIGN == set()


@pages
def test_the_commands_that_are_named_exist(file: Path) -> None:
    text = _without_toml(file.read_text())
    for command in re.findall(r"(?:^\$ |`|-m )servespec ([a-z][^`\n]*)", text, re.MULTILINE):
        verb, *words = shlex.split(command, comments=True)
        assert verb in verbs(), f"servespec {verb}"
        known = verbs()[verb]._option_string_actions
        if verbs()[verb].prefix_chars != "\0":  # which passes on what another parser declares
            assert [word for word in words if word.startswith("--") and word not in known] == []


def test_the_page_about_the_commands_is_current() -> None:
    assert PAGE.read_text() == page()


def test_every_claim_that_a_check_reads_is_documented_and_no_other() -> None:
    assert sorted(_documented()) == sorted(_read())


def _without_toml(text: str) -> str:
    return re.sub(r"^```toml$.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _declared() -> set[str]:
    """Every option that a parser of ours declares."""
    ours = ("servespec", "reference_server", "loadtests", "benchmarks")
    folders = (*ours, "conformance/tests", "conformance/fuzzing")
    files = [file for name in folders for file in (ROOT / name).rglob("*.py")]
    declared = r"\w\(\s*\"(--[a-z-]+)\""
    return {option for file in files for option in re.findall(declared, file.read_text())}


def _documented() -> Iterator[tuple[str, str]]:
    """Profile and key of each row of the table; an empty cell repeats the profile above it."""
    text = (ROOT / "docs/reference/target-file.md").read_text().partition("## `[claims.")[2]
    profile = ""
    for above, key in re.findall(r"^\| (?:`([\w-]+)` )?\| `(\w+)` \|", text, re.MULTILINE):
        profile = above or profile
        yield profile, key


def _read() -> set[tuple[str, str]]:
    """Profile and key of each call `target.claim(profile, key)`, also where a helper makes it."""
    trees = [ast.parse(file.read_text()) for file in CHECKS]
    functions = [n for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)]
    found = set()
    for function in functions:
        for profile, key in _calls(function, "claim"):
            keys = [key]
            if isinstance(key, ast.Name):  # a parameter: what the helper is called with
                place = [argument.arg for argument in function.args.args].index(key.id)
                keys = [a[place] for tree in trees for a in _calls(tree, function.name)]
            found |= {(_text(profile), _text(each)) for each in keys}
    return found


def _calls(tree: ast.AST, name: str) -> Iterator[list[ast.expr]]:
    """The arguments of each call of `name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            if called == name:
                yield node.args[:2] if name == "claim" else node.args


def _text(expression: ast.expr) -> str:
    assert isinstance(expression, ast.Constant), ast.unparse(expression)
    return str(expression.value)
