"""Bodies that take long to decode and to encode hold up nobody else."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from servespec.wire import grpc as wire
from servespec.wire import proto
from servespec.wire.messages import InferRequest, Tensor

from .serving import SECONDS, Served

ELEMENTS = 4 * 2**20
PROBE_SECONDS = 1.0
"""How long a probe may take: what an orchestrator waits for, where nobody sets anything else."""


def slowest_probe_while(served: Served, ask: Callable[[], None]) -> float:
    """Ask the server whether it is live, again and again until a request is answered."""
    seconds = []
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        while not asked.done():
            started = time.perf_counter()
            assert served.rest.get("/v2/health/live").status_code == 200
            seconds.append(time.perf_counter() - started)
        asked.result()
    assert len(seconds) > 3
    return max(seconds)


def test_probes_are_answered_while_eight_mebibytes_of_json_are_read_and_written(
    served: Served,
) -> None:
    data = ",".join(["1"] * ELEMENTS)
    tensor = f'"name":"x","shape":[1,{ELEMENTS}],"datatype":"FP32","data":[{data}]'
    body = f'{{"inputs":[{{{tensor}}}]}}'.encode()

    def ask() -> None:
        headers = {"Accept-Encoding": "identity"}
        answer = served.rest.post(
            "/v2/models/echo/infer", content=body, headers=headers, timeout=6 * SECONDS
        )
        assert answer.status_code == 200
        assert answer.content.count(b"1.0") == ELEMENTS

    assert slowest_probe_while(served, ask) < PROBE_SECONDS


def test_probes_are_answered_while_a_large_message_is_read_and_written(served: Served) -> None:
    array = np.ones((1, 1_000_000), "<f4")  # a client takes 4 MiB, if it is not told otherwise
    request = InferRequest("echo", (Tensor("x", "FP32", array),))
    message = wire.encode_request(request, raw=False)

    def ask() -> None:
        answer = served.call("ModelInfer", message, seconds=6 * SECONDS)
        assert isinstance(answer, proto.ModelInferResponse)
        assert (wire.decode_response(answer).outputs[0].array == array).all()

    assert slowest_probe_while(served, ask) < PROBE_SECONDS


def test_a_large_body_that_is_wrong_is_refused_as_a_small_one(served: Served) -> None:
    body = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[%b]}]}' % (b"1," * 2**18)
    assert served.rest.post("/v2/models/echo/infer", content=body).status_code == 400
