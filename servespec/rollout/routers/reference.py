"""Versions inside one reference server, through its operator's door."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from .router import RouterError, shares

__all__ = ["ReferenceRouter"]


class ReferenceRouter:
    """A `Router` of one model. What else is set of its routes, keys and a mirror, stays as it is.

    Args:
        client: whose base URL is the operator's door, and whose headers have the token.
        model: its name.
    """

    def __init__(self, client: httpx.Client, model: str) -> None:
        self._client = client
        self._model = model

    def versions(self) -> Sequence[str]:
        """Return the versions that are ready."""
        return [each["version"] for each in self._state()["versions"] if each["state"] == "ready"]

    def get(self) -> Mapping[str, float]:
        """Return the share of each version; without weights all is the latest ready one's."""
        model = self._state()
        versions = [each["version"] for each in model["versions"]]
        weights = model["routes"]["weights"]
        return shares(weights or dict.fromkeys(self.versions()[-1:], 1.0), versions)

    def set(self, weights: Mapping[str, float]) -> None:
        """Give each version its share, in force for every request that comes after it returns."""
        model = self._state()
        found = shares(weights, [each["version"] for each in model["versions"]])
        routes = {**model["routes"], "weights": found}
        self._asked("PUT", f"/admin/models/{quote(self._model, safe='')}/routes", routes)

    def _state(self) -> Any:
        state = self._asked("GET", "/admin/state")
        found = [model for model in state["models"] if model["name"] == self._model]
        if not found:
            raise RouterError(f"unknown model {self._model!r}")
        return found[0]

    def _asked(self, method: str, path: str, body: object = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise RouterError(f"{method} {path}: {error}") from error
        if answer.status_code != 200:
            text = said.get("error") if isinstance(said, dict) else said
            raise RouterError(f"{method} {path}: {answer.status_code}: {text}")
        return said
