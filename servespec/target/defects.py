"""The reference server's switch for deliberate misbehaviour: how a check is seen to fail.

`python -m servespec.target.defects URL [--off] NAME ...` switches some on or off.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import httpx

__all__ = ["DefectSwitch"]


class DefectSwitch:
    """Talks to the switch that `python -m reference_server --defects-port N` opens."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/defects"

    @cached_property
    def breaks(self) -> Mapping[str, Sequence[str]]:
        """What each defect breaks: requirement ids, or `id/name` for one of several checks."""
        return {name: defect["breaks"] for name, defect in self._listing().items()}

    @property
    def active(self) -> Sequence[str]:
        """The defects that are on."""
        return [name for name, defect in self._listing().items() if defect["active"]]

    def _listing(self) -> Mapping[str, Any]:
        answer = httpx.get(self._url, timeout=5.0, trust_env=False).raise_for_status()
        listing: Mapping[str, Any] = answer.json()
        return listing

    def breaking(self, check: str, requirement: str) -> str:
        """The first defect that this check must catch.

        Raises:
            LookupError: there is none, so nothing shows that the check can fail.
        """
        for name, broken in self.breaks.items():
            if {check, requirement} & set(broken):
                return name
        raise LookupError(f"no defect breaks {check}")

    def set(self, *names: str) -> None:
        """Switches exactly these defects on; none: the server behaves."""
        answer = httpx.put(self._url, json=list(names), timeout=5.0, trust_env=False)
        answer.raise_for_status()


def main(arguments: Sequence[str] | None = None) -> int:
    """Switches the named defects on, or off, and leaves the others as they are."""
    parser = argparse.ArgumentParser("servespec.target.defects", description=main.__doc__)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--off", action="store_true", help="switch them off")
    given = parser.parse_args(arguments)
    switch = DefectSwitch(given.url)
    others = [name for name in switch.active if name not in given.names]
    try:
        switch.set(*others, *(() if given.off else given.names))
    except httpx.HTTPStatusError as error:
        parser.exit(1, f"{error.response.text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
