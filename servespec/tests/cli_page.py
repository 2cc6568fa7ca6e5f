"""The page about the commands, from the parser: python -m servespec.tests.cli_page."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from servespec.cli import _parser

__all__ = ["PAGE", "page", "verbs"]

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"

HEAD = """\
# Commands

Written by `python -m servespec.tests.cli_page`.

| exit code | what it means |
|---|---|
| 0 | every MUST of the judged profiles holds; or the command did what it was asked |
| 1 | a MUST does not hold, or an entry of the baseline is stale; a load test is not a PASS |
| 2 | usage: one line says what was expected |
| 3 | the suite failed, or the target could not be judged |
| 128 and more | 128 and the number of the signal that ended it |
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n{_section(name, verb)}" for name, verb in verbs().items())


def verbs() -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    (subparsers,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(subparsers.choices)


def _section(name: str, verb: argparse.ArgumentParser) -> str:
    words = " ".join(str(a.metavar or a.dest.upper()) for a in verb._get_positional_actions())
    usage = " ".join(filter(None, ["servespec", name, words]))
    rows = "".join(_rows(verb))
    table = f"\n| option | what it says |\n|---|---|\n{rows}" if rows else ""
    says = verb.description or ""
    return f"## `{usage}`\n\n{says[:1].upper()}{says[1:]}.\n{table}"


def _rows(verb: argparse.ArgumentParser) -> Iterator[str]:
    for action in verb._get_optional_actions():
        if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        choices = "{" + ",".join(action.choices) + "}" if action.choices else action.dest.upper()
        value = "" if action.nargs == 0 else f" {action.metavar or choices}"
        yield f"| `{action.option_strings[-1]}{value}` | {_meaning(action)} |\n"


def _meaning(action: argparse.Action) -> str:
    notes = [
        action.help or "",
        "required" if action.required else "",
        f"`{action.default}` when absent" if isinstance(action.default, str | Path) else "",
        "can be repeated" if isinstance(action, argparse._AppendAction) else "",
    ]
    return "; ".join(filter(None, notes))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
