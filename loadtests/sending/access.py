"""How a process may reach the target, and what the target calls our fixtures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from servespec.target.binding import FixtureBinding
from servespec.target.connection import Tls
from servespec.target.manifest import Manifest, load
from servespec.wire.messages import InferRequest

__all__ = ["Access", "bindings"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a target file says besides addresses.

    It holds secrets: each process reads it by itself, and none sends it to another.

    Attributes:
        headers: that go with every request.
        tls: whom to trust and who we are; None: the system's authorities, and nobody.
        fixtures: the target's names, by ours; what is missing is called the same.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls | None = None
    fixtures: Mapping[str, FixtureBinding] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path | None) -> "Access":
        """Read it from a target file; without one there is nothing to know.

        Raises:
            ManifestError: there is a mistake in it, or a variable that it names is unset.
        """
        if file is None:
            return cls()
        manifest = load(file)
        return cls(manifest.headers(), manifest.tls(), bindings(manifest))

    def named(self, request: InferRequest) -> InferRequest:
        """The request with the target's names of its model and its tensors."""
        binding = self.fixtures.get(request.model_name)
        if binding is None:
            return request
        inputs = (replace(each, name=binding.tensor(each.name)) for each in request.inputs)
        return replace(
            request,
            model_name=binding.model,
            model_version=binding.version,
            inputs=tuple(inputs),
        )


def bindings(manifest: Manifest) -> Mapping[str, FixtureBinding]:
    """What a target calls the models and inputs that it has names of its own for, by our names."""
    return {
        name: FixtureBinding(names.model or name, names.version, {**names.inputs})
        for name, names in manifest.fixtures.items()
    }
