"""How long the planted server holds each request: drawn beforehand, the same for the same seed."""

from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["PLANS", "STALL", "held", "stall_of"]

_COUNT = 1 << 17  # requests of one run at most; then the draw begins anew
STALL = (2.0, 3.0)
"""When the server that stalls does not answer, in seconds after its first request."""

_SHORT = 0.025
"""Seconds, for what is not the point of a plan. A model's, so that an error of 1 % is more than
what two processes take to wake up."""


def _constant(_random: np.random.Generator) -> np.ndarray:
    return np.full(_COUNT, 0.050)


def _lognormal(random: np.random.Generator) -> np.ndarray:
    return random.lognormal(np.log(0.050), 0.5, _COUNT)


def _bimodal(random: np.random.Generator) -> np.ndarray:
    return np.where(random.random(_COUNT) < 0.03, 0.200, _SHORT)


def _stall(_random: np.random.Generator) -> np.ndarray:
    return np.full(_COUNT, _SHORT)


def _hangs(random: np.random.Generator) -> np.ndarray:
    return np.where(random.random(_COUNT) < 0.005, np.inf, _SHORT)


PLANS: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "constant": _constant,
    "lognormal": _lognormal,
    "bimodal": _bimodal,
    "stall": _stall,
    "hangs": _hangs,
}
"""50 ms; lognormal, median 50 ms, sigma 0.5; 25 ms, but 3 % take 200; 25 ms, but nothing at all for
a second; 25 ms, but one in 200 is never answered."""


def held(name: str, seed: int) -> np.ndarray:
    """The seconds for which each request is held, in the order of arrival; infinite for ever."""
    return PLANS[name](np.random.default_rng(seed))


def stall_of(name: str) -> tuple[float, float]:
    """When nothing is answered, in seconds after the first request; never lies at infinity."""
    return STALL if name == "stall" else (np.inf, np.inf)
