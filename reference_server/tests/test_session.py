"""Model files in onnxruntime."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ..errors import Interrupted, LoadError
from ..session import Session, open_session
from ..signature import SharedDimension, Work
from .models import write_models

Opener = Callable[[str], Session]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Open one of our models on the CPU."""

    def opener(name: str) -> Session:
        path = write_models(tmp_path, name) / name / "model.onnx"
        return open_session(path, ["CPUExecutionProvider"], 1)

    return opener


def test_the_signature_has_names_datatypes_and_variable_dimensions(opened: Opener) -> None:
    session = opened("pair/1")
    assert session.providers == ("CPUExecutionProvider",)
    assert [(t.name, t.datatype, t.shape) for t in session.signature.inputs.values()] == [
        ("a", "FP32", (-1, -1)),
        ("b", "FP32", (-1, -1)),
    ]
    assert session.signature.shared == (
        SharedDimension("N", (("a", 0), ("b", 0))),
        SharedDimension("k", (("a", 1), ("b", 1))),
    )


@pytest.mark.parametrize(
    ("model", "array"),
    [
        ("echo/1", np.array([[1.5, -0.0]], "<f4")),
        ("echo_fp16/1", np.array([[1.5, 65504.0]], "<f2")),
        ("echo_bf16/1", np.array([[0x3F80, 0xFFFF]], "<u2")),
        ("echo_bf16/1", np.zeros((0, 3), "<u2")),
        ("echo_bytes/1", np.array([b"a", b"", "\0é😀".encode()], object)),
    ],
    ids=["fp32", "fp16", "bf16", "bf16-empty", "bytes"],
)
def test_tensors_of_every_kind_come_back_as_they_went_in(
    opened: Opener, model: str, array: np.ndarray
) -> None:
    (result,) = opened(model).run(Work({"x": array}, ("y",)))
    assert (result.dtype, result.shape) == (array.dtype, array.shape)
    assert result.tolist() == array.tolist()


def test_only_the_wanted_outputs_are_computed_in_their_order(opened: Opener) -> None:
    three, one = np.full((1, 1), 3, "<f4"), np.full((1, 1), 1, "<f4")
    results = opened("pair/1").run(Work({"a": three, "b": one}, ("difference", "sum")))
    assert [float(result[0, 0]) for result in results] == [2.0, 4.0]


def test_terminating_ends_what_runs(opened: Opener) -> None:
    session = opened("slow/1")
    endless = Work({"turns": np.array(10**9)}, ("y",))
    raised = list[Exception]()

    def run() -> None:
        try:
            session.run(endless)
        except Exception as error:
            raised.append(error)

    thread = Thread(target=run)
    thread.start()
    session.terminate()
    thread.join(10)
    assert isinstance(raised[0], Interrupted)


def test_ending_a_run_late_ends_no_later_one(opened: Opener) -> None:
    session = opened("echo/1")
    end_the_first, _ = session.begin(), session.begin()
    end_the_first()
    (result,) = session.run(Work({"x": np.ones((1, 1), "<f4")}, ("y",)))
    assert float(result[0, 0]) == 1.0


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LoadError) as caught:
        open_session(path, ["CPUExecutionProvider"], 1)
    assert "\n" not in str(caught.value)
