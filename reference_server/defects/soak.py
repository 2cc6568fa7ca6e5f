"""What is seen only after a while."""

from ..http import Handler, HttpRequest, HttpResponse
from .registry import rest_defect

__all__: list[str] = []

_kept: list[bytes] = []


@rest_defect("bodies-kept", breaks=["LOAD-004"])
async def bodies_kept(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Nobody lets go of what was sent."""
    _kept.append(request.body)
    return await answer(request)
