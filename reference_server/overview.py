"""All models at one moment, as the operator sees them; may be asked from any thread."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from .metrics import SECONDS, Histogram, Key, Metrics, ModelMetrics
from .repository import Entry, Repository
from .routes import Routes
from .routing import Router

__all__ = ["overview"]


def overview(router: Router, metrics: Metrics) -> Callable[[], dict[str, Any]]:
    """Return what describes all models, as JSON has it."""

    def describe() -> dict[str, Any]:
        requests: dict[Key, dict[str, int]] = {}
        for (key, plane, code), count in metrics.requests().items():
            requests.setdefault(key, {})[f"{plane} {code}"] = count
        names = dict.fromkeys(entry.name for entry in router.repository.entries)
        return {"models": [_model(name, router, metrics, requests) for name in names]}

    return describe


def _model(
    name: str, router: Router, metrics: Metrics, requests: dict[Key, dict[str, int]]
) -> dict[str, Any]:
    versions = _versions(router.repository, name)
    routes = router.routes.get(name) or _own(versions)
    return {
        "name": name,
        "routes": routes,
        "set_at_run_time": name in router.routes,
        "versions": [
            _version(entry, routes, metrics.models.get((name, entry.version)))
            | {"requests": requests.get((name, entry.version), {})}
            for entry in versions
        ],
    }


def _versions(repository: Repository, name: str) -> list[Entry]:
    return [entry for entry in repository.entries if entry.name == name]


def _own(versions: list[Entry]) -> Routes:
    """Return what the model's `model.toml` says, as the latest version that serves read it."""
    models = (entry.model for entry in reversed(versions))
    return next((model.routes for model in models if model is not None), Routes())


def _version(entry: Entry, routes: Routes, metrics: ModelMetrics | None) -> dict[str, Any]:
    model = entry.model
    described = {
        "version": entry.version,
        "state": entry.state.name.lower(),
        "reason": entry.reason,
        "weight": routes.weights.get(entry.version, 0.0),
        "queue": 0 if model is None else model.queue_depth(),
    }
    if metrics is None:
        return described
    return described | {
        "in_flight": metrics.in_flight,
        "request_seconds": _counts(metrics.request),
        "cache": metrics.reuses.cache.copy(),
        "coalesced": metrics.reuses.coalesced,
        "shed": metrics.shed.copy(),
        "expired": metrics.expired,
        "shadow": metrics.shadow.copy(),
    }


def _counts(histogram: Histogram) -> list[tuple[float | None, int]]:
    """Return how many values lie below each bound and above the one before; None: no bound.

    Bounds without any are left out.
    """
    totals, _ = histogram.read()
    counts = (after - before for before, after in pairwise([0, *totals]))
    return [pair for pair in zip((*SECONDS, None), counts, strict=True) if pair[1]]
