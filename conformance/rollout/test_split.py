"""Whether the versions get what they were given: a band for each, and a test of all together."""

from collections import Counter
from collections.abc import Mapping

from servespec.stats.shares import band, sample_ratio
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .asking import FIXTURE, asked, computed_by, key_claim, weights, with_key

REQUESTS = 2000
CONFIDENCE = 0.999
CHANCE = 0.001
"""Below which a split counts as another than was asked for."""


@requirement("ROLL-001", name="share", kind="saturating", fixtures=[FIXTURE])
def test_each_version_gets_its_share_of_the_requests(target: Target) -> None:
    """An operator who gives a canary 1 % risks no more than that."""
    wanted = weights(target)
    count = int(target.claim("rollout", "requests", REQUESTS))

    answers = asked(target, [{}] * count)

    found = Counter(map(computed_by, answers))
    for version, weight in wanted.items():
        _must_be_in_its_band(target, version, found, weight / sum(wanted.values()))
    assert set(found) <= set(wanted), f"answers of {sorted(set(found) - set(wanted))}, without one"


def _must_be_in_its_band(
    target: Target, version: str, found: Mapping[str, int], share: float
) -> None:
    count = sum(found.values())
    least, most = band(count, share, CONFIDENCE)
    got = found.get(version, 0)
    told = (
        f"{got} of {count} requests; with a share of {share:.2%} it is {least} to {most} "
        f"in {CONFIDENCE:.1%} of all cases (binomial)"
    )
    target.record(f"share of version {version}", told)
    assert least <= got <= most, f"version {version} got {told}"


@requirement("ROLL-001", name="ratio", kind="saturating", fixtures=[FIXTURE])
def test_the_clients_are_split_as_was_asked(target: Target) -> None:
    """A comparison of two versions is worth something only if both have the clients they should."""
    wanted = weights(target)
    key_claim(target)
    count = int(target.claim("rollout", "requests", REQUESTS))

    answers = asked(target, [with_key(target, f"client-{number}") for number in range(count)])

    found = Counter(map(computed_by, answers))
    chance = sample_ratio({version: found[version] for version in wanted}, wanted)
    told = ", ".join(f"version {version}: {found[version]}" for version in wanted)
    told = f"{told} of {count} clients; as far from the weights by chance: {chance:.2g}"
    target.record("ratio of samples", f"{told} (chi-square)")
    assert chance >= CHANCE, f"sample ratio mismatch: {told}, expected {CHANCE:g} or more"
