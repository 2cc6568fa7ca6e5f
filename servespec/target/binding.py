"""What a fixture is called on the target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

__all__ = ["FixtureBinding"]


@dataclass(frozen=True, slots=True)
class FixtureBinding:
    """A fixture as the target hosts it. Empty `version`: the server chooses.

    `tensors` has the target's names by the fixture's; those that are missing are the same.
    """

    model: str
    version: str = ""
    tensors: Mapping[str, str] = field(default_factory=dict)

    def tensor(self, name: str) -> str:
        """The target's name of a tensor."""
        return self.tensors.get(name, name)

    def path(self, version: str | None = None) -> str:
        """The model's path below `/v2`; `version` None: the configured one, "" for none."""
        version = self.version if version is None else version
        suffix = f"/versions/{quote(version, safe='')}" if version else ""
        return f"/v2/models/{quote(self.model, safe='')}{suffix}"
