"""The peer that most people write: FastAPI with pydantic models, inference in its thread pool.

MODEL=digits.onnx uvicorn --http httptools --loop uvloop benchmarks.peer_fastapi:app
"""

import os

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from .bare_session import bare_session


class Tensor(BaseModel):
    """A tensor of the protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    """An inference request."""

    id: str | None = None
    inputs: list[Tensor]


class Response(BaseModel):
    """An inference response."""

    model_name: str
    id: str | None = None
    outputs: list[Tensor]


SESSION = bare_session(os.environ["MODEL"])
OUTPUT = SESSION.get_outputs()[0].name
app = FastAPI()


@app.post("/v2/models/{name}/infer")
def infer(name: str, request: Request) -> Response:
    """Answer an inference of FP32 inputs."""
    tensors = {
        tensor.name: np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
        for tensor in request.inputs
    }
    (result,) = SESSION.run([OUTPUT], tensors)
    output = Tensor(
        name=OUTPUT, shape=list(result.shape), datatype="FP32", data=result.ravel().tolist()
    )
    return Response(model_name=name, id=request.id, outputs=[output])
