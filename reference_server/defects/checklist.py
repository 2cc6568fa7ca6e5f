"""Misbehaviours that no protocol forbids: of connections under load, and of slow preprocessing."""

import asyncio
import time

from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse
from .json_bodies import json_object
from .registry import http_defect, rest_defect

_STEP = "/slow_step/infer"
_MOST = 20
"""Requests of a connection, after which it is closed."""

_turns = asyncio.Lock()


@http_defect("connection-of-twenty-requests", breaks=["GUIDE-002"])
class ConnectionOfTwentyRequests(HttpProtocol):
    """Has its clients connect again every now and then."""

    _answered = 0

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """Counts."""
        self._answered += 1
        if self._answered == _MOST:
            self.retire()
        super().answer(request, response)


@rest_defect("preprocessing-in-turn", breaks=["GUIDE-003/same model"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Has one thread for the steps of a model."""
    if not request.target.endswith(_STEP):
        return await answer(request)
    async with _turns:
        return await answer(request)


@rest_defect("preprocessing-stops-all", breaks=["GUIDE-003"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Runs the steps where it reads its requests."""
    if request.target.endswith(_STEP):
        inputs = json_object(request).get("inputs")
        seconds = inputs[0]["data"][0] if isinstance(inputs, list) else 0.0
        time.sleep(seconds)  # noqa: ASYNC251  # that is the defect
    return await answer(request)
