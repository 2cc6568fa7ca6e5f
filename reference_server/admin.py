"""The operator's door: what is served, which version gets how much of it, and a page to look at.

It has a thread and an event loop of its own, so that nobody's request waits for it. Without the
token it gives away nothing but an empty page, which asks for the token and then for the state.
"""

from collections.abc import Callable
from urllib.parse import unquote

from msgspec import MsgspecError, Struct, json

from .errors import InvalidRequest, ServingError
from .http import HttpRequest, HttpResponse, error_response
from .page import PAGE
from .routes import Routes, mistake
from .routing import Router
from .state_file import StateFile
from .status import failure
from .tokens import check_token

__all__ = ["Admin", "Kept"]

_JSON = ("Content-Type", "application/json")
_PAGE = ["", ""]
_PRIVATE = ("Cache-Control", "no-store")


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept for the next start: the routes that were set, by model."""

    routes: dict[str, Routes] = {}


class Admin:
    """Answers the operator; its `__call__` is a `Handler`.

    One change is made after the other, each as a whole: written down first, then in force. For the
    event loop of the operator's door alone.

    Args:
        token: that the operator knows.
        router: has the routes that are in force.
        file: keeps them.
        state: describes all models, as JSON has it.
    """

    def __init__(
        self, token: str, router: Router, file: StateFile[Kept], state: Callable[[], object]
    ) -> None:
        self._token = token
        self._router = router
        self._file = file
        self._state = state

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; every error becomes an error object of one line."""
        path = [unquote(part) for part in request.target.partition("?")[0].split("/")]
        allowed = _allowed(path)
        if not allowed:
            return error_response(404, "there are /admin/state and /admin/models/{model}/routes")
        if request.method not in allowed:
            text = ", ".join(allowed)
            return error_response(405, f"expected {text}", (("Allow", text),))
        if path == _PAGE:
            return PAGE
        try:
            check_token(self._token, request.headers.get("authorization", ""))
            model = path[3] if request.method == "PUT" else ""
            return _answer(self.set(model, _routes(request.body)) if model else self._state())
        except ServingError as error:
            return _refused(error)

    def set(self, model: str, routes: Routes) -> Routes:
        """Spread a model's requests so from now on, also after a restart.

        Raises:
            ModelNotFound: no such model.
            InvalidRequest: no such version of it.
            StateNotKept: it could not be written down; nothing has changed.
        """
        known = [entry.version for entry in self._router.repository.versions(model)]
        for version in (*routes.weights, *filter(None, [routes.mirror])):
            if version not in known:
                raise InvalidRequest(f"model {model!r} has no version {version!r}")
        changed = {**self._router.routes, model: routes}
        self._file.write(Kept(changed))
        self._router.routes = changed
        return routes


def _allowed(path: list[str]) -> tuple[str, ...]:
    """Return the methods of a path; none: there is no such path."""
    match path:
        case ["", ""]:
            return ("GET", "HEAD")
        case ["", "admin", "state"]:
            return ("GET",)
        case ["", "admin", "models", model, "routes"] if model:
            return ("PUT",)
    return ()


def _routes(body: bytes) -> Routes:
    try:
        routes = json.decode(body, type=Routes)
    except (MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body: {error}") from error
    if wrong := mistake(routes):
        raise InvalidRequest(wrong)
    return routes


def _answer(value: object) -> HttpResponse:
    return HttpResponse(200, json.encode(value), (_JSON, _PRIVATE))


def _refused(error: ServingError) -> HttpResponse:
    failed = failure(error)
    return error_response(failed.status.http, failed.text, (*failed.headers, _PRIVATE))
