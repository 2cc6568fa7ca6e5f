"""Misbehaviours in how probes are answered, over REST and over gRPC, and of who asks first."""

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator
from dataclasses import replace

from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from servespec.wire import proto as pb

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .registry import Behaviour, Context, Stream, grpc_defect, grpc_stream_defect, rest_defect

_LOG = logging.getLogger(__name__)
_LIVE = ("/livez", "/v2/health/live")
_PROBES = ("/livez", "/readyz", "/startupz")
_SLOW_CHECK_SECONDS = 1.2
_WARMING_SECONDS = 0.2
_LEAK_BYTES = 16 << 10

_last: dict[str, tuple[AbstractEventLoop, HttpRequest]] = {}
"""The last inference request of a model, and the loop that served it: probes have their own."""
_failures: list[str] = []
_kept: list[bytes] = []
_warmed: set[str] = set()


async def _again(model: str, request: HttpRequest, answer: Handler) -> None:
    """Remember an inference of the model; at a liveness probe compute the last one again."""
    if request.target.endswith(f"/{model}/infer"):
        _last[model] = asyncio.get_running_loop(), request
    elif request.target in _LIVE and model in _last:
        loop, question = _last[model]
        repeated = asyncio.run_coroutine_threadsafe(_answered(question, answer), loop)
        await asyncio.wrap_future(repeated)


async def _answered(request: HttpRequest, answer: Handler) -> HttpResponse:
    return await answer(request)


@rest_defect(
    "live-waits-for-an-engine",
    breaks=["OIP-REST-HLTH-012/load", "K8S-PROBE-003/load", "K8S-PROBE-006"],
)
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes its turn behind the callers of a slow model."""
    await _again("spin", request, answer)
    return await answer(request)


@rest_defect("live-runs-an-inference", breaks=["K8S-PROBE-008/no inference"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Tries out at each probe whether a model still computes."""
    await _again("witness", request, answer)
    return await answer(request)


