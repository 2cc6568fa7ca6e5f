"""Sentences of real lengths go to a text encoder, and to nobody who does not host one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import parser, save

from ..sending.sentences import LENGTHS, lengths, padded
from ..sending.workloads import workload_of
from .loading import load
from .predicting import predicting

ENCODER = """<ir_version: 8, opset_import: ["" : 17]>
encoder (int64[N, T] input_ids, int64[N, T] attention_mask) => (float[N, T] embedding) {
    kept = Mul (input_ids, attention_mask)
    embedding = Cast <to = 1> (kept)
}"""
TARGET = """
[target]
name = "encoder"

[start]
command = ["{python}", "-m", "servespec.suites.reference_server", "--models", "{here}/models",
  "--http-port", "{http_port}", "--grpc-port", "{grpc_port}"]

[fixtures.minilm]
model = "texts"
inputs = { input_ids = "ids", attention_mask = "mask" }
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_the_lengths_are_those_of_the_table(seed: int) -> None:
    tokens = np.sort(lengths(1000, np.random.default_rng(seed)))

    for share, length in LENGTHS[2:-4]:
        assert tokens[round(share * 1000) - 1] == pytest.approx(length, abs=1)
    assert tokens.mean() == pytest.approx(25.1, abs=0.2)
    assert tokens[0] >= 3
    assert tokens[-1] > 80


def test_what_a_shorter_sentence_lacks_is_padding_that_the_mask_leaves_out() -> None:
    ids, mask = padded([3, 5], np.random.default_rng(1))

    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert {str(ids.dtype), str(mask.dtype)} == {"int64"}
    assert ids[:, 0].tolist() == [101, 101]
    assert (ids[0, 2], ids[1, 4]) == (102, 102)
    assert ids[0, 3:].tolist() == [0, 0]
    assert (ids[1, 1:4] >= 1000).all()


def test_each_request_is_as_wide_as_its_longest_sentence() -> None:
    questions = workload_of("sentences", 1).questions
    rows = [each.request.inputs[1].array for each in questions]

    assert sorted({len(mask) for mask in rows}) == [1, 4]
    assert sum(len(mask) == 4 for mask in rows) == len(rows) / 4
    assert all(mask.sum(axis=1).max() == mask.shape[1] for mask in rows)
    assert len({mask.shape[1] for mask in rows}) > 40


@pytest.mark.parametrize("plane", ["rest", "grpc"])
def test_live_a_server_that_hosts_an_encoder_is_asked_by_its_own_names(
    tmp_path: Path, plane: str
) -> None:
    model = ENCODER.replace("input_ids", "ids").replace("attention_mask", "mask")
    file = tmp_path / "models/texts/1/model.onnx"
    file.parent.mkdir(parents=True)
    save(parser.parse_model(model), file)
    (tmp_path / "target.toml").write_text(TARGET)
    words = ["--target=target.toml", "--workload=sentences", f"--plane={plane}"]
    ended = load(tmp_path, *words, "--profile=smoke", "--seconds=1")

    assert ended.report["summary"]["fates"] == {"answered": 20}, ended.text


def test_live_a_server_without_one_is_refused_by_name_in_one_line() -> None:
    with predicting() as server:
        words = [f"--target-url={server.url}", "--workload=sentences"]
        command = [sys.executable, "-m", "servespec", "load", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--workload sentences: expected a target that hosts minilm, GET " in done.stderr
    assert server.asked == []
