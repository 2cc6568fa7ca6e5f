"""The reference server's switch for deliberate misbehaviour: how a check is seen to fail."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import httpx

__all__ = ["DefectSwitch"]


class DefectSwitch:
    """Talks to the switch that `python -m reference_server --defects-port N` opens."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/defects"

    @cached_property
    def breaks(self) -> Mapping[str, Sequence[str]]:
        """What each defect breaks: requirement ids, or `id/name` for one of several checks."""
        known = httpx.get(self._url, timeout=5.0, trust_env=False).raise_for_status().json()
        return {name: defect["breaks"] for name, defect in known.items()}

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
