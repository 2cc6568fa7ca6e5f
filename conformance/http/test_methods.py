"""Methods: which a route serves, how it says so, and those that ask about it only."""

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .writing import LIVE, question

READY = "/v2/health/ready"
ORIGIN = {"Origin": "https://servespec.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "POST"}
ALLOWS_ORIGIN = "Access-Control-Allow-Origin"


def reads(target: Target) -> list[str]:
    """The paths of all routes that are read with GET."""
    model = target.rest.model_path("identity_fp32")
    return [LIVE, READY, "/v2", model, f"{model}/ready"]


@requirement("OIP-REST-PATH-011")
def test_a_method_that_a_route_does_not_serve_is_405(target: Target) -> None:
    """A client with the wrong method learns the right one."""
    infer = target.rest.infer_path("identity_fp32")
    wrong = [("GET", infer, "POST"), ("DELETE", infer, "POST")]
    for method, path, right in (*wrong, *(("DELETE", path, "GET") for path in reads(target))):
        exchange = target.rest.request(method, path, fresh=True).must_answer(405)

        allowed = [each.strip() for each in (exchange.header("Allow") or "").split(",")]
        assert right in allowed, f"{exchange.asked}: Allow is {allowed}, without {right}"
        assert method not in allowed, f"{exchange.asked}: 405, and Allow has {method}"


@requirement("OIP-REST-PATH-012")
def test_head_is_get_without_a_body(target: Target) -> None:
    """A balancer probes without reading."""
    for path in reads(target):
        expected = target.rest.get(path).must_answer_at_all().status
        head = target.rest.wire(target.rest.head("HEAD", path, "Connection: close"))

        status = head.answer.must_answer_at_all().status
        assert status == expected, f"{path}: GET is answered {expected}, HEAD {status}"
        assert head.raw.endswith(b"\r\n\r\n"), f"{path}: HEAD is answered with a body"


@requirement("HTTP-019")
def test_a_preflight_is_answered_without_an_inference(target: Target) -> None:
    """A page of another origin may ask a model if the server allows it."""
    infer = target.rest.infer_path("identity_fp32")
    served = target.rest.infer("identity_fp32", question(target), headers=ORIGIN)
    exchange = target.rest.request("OPTIONS", infer, headers=PREFLIGHT, fresh=True)
    if not served.header(ALLOWS_ORIGIN) and not exchange.header(ALLOWS_ORIGIN):
        raise NotApplicable("no origin is allowed: CORS is not enabled")

    exchange.must_answer(200, 204)
    assert exchange.header(ALLOWS_ORIGIN), f"the preflight is answered without {ALLOWS_ORIGIN}"
    assert b'"outputs"' not in exchange.body, "the preflight is answered with an inference"


@requirement("HTTP-021", name="options")
def test_options_is_answered(target: Target) -> None:
    """A client or a gateway that asks for the methods of a route breaks nothing."""
    for path in (*reads(target), target.rest.infer_path("identity_fp32")):
        exchange = target.rest.request("OPTIONS", path, fresh=True)

        target.record("OPTIONS", exchange.must_not_crash().status)
