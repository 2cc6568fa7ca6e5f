"""What is answered at the door for probes and metrics alone."""

from .http import Handler, HttpRequest, HttpResponse, error_response
from .probes import PROBES
from .rest import find_route

__all__ = ["without_models"]

_SERVED = (*PROBES, "metrics")


def without_models(handler: Handler) -> Handler:
    """Return the main door's handler, but for the routes that may wait for more than memory."""

    async def answer(request: HttpRequest) -> HttpResponse:
        route = find_route(request.target)
        if route is None or route.model is not None or route.verb not in _SERVED:
            return error_response(404, "there are only probes and metrics at this door")
        return await handler(request)

    return answer
