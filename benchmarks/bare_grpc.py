"""The ceiling for gRPC: one grpc.aio handler that does only what no server can leave out.

    python -m benchmarks.bare_grpc MODEL PORT

No validation, no versions, no errors: decode raw contents, run the session inline, encode.
"""

import asyncio
import sys
from typing import Any

import grpc
import numpy as np

from servespec.wire import proto

from .bare_session import bare_session


async def serve(model: str, port: int) -> None:
    """Serve ModelInfer with one FP32 input, for ever."""
    session = bare_session(model)
    output = session.get_outputs()[0].name

    async def infer(request: proto.ModelInferRequest, _context: Any) -> proto.ModelInferResponse:
        tensor = request.inputs[0]
        array = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(tensor.shape)
        (result,) = session.run([output], {tensor.name: array})
        answer = proto.ModelInferResponse(model_name=request.model_name, id=request.id)
        answer.outputs.add(name=output, datatype="FP32", shape=result.shape)
        answer.raw_output_contents.append(result.tobytes())
        return answer

    handler = grpc.unary_unary_rpc_method_handler(
        infer,
        request_deserializer=proto.ModelInferRequest.FromString,
        response_serializer=proto.ModelInferResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(proto.SERVICE, {"ModelInfer": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