@rest_defect("not-live-after-a-failure", breaks=["K8S-PROBE-003/failing model"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Wants to be restarted when a model raised."""
    response = await answer(request)
    if request.target.endswith("/infer") and response.status == 500:
        _failures.append(request.target)
    elif request.target in _LIVE and _failures:
        return error_response(503, f"failed: {_failures.pop()}")
    return response


@rest_defect("false-in-the-body-only", breaks=["OIP-REST-HLTH-003", "OIP-REST-HLTH-010"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Answers with success that a model is not ready."""
    response = await answer(request)
    unready = request.target.endswith("/ready") and "/models/" in request.target
    return replace(response, status=200) if unready and response.status == 503 else response


@rest_defect(
    "probes-redirect-elsewhere",
    breaks=["K8S-PROBE-001/live", "K8S-PROBE-001/ready", "K8S-PROBE-001/startup"],
)
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Sends a successful probe to somebody else."""
    response = await answer(request)
    if request.target not in _PROBES or response.status != 200:
        return response
    return HttpResponse(302, b"", (("Location", f"http://probes.example{request.target}"),))


@rest_defect("kubelet-needs-a-token", breaks=["K8S-PROBE-007/http"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Asks a kubelet for credentials."""
    asks = request.headers.get("user-agent", "").startswith("kube-probe")
    if asks and "authorization" not in request.headers:
        return error_response(401, "who is there?", (("WWW-Authenticate", "Bearer"),))
    return await answer(request)


@rest_defect("probes-take-memory", breaks=["K8S-PROBE-008/memory and log"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Keeps something of each probe."""
    if request.target in _PROBES:
        _kept.append(b"x" * _LEAK_BYTES)
    return await answer(request)


@rest_defect("probes-are-logged", breaks=["K8S-PROBE-008/memory and log"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Writes a line for each probe."""
    if request.target in _PROBES:
        _LOG.warning("probe %s", request.target)
    return await answer(request)


@rest_defect("probes-from-this-machine-only", breaks=["K8S-PROBE-010/http"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Is not there under another address."""
    if request.headers.get("host", "").startswith("127.0.0.1"):
        return await answer(request)
    return error_response(403, "only from this machine")


@rest_defect("loading-is-an-internal-error", breaks=["OIP-REST-ERR-013/loading"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not know that a model may still load."""
    response = await answer(request)
    asked = "/slow_load" in request.target and not request.target.endswith("/ready")
    return error_response(500, "no session") if asked and response.status == 503 else response


@rest_defect("failed-model-not-named", breaks=["OIP-REST-ERR-013/failed"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not say what is missing."""
    response = await answer(request)
    asked = "/broken" in request.target and not request.target.endswith("/ready")
    return error_response(404, "not found") if asked and response.status == 503 else response


@rest_defect("first-answer-warms-up", breaks=["GUIDE-001"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Leaves to the first caller what could be done before."""
    if request.target.endswith("/digits_fp32/infer") and request.target not in _warmed:
        _warmed.add(request.target)
        await asyncio.sleep(_WARMING_SECONDS)
    return await answer(request)


@grpc_defect("server-not-ready-is-an-error", breaks=["OIP-GRPC-SVC-003"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Takes its own start for a failure."""
    response = await answer(request, context)
    if isinstance(response, pb.ServerReadyResponse) and not response.ready:
        return await context.abort(StatusCode.INTERNAL, "not ready")
    return response


@grpc_defect("model-not-ready-is-an-error", breaks=["OIP-GRPC-SVC-004"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Takes the load of a model for a failure."""
    response = await answer(request, context)
    if isinstance(response, pb.ModelReadyResponse) and not response.ready:
        return await context.abort(StatusCode.UNKNOWN, "not ready")
    return response


@grpc_defect("kubelet-needs-a-token-over-grpc", breaks=["K8S-PROBE-007/grpc"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Asks a kubelet for credentials."""
    sent = dict(context.invocation_metadata() or ())
    if str(sent.get("user-agent", "")).startswith("kube-probe"):
        return await context.abort(StatusCode.UNAUTHENTICATED, "who is there?")
    return await answer(request, context)


@grpc_defect("grpc-probes-from-this-machine-only", breaks=["K8S-PROBE-010/grpc"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Is not there under another address."""
    if not context.peer().startswith("ipv4:127.0.0.1:"):
        return await context.abort(StatusCode.PERMISSION_DENIED, "only from this machine")
    return await answer(request, context)


@grpc_defect("health-outlives-readiness", breaks=["HLTH-GRPC-006/shutdown"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Serves in its own eyes for as long as it is asked."""
    response = await answer(request, context)
    if isinstance(response, HealthCheckResponse):
        serving = HealthCheckResponse.SERVING
        _warmed.update(["health"] if response.status == serving else ())
        return HealthCheckResponse(status=serving) if "health" in _warmed else response
    return response


@grpc_defect("health-takes-its-time", breaks=["HLTH-GRPC-007"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Is looked up anew each time, slowly."""
    if isinstance(request, HealthCheckRequest):
        await asyncio.sleep(_SLOW_CHECK_SECONDS)
    return await answer(request, context)


@grpc_stream_defect("watch-says-it-once", breaks=["HLTH-GRPC-005/changes"])
async def _(request: Message, context: Context, answers: Stream) -> AsyncIterator[Message]:
    """Tells a watcher of no change."""
    async for answer in answers(request, context):
        yield answer
        await asyncio.Event().wait()


@grpc_stream_defect("watch-begins-with-a-change", breaks=["HLTH-GRPC-005/at once"])
async def _(request: Message, context: Context, answers: Stream) -> AsyncIterator[Message]:
    """Keeps the status of a server that serves to itself until it has changed."""
    spoke = False
    async for answer in answers(request, context):
        if spoke or answer != HealthCheckResponse(status=HealthCheckResponse.SERVING):
            yield answer
        spoke = True


@grpc_stream_defect("watch-turns-unknown-names-away", breaks=["HLTH-GRPC-005/unknown"])
async def _(request: Message, context: Context, answers: Stream) -> AsyncIterator[Message]:
    """Ends the stream where it should wait for the service."""
    async for answer in answers(request, context):
        if answer == HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN):
            await context.abort(StatusCode.NOT_FOUND, "unknown service")
        yield answer
