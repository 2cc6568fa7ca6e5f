"""The tab in Locust's page: registered with its Flask application, drawn by this server."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from flask import Blueprint, Response, request
from gevent.lock import RLock
from locust.web import WebUI

from ...sending.pacer import CLOCK
from ..page import live_body, live_page, page
from .live import Now, Test, now_of

__all__ = ["add_tab"]

KEY = "tail-latency"
TITLE = "Tail latency"
_FRESH_SECONDS = 1.0
_SCRIPT = Path(__file__).with_name("tab.js")


class Tab:
    """What the tab shows, at most once a second anew however many look at it.

    In a thread of its own: in one process with the generator, it would keep that from its work.
    """

    def __init__(self, test: Test) -> None:
        self._test = test
        self._lock = RLock()
        self._at = -_FRESH_SECONDS
        self._now = Now("none")
        self._body = ""

    def look(self) -> tuple[Now, str]:
        """The state, not more than a second old, and the same as a part of a page."""
        with self._lock:
            if CLOCK() - self._at >= _FRESH_SECONDS:
                self._now, self._body = aside(self._drawn)
                self._at = CLOCK()
            return self._now, self._body

    def _drawn(self) -> tuple[Now, str]:
        now = now_of(self._test)
        return now, live_body(now)


def aside(work: Callable[[], Any]) -> Any:
    """What it returns, computed in a thread of its own."""
    return gevent.get_hub().threadpool.apply(work)


def add_tab(web_ui: WebUI, test: Test, base: str) -> None:
    """Register the tab's addresses, and let Locust's page show it.

    Args:
        web_ui: Locust's.
        test: what the tab is about.
        base: the path below which Locust's page lies, without a slash at its end.
    """
    assert web_ui.app is not None
    web_ui.app.register_blueprint(_addresses(web_ui, Tab(test), base))
    tabs = web_ui.template_args.setdefault("extended_tabs", [])
    tabs.append({"title": TITLE, "key": KEY})

    def with_script(response: Response) -> Response:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            script = f'<script type="module">{_SCRIPT.read_text(encoding="utf-8")}</script>'
            response.set_data(
                response.get_data(as_text=True).replace("</body>", f"{script}</body>")
            )
        return response

    web_ui.app.after_request(with_script)


def _addresses(web_ui: WebUI, tab: Tab, base: str) -> Blueprint:
    addresses = Blueprint("servespec", __name__, url_prefix=base or None)

    def at(path: str, view: Any) -> None:
        guarded = web_ui.auth_required_if_enabled(view)  # type: ignore[no-untyped-call]
        addresses.add_url_rule(f"/{KEY}{path}", view_func=guarded)

    def frame() -> str:
        return live_page(f"{KEY}/body")

    def body() -> str:
        _, drawn = tab.look()
        return drawn

    def state() -> Response:
        now, _ = tab.look()
        return Response(json.dumps(asdict(now), allow_nan=False), mimetype="application/json")

    def report() -> tuple[str, int]:
        found = tab.look()[0].report
        if found is None:
            return "There is no report yet.", 404
        return aside(partial(page, found)), 200

    at("", frame)
    at("/body", body)
    at("/state.json", state)
    at("/report.html", report)
    return addresses
