"""One run of checks against one target: started when first needed, gone at the end."""

import argparse
import platform
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from servespec.fixtures import build
from servespec.target.defects import DefectSwitch
from servespec.target.environment import interpreter
from servespec.target.environment import version as version_of
from servespec.target.given import (
    UsageError,
    addresses_of,
    must_listen,
    running,
    source_of,
    writable,
)
from servespec.target.instance import Instances
from servespec.target.leftovers import current_run
from servespec.target.manifest import Addresses, Manifest, ManifestError
from servespec.target.outcomes import NotApplicable, TargetGone, Untestable
from servespec.target.process import StartError, TargetProcess
from servespec.target.readiness import connect
from servespec.target.target import FixtureBinding, Target
from servespec.verdicts.baseline import Baseline, BaselineError
from servespec.verdicts.catalogue import CATALOGUE, Level
from servespec.verdicts.profile import CONFORMANCE, PROFILES
from servespec.verdicts.report import Report, SuiteInfo, TargetInfo
from servespec.verdicts.requirement import Check
from servespec.verdicts.result import CheckResult

__all__ = ["MISTAKES", "NotRun", "Options", "Session", "UsageError"]

EXTENSIONS = {
    "binary": "binary_tensor_data",
    "scheduling": "schedule_policy",
    "repository": "model_repository",
}
"""The name under which a server lists the extension that a profile judges, by profile."""


MISTAKES = (UsageError, ManifestError, BaselineError)
"""What the user can mend, each told in one line."""


class NotRun(Exception):
    """The check was not asked for, or cannot be asked here."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to judge, how far to go, where to write; `words` of a command line ask for it again.

    `source` is the target file as it was written, `manifest` what the addresses that were given
    beside it have left of it: nothing is started to be judged then.
    """

    words: tuple[str, ...]
    source: Manifest
    manifest: Manifest
    profiles: tuple[str, ...]
    intrusive: bool
    report_dir: Path
    baseline: Baseline
    defects_switch: str | None
    by_default: bool

    @classmethod
    def from_pytest(cls, given: argparse.Namespace) -> "Options":
        """Reads the command line of pytest."""
        named = [name for part in given.profile or () for name in part.split(",")]
        unknown = sorted(set(named) - set(PROFILES))
        if unknown:
            raise UsageError(f"--profile {unknown[0]}: expected one of {', '.join(PROFILES)}")
        source = source_of(given)
        manifest = running(source, given) if given.target else source
        beside = manifest.folder / "baseline.toml"
        known = Path(given.baseline) if given.baseline else beside
        return cls(
            words=tuple(_words(given)),
            source=source,
            manifest=manifest,
            profiles=tuple(named),
            intrusive=given.intrusive,
            report_dir=writable(Path(given.report_dir).absolute(), manifest.target.name),
            baseline=Baseline.load(known) if given.baseline or known.exists() else Baseline(),
            defects_switch=given.defects_switch,
            by_default=getattr(given, "target_by_default", False),
        )

    def command(self, suite: str) -> str:
        """The command line that a reader can paste to have a suite judge again."""
        has_file = "--target" in self.words
        if suite == CONFORMANCE:
            runs = {"--target-url", "--target-grpc"}.intersection(self.words)
            verb = "certify" if has_file and not runs else "conformance"
            return shlex.join(["servespec", verb, *self.words])
        if has_file:
            return shlex.join(["servespec", "certify", *self.words, "--only", suite])
        return shlex.join(["pytest", "--pyargs", f"servespec.suites.{suite}", *self.words])


def _words(given: argparse.Namespace) -> list[str]:
    words = []
    for name in ("target", "target_url", "target_grpc", "baseline"):
        if value := getattr(given, name):
            words += [f"--{name.replace('_', '-')}", value]
    for name in given.profile or ():
        words += ["--profile", name]
    return words + (["--intrusive"] if given.intrusive else [])


