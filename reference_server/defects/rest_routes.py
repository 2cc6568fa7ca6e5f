"""Misbehaviours in what REST routes lead to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .registry import rest_defect

Reroute = Callable[[str], str | HttpResponse]

SEEN: list[str] = []


def route_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Reroute], Reroute]:
    """Register `path -> path | answer`: where a request is led instead, or what it gets at once."""

    def register(reroute: Reroute) -> Reroute:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            led = reroute(request.target)
            if isinstance(led, HttpResponse):
                return led
            return await answer(replace(request, target=led))

        return reroute

    return register


@route_defect("model-ready-not-served", breaks=["OIP-REST-PATH-001"])
def _(path: str) -> str | HttpResponse:
    """Lacks one route."""
    return error_response(501, "not served") if path == "/v2/models/row_sum/ready" else path


@route_defect("version-required", breaks=["OIP-REST-PATH-002"])
def _(path: str) -> str | HttpResponse:
    """Knows a model only together with its version."""
    if path == "/v2/models/identity_int32":
        return error_response(404, "name a version")
    return path


@route_defect("listed-version-not-ready", breaks=["OIP-REST-PATH-003"])
def _(path: str) -> str | HttpResponse:
    """Does not serve one route of a version that it lists."""
    if path == "/v2/models/constant/versions/1/ready":
        return error_response(404, "no such version")
    return path


@route_defect("version-label-crashes", breaks=["OIP-REST-PATH-004"])
def _(path: str) -> str | HttpResponse:
    """Takes every version for a number."""
    return error_response(500, "invalid literal") if "/versions/v10" in path else path


@route_defect("version-falls-back", breaks=["OIP-REST-PATH-005"])
def _(path: str) -> str | HttpResponse:
    """Serves another version than was asked for."""
    return path.replace("/versions/424242", "")


@route_defect("unversioned-undefined", breaks=["OIP-REST-PATH-006"])
def _(path: str) -> str | HttpResponse:
    """Has no versions, and no error for who asks for one."""
    if path == "/v2/models/identity_uint8/versions/1":
        return HttpResponse(400, b"what?", (("Content-Type", "text/plain"),))
    return path


@route_defect("v2-slash-lost", breaks=["OIP-REST-PATH-007"])
def _(path: str) -> str | HttpResponse:
    """Knows only one of two ways to write the same."""
    return error_response(404, "no such route") if path == "/v2/" else path


@route_defect("model-case-folded", breaks=["OIP-REST-PATH-008/model"])
def _(path: str) -> str | HttpResponse:
    """Finds a model under a name in another case."""
    return path.replace("IDENTITY_FP32", "identity_fp32")


@route_defect("name-not-decoded", breaks=["OIP-REST-PATH-009/decoded"])
def _(path: str) -> str | HttpResponse:
    """Looks for the encoded name."""
    return path.replace("/%69", "/%2569")


@route_defect("name-decoded-twice", breaks=["OIP-REST-PATH-009/once"])
def _(path: str) -> str | HttpResponse:
    """Decodes what was decoded."""
    return path.replace("/%2569", "/%69")


@route_defect("name-escapes", breaks=["OIP-REST-PATH-010"])
def _(path: str) -> str | HttpResponse:
    """Makes a path of a name."""
    escaped = "..%2f" in path or "%2e%2e" in path or "%00" in path or "%2F" in path
    return error_response(500, "no such file or directory") if escaped else path


@route_defect("unknown-route-served", breaks=["OIP-REST-PATH-013"])
def _(path: str) -> str | HttpResponse:
    """Answers whatever it is asked."""
    known = path in {"/v2/health/live", "/v2/health/ready"}
    unknown = path.endswith("/nope") or (path.startswith("/v2/health") and not known)
    return HttpResponse(200, b"{}", (("Content-Type", "application/json"),)) if unknown else path


@route_defect("live-only-a-while", breaks=["OIP-REST-HLTH-001"])
def _(path: str) -> str | HttpResponse:
    """Stops being live when it is asked too often and does nothing else."""
    SEEN.append(path)
    del SEEN[:-8]
    return error_response(503, "tired") if SEEN == ["/v2/health/live"] * 8 else path


@route_defect("absent-model-ready", breaks=["OIP-REST-HLTH-009"])
def _(path: str) -> str | HttpResponse:
    """Is ready for a model that it does not have."""
    absent = path == "/v2/models/absent_for_readiness/ready"
    return HttpResponse(200, b"") if absent else path
