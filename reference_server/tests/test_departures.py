"""Callers who leave before their work runs: the engine is free for those who stay."""

import socket
import struct
from http.client import HTTPConnection

import grpc
import pytest

from servespec.wire import proto

from .serving import Served, tensor

ENDLESS = 10**9
ONE_TURN = tensor("turns", [], [1], "INT64")


def abort(connection: HTTPConnection) -> None:
    """Have the connection reset when it is closed."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_an_expired_call_is_dropped_from_the_queue(served: Served) -> None:
    turns = proto.ModelInferRequest.InferInputTensor(name="turns", datatype="INT64")
    turns.contents.int64_contents.append(ENDLESS)
    endless = proto.ModelInferRequest(model_name="slow", inputs=[turns])
    with served.slow(turns=2_000) as first:
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            served.call("ModelInfer", endless, seconds=0.1)
        assert first.getresponse().status == 200
    assert served.infer("slow", ONE_TURN).status_code == 200


def test_a_request_whose_connection_is_aborted_is_dropped_from_the_queue(served: Served) -> None:
    with served.slow(turns=2_000) as first:
        with served.slow(turns=ENDLESS) as endless:
            abort(endless)
        assert first.getresponse().status == 200
    assert served.infer("slow", ONE_TURN).status_code == 200
