"""The same tensor over both planes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import numpy as np

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.grpc import GrpcPlane
from servespec.target.outcomes import Invalid, Nonconformance, NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb
from servespec.wire.messages import InferRequest, Tensor
from servespec.wire.rest import encode_request

from .carried import bytes_carried
from .inturn import EACH, in_turn, median_ratio, must_be_below

MODEL = "identity_fp32"
IMAGE, ROW = 3 * 224 * 224, 16
"""Elements of FP32: an image of the usual size, and a row that is shown and not judged."""
SECONDS = 30.0


TOO_LARGE = 413

A = TypeVar("A", Exchange, GrpcExchange)


@dataclass(frozen=True, slots=True)
class Way(Generic[A]):
    """One of the planes.

    Attributes:
        port: of the server there.
        ask: once.
    """

    port: int
    ask: Callable[[], A]

    def taken(self) -> Sequence[float]:
        """Seconds of each of some requests."""
        return [self.ask().must_succeed().seconds for _ in range(EACH)]

    def carried(self) -> int:
        """Bytes of one request and its answer."""
        before = bytes_carried(self.port)
        self.ask().must_succeed()
        found = bytes_carried(self.port) - before
        if found <= 0:
            raise Invalid("a connection was closed in between: its bytes are not known")
        return found


@requirement("LOAD-014", fixtures=[MODEL])
def test_an_image_costs_less_over_the_cheaper_plane(target: Target) -> None:
    """A client that sends images pays for neither digits in text nor their parsing."""
    cheaper = target.claim("load", "cheaper", "grpc")
    _show_a_row(target)
    rest, grpc = _ways(target, IMAGE)
    if rest.ask().status == TOO_LARGE:
        raise Untestable("an image is refused over REST: it is too large there")
    blocks = in_turn(rest.taken, grpc.taken)
    ratio = median_ratio(target, "gRPC to REST, median time", *blocks)
    bytes_rest, bytes_grpc = rest.carried(), grpc.carried()

    target.record("bytes of an image", f"{bytes_rest:,} over REST, {bytes_grpc:,} over gRPC")
    if cheaper == "rest":
        ratio = median_ratio(target, "REST to gRPC, median time", *reversed(blocks))
        bytes_rest, bytes_grpc = bytes_grpc, bytes_rest
    if bytes_grpc >= bytes_rest:
        raise Nonconformance(
            f"an image takes {bytes_grpc:,} bytes over {cheaper}, {bytes_rest:,} over the other"
        )
    must_be_below(1.0, ratio, f"an image over {cheaper} takes, against the other plane,")


def _show_a_row(target: Target) -> None:
    rest, grpc = _ways(target, ROW)
    median_ratio(target, "gRPC to REST, median time of a row", *in_turn(rest.taken, grpc.taken))


def _ways(target: Target, elements: int) -> tuple[Way[Exchange], Way[GrpcExchange]]:
    plane = _grpc(target)
    data = np.random.default_rng(1).random((1, elements), dtype=np.float32)
    name = target.fixture(MODEL).tensor("x")
    request = InferRequest(MODEL, (Tensor(name, "FP32", data),))
    body = encode_request(request, binary=False)[0]
    entry = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=data.shape)
    port = urlsplit(f"//{plane.address}").port
    if port is None:
        raise Untestable(f"the gRPC address {plane.address} has no port to count bytes at")
    return (
        Way(target.rest.port, partial(target.rest.infer, MODEL, body, timeout=SECONDS)),
        Way(
            port,
            partial(plane.infer, MODEL, inputs=[entry], raw=[data.tobytes()], timeout=SECONDS),
        ),
    )


def _grpc(target: Target) -> GrpcPlane:
    try:
        return target.grpc
    except Untestable:
        raise NotApplicable("gRPC is not served") from None
