"""The interface of all routers."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["Router", "RouterError", "shares"]


class RouterError(Exception):
    """The router does not do what it was asked, and still does what it did before."""


class Router(Protocol):
    """Spreads the requests to one model over its versions."""

    def versions(self) -> Sequence[str]:
        """Return the versions that can be given a share, the oldest first.

        Raises:
            RouterError: the router cannot be asked.
        """

    def get(self) -> Mapping[str, float]:
        """Return the share of each version, which come to 1.

        Raises:
            RouterError: the router cannot be asked.
        """

    def set(self, weights: Mapping[str, float]) -> None:
        """Give each version its share: weights are relative, a version without one has 0.

        In force for every connection that is opened after it returns, and no request fails of it.

        Raises:
            RouterError: nothing has changed.
        """


def shares(weights: Mapping[str, float], versions: Sequence[str]) -> dict[str, float]:
    """Return the share of each version, in the order of `versions`.

    Raises:
        RouterError: a version that is not there, or no weights.
    """
    unknown = sorted(set(weights) - set(versions))
    if unknown:
        known = ", ".join(versions)
        raise RouterError(f"weights: unknown version {unknown[0]!r}; expected some of {known}")
    if any(not (math.isfinite(weight) and weight >= 0) for weight in weights.values()):
        raise RouterError("weights: expected numbers from 0")
    total = sum(weights.values())
    if not total > 0:
        raise RouterError("weights: expected one above 0")
    return {version: weights.get(version, 0.0) / total for version in versions}
