"""Small models of our own, written as a model repository."""

from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import parser

__all__ = ["MODELS", "write_model", "write_models"]

MODELS: Mapping[str, str] = {
    "echo/1": "(float[N, k] x) => (float[N, k] y) { y = Identity(x) }",
    "echo_bytes/1": "(string[N] x) => (string[N] y) { y = Identity(x) }",
    "echo_fp16/1": "(float16[N, k] x) => (float16[N, k] y) { y = Identity(x) }",
    "echo_bf16/1": "(bfloat16[N, k] x) => (bfloat16[N, k] y) { y = Identity(x) }",
    "fixed/1": "(float[N, 3] x) => (float[N, 3] y) { y = Identity(x) }",
    "pair/1": """(float[N, k] a, float[N, k] b) => (float[N, k] sum, float[N, k] difference) {
        sum = Add(a, b)
        difference = Sub(a, b)
    }""",
    "versioned/2": "(float[N] x) => (float[N] y) { y = Identity(x) }",
    "versioned/10": "(float[N] x) => (float[N] y) { y = Neg(x) }",
    "picky/1": """(float[N] x, int64[1] shape) => (float[M] y) { y = Reshape(x, shape) }""",
    "choosy/1": """(float[7] x, int64[2] shape) => (float[M, N] y) { y = Reshape(x, shape) }""",
    "counts/1": "(int32[N, k] x) => (int32[N, k] y) { y = Identity(x) }",
    "zeros/1": """(int64[1] n) => (float y) {
        zeros = ConstantOfShape(n)
        y = ReduceSum <keepdims = 0> (zeros)
    }""",
    "slow/1": """(int64 turns) => (float[200, 200] y) {
        yes = Constant <value = bool {1}> ()
        size = Constant <value_ints = [200, 200]> ()
        start = ConstantOfShape(size)
        y = Loop (turns, yes, start) <body = g (int64 i, bool go, float[200, 200] a)
            => (bool on, float[200, 200] b) { on = Identity(go)  b = MatMul(a, a) }>
    }""",
}
"""The graph of each `<model>/<version>`; "picky" and "choosy" raise when `shape` does not suit `x`.

"slow" takes some 0.3 ms a turn.
"""

_HEAD = '<ir_version: 8, opset_import: ["" : 17]>'


def write_models(directory: Path, *names: str) -> Path:
    """Write these models, all where none is named; return the directory."""
    for name in names or MODELS:
        write_model(directory / name, MODELS[name])
    return directory


def write_model(folder: Path, graph: str) -> None:
    """Write one version of a model, in place of what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(parser.parse_model(f"{_HEAD} agraph {graph}"), folder / "model.onnx")
