"""Asks a server what it has counted, before a load, now and then in it, and behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from servespec.target.binding import FixtureBinding
from servespec.target.sections import Metrics

from .judging.counters import Counted, Counters, of_metrics, of_triton
from .sending.access import Access
from .sending.plan import Plan
from .sending.workloads import workload_of

__all__ = ["Counting", "Places"]

_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where a server tells what it counts.

    Attributes:
        rest: the URL that the paths of the protocol follow; empty where there is none.
        metrics: the whole URL of its metrics; empty where there are none.
        names: what it calls them.
    """

    rest: str
    metrics: str
    names: Metrics


class Counting:
    """Looks at a server's counters: at its statistics where it has them, else at its metrics.

    Args:
        plan: whose models are looked at.
        places: where.
        access: how to get there.
    """

    def __init__(self, plan: Plan, places: Places, access: Access) -> None:
        self._places = places
        questions = workload_of(plan.workload, plan.seed).questions
        named = (access.named(each.request) for each in questions)
        bindings = {(each.model_name, each.model_version) for each in named}
        self._models = [FixtureBinding(*each) for each in sorted(bindings)]
        self._client = httpx.Client(
            headers=access.headers,
            verify=access.tls.context() if access.tls else True,
            timeout=_SECONDS,
            trust_env=False,
        )
        self._sources = {"the statistics extension": self._statistics, "metrics": self._metrics}
        self._looks: dict[str, list[Counters]] = {}

    def look(self) -> None:
        """Look again; the first look decides which of both is looked at."""
        for source in list(self._looks) or list(self._sources):
            if (seen := self._sources[source]()) is not None:
                self._looks.setdefault(source, []).append(seen)
                return

    def counted(self) -> Counted | None:
        """What was seen; None where the server tells nothing."""
        return next((Counted(source, [*looks]) for source, looks in self._looks.items()), None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _statistics(self) -> Counters | None:
        if not self._places.rest:
            return None
        rest = self._places.rest.rstrip("/")
        pages = [self._got(f"{rest}{model.path()}/stats") for model in self._models]
        return of_triton(_json(page) for page in pages)

    def _metrics(self) -> Counters | None:
        page = self._got(self._places.metrics) if self._places.metrics else None
        if page is None:
            return None
        return of_metrics(page.text, self._places.names, {model.model for model in self._models})

    def _got(self, url: str) -> httpx.Response | None:
        """A page; None where there is none."""
        try:
            page = self._client.get(url, headers={"Accept": "application/json, text/plain"})
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return page if page.status_code == httpx.codes.OK else None


def _json(page: httpx.Response | None) -> Mapping[str, object] | None:
    try:
        document = page.json() if page is not None else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