class Session:
    """The target with all that is needed to judge it; nothing happens before `begin`.

    Attributes:
        name: the target's name, as in the report's path.
        may_intrude: whether checks may saturate or kill the target.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.name = options.manifest.target.name
        self.report_dir = options.report_dir / self.name
        self.may_intrude = options.intrusive or options.manifest.start is not None
        self.process: TargetProcess | None = None
        self._open = ExitStack()
        self._began = time.time()

    @cached_property
    def target(self) -> Target:
        """The judged server: started if the target file says how, reached by URL otherwise.

        Raises:
            StartError: it does not become ready, or nothing listens at its address.
            InstallError: the environment that it asks for cannot be made.
        """
        manifest = self.options.manifest
        if manifest.start is not None:
            self.process = self._started(manifest)
        else:
            must_listen(manifest)
        addresses = self.addresses
        target = Target(
            addresses.rest,
            addresses.grpc,
            fixtures={
                name: FixtureBinding(
                    names.model or name, names.version, {**names.inputs, **names.outputs}
                )
                for name, names in manifest.fixtures.items()
            },
            claims=manifest.claims,
            headers=manifest.headers(),
            tls=manifest.tls(),
            alive=self._absence,
            probes=replace(manifest.probes, url=addresses.probes),
            metrics=replace(manifest.metrics, url=addresses.metrics),
            instances=self.instances,
        )
        self._open.callback(target.close)
        return target

    @property
    def addresses(self) -> Addresses:
        """Where the target is reached; those of one not yet started may hold placeholders."""
        return self.process.addresses if self.process else self.options.manifest.addresses

    @cached_property
    def instances(self) -> Instances | None:
        """Starts the servers that checks have to themselves; None without a start command."""
        source = self.options.source
        if source.start is None:
            return None
        return Instances(source, models=self.scratch, logs=self.report_dir)

    @cached_property
    def scratch(self) -> Path:
        """A folder that is gone at the end."""
        folder = tempfile.TemporaryDirectory(dir=current_run().folder)
        return Path(self._open.enter_context(folder))

    def _started(self, manifest: Manifest) -> TargetProcess:
        build(self.scratch / "models")
        process = TargetProcess.start(
            manifest, models=self.scratch / "models", log=self.report_dir / "target.log"
        )
        self._open.enter_context(process)
        process.wait_ready()
        return process

    @cached_property
    def claimed(self) -> tuple[str, ...]:
        """The profiles to judge: those named, else claimed, served or detected."""
        if self.options.profiles:
            return self.options.profiles
        manifest = self.options.manifest
        planes = {"rest": manifest.serves_rest, "grpc": manifest.serves_grpc}
        return tuple(
            name
            for name, profile in PROFILES.items()
            if name in manifest.claims
            or (profile.core and planes[profile.plane])
            or EXTENSIONS.get(name) in self.extensions
        )

    @cached_property
    def extensions(self) -> tuple[str, ...]:
        """The protocol extensions that the target lists; none where its metadata is no answer."""
        return tuple(sorted(self.target.extensions)) if self._metadata else ()

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        """What the target says of itself; nothing where that is no answer."""
        try:
            return self.target.metadata()
        except (AssertionError, Untestable, TargetGone):
            return {}

    @cached_property
    def defects(self) -> DefectSwitch | None:
        """The reference server's switch, when each check is to be seen to fail."""
        if self.options.defects_switch is None:
            return None
        switch = DefectSwitch(self.options.defects_switch)
        self._open.callback(switch.set)  # no defect stays on
        return switch

    def begin(self, check: Check) -> None:
        """Gets the target ready for a check; its evidence starts here.

        Raises:
            NotApplicable: the check's profile is neither claimed nor detected.
            NotRun: a check against its defect that has none and needs none.
            LookupError: a check against its defect that has none.
        """
        profile = CATALOGUE[check.requirement].profile
        if profile not in self.claimed:
            raise NotApplicable(f"the profile {profile} is neither claimed nor detected")
        if self.defects:
            defect = self._defect(self.defects, check)
            self.defects.set(defect)
            if self.instances:
                self.instances.defects = (defect,)
        self.target.begin(check.key)

    @staticmethod
    def _defect(switch: DefectSwitch, check: Check) -> str:
        try:
            return switch.breaking(check.key, check.requirement)
        except LookupError:
            if CATALOGUE[check.requirement].level is Level.INFO:
                raise NotRun("it records a variant, no defect breaks it") from None
            raise

    def seen(self) -> tuple[list[Any], Mapping[str, str]]:
        """The exchanges of the check, oldest first, and the variants that it recorded."""
        return self.target.evidence, self.target.variants

    def death(self) -> str | None:
        """None while the started target lives, otherwise how it died; a URL's is not known here."""
        return self.process.alive() if self.process else None

    def _absence(self) -> str | None:
        """None while the target is there; asked when an exchange broke off."""
        if self.process:
            return self.process.alive()
        for address in addresses_of(self.options.manifest):
            try:
                connect(address)
            except ConnectionRefusedError:
                return f"nothing listens at {address} any more"
            except OSError:  # too busy to accept is not gone
                continue
        return None

    def restart(self) -> bool:
        """Starts the target again for the next check; False where that cannot be done."""
        if self.process is None:
            return False
        self.target.close()
        try:
            self.process.restart()
        except StartError:
            return False
        return True

    def close(self) -> None:
        """Stops the target; nothing of it is left."""
        self._open.close()

    def reports(self, checks: Sequence[CheckResult]) -> list[Report]:
        """What the run found: a part for each suite."""
        judged: dict[str, list[CheckResult]] = {}
        for check in checks:
            profile = PROFILES[CATALOGUE[check.requirement].profile]
            judged.setdefault(profile.suite, []).append(check)
        return [self._report(suite, checks) for suite, checks in judged.items()]

    def _report(self, suite: str, checks: Sequence[CheckResult]) -> Report:
        manifest = self.options.manifest
        addresses = self.addresses
        urls = {"rest": addresses.rest, "grpc": addresses.grpc}
        return Report(
            suite=SuiteInfo(
                name=suite,
                version=version("servespec"),
                seed="derandomized",
                started=self._began,
                seconds=round(time.time() - self._began, 3),
                command=self.options.command(suite),
            ),
            target=TargetInfo(
                name=self.name,
                version=version_of(manifest, interpreter(manifest))
                or str(self._metadata.get("version", "")),
                urls={plane: url for plane, url in urls.items() if url},
                claims=manifest.claims,
                detected={"extensions": list(self.extensions)},
                file_sha256=manifest.sha256,
            ),
            claimed=tuple(name for name in self.claimed if PROFILES[name].suite == suite),
            checks=tuple(checks),
            environment={
                "platform": platform.platform(),
                "python": platform.python_version(),
                **{name: version(name) for name in ("pytest", "hypothesis", "httpx", "grpcio")},
            },
            baseline=self.options.baseline,
        )
