"""The ceiling for REST: one ASGI function that does only what no server can leave out.

    MODEL=digits.onnx uvicorn --http httptools --loop uvloop benchmarks.bare_asgi:app

No validation, no routing, no versions, no errors: decode, run the session inline, encode.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np

from .bare_session import bare_session


class Input(msgspec.Struct):
    """The members of an input that are read."""

    name: str
    shape: list[int]
    data: list[float]


class Request(msgspec.Struct):
    """The members of a request that are read."""

    inputs: list[Input]
    id: str = ""


SESSION = bare_session(os.environ["MODEL"])
OUTPUT = SESSION.get_outputs()[0].name
DECODER = msgspec.json.Decoder(Request)
ENCODER = msgspec.json.Encoder()
HEADERS = [(b"content-type", b"application/json")]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer any HTTP request as an inference of one FP32 input."""
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    request = DECODER.decode(body)
    tensor = request.inputs[0]
    array = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
    (result,) = SESSION.run([OUTPUT], {tensor.name: array})
    answer = ENCODER.encode(
        {
            "model_name": "digits_fp32",
            "id": request.id,
            "outputs": [
                {
                    "name": OUTPUT,
                    "datatype": "FP32",
                    "shape": result.shape,
                    "data": result.ravel().tolist(),
                }
            ],
        }
    )
    headers = [*HEADERS, (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
