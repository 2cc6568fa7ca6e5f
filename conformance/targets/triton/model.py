"""A Triton Python-backend model that hosts one ONNX file through onnxruntime."""

import json
import runpy
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

Tensors = dict[str, np.ndarray]

encode_utf8 = np.frompyfunc(str.encode, 1, 1)
decode_utf8 = np.frompyfunc(bytes.decode, 1, 1)


class TritonPythonModel:
    """Runs what the dynamic batcher hands over as one batch; onnxruntime judges the values."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the file of this version; what it raises makes Triton call the model unavailable."""
        config = json.loads(args["model_config"])
        model = Path(args["model_repository"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model / args["model_version"] / "model.onnx",
            options,
            providers=["CPUExecutionProvider"],
        )
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        steps = model / "steps.py"
        self._preprocess = runpy.run_path(str(steps))["preprocess"] if steps.exists() else None

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests of one batch, each with its own rows or its own error."""
        if len(requests) > 1:
            try:
                return self._together(requests)
            except Exception:  # one of them is at fault: each is to get its own error
                pb_utils.Logger.log_info("a batch failed; its requests are run one by one")
        return [self._alone(request) for request in requests]

    def _together(self, requests: Sequence[Any]) -> list[Any]:
        feeds = [self._feed(request) for request in requests]
        batch = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        computed = self._run(batch)
        ends = accumulate((len(feed[self._inputs[0]]) for feed in feeds), initial=0)
        return [
            response(request, {name: array[start:end] for name, array in computed.items()})
            for request, (start, end) in zip(requests, pairwise(ends), strict=True)
        ]

    def _alone(self, request: Any) -> Any:
        try:
            return response(request, self._run(self._feed(request)))
        except (InvalidArgument, ValueError) as error:  # the caller's values
            return failure(error, pb_utils.TritonError.INVALID_ARG)
        except Exception as error:  # whatever the model raises is answered as such
            return failure(error, pb_utils.TritonError.INTERNAL)

    def _feed(self, request: Any) -> Tensors:
        arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        feed = {name: as_text(array) for name, array in arrays.items()}
        return self._preprocess(feed) if self._preprocess else feed

    def _run(self, feed: Tensors) -> Tensors:
        return dict(zip(self._outputs, self._session.run(self._outputs, feed), strict=True))


def response(request: Any, computed: Tensors) -> Any:
    """Wrap the outputs that the request asks for; Triton names them all where it asks for none."""
    return pb_utils.InferenceResponse(
        [
            pb_utils.Tensor(name, as_bytes(computed[name]))
            for name in request.requested_output_names()
        ]
    )


def failure(error: Exception, code: Any) -> Any:
    """Wrap an error, which Triton maps to its status codes."""
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))


def as_text(array: np.ndarray) -> np.ndarray:
    """Decode the elements of BYTES: bytes for Triton, UTF-8 text for onnxruntime."""
    return decode_utf8(array) if array.dtype == object else array


def as_bytes(array: np.ndarray) -> np.ndarray:
    """Encode text again."""
    return encode_utf8(array) if array.dtype == object else array
