"""An MLServer runtime that hosts one ONNX file through onnxruntime."""

import asyncio
import runpy
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, RequestOutput
from mlserver.utils import get_model_uri
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

# onnxruntime answers text, MLServer's codecs send BYTES; numpy's own string types drop final NULs.
encode_utf8 = np.frompyfunc(str.encode, 1, 1)


class OnnxModel(MLModel):
    """Binds tensors by name; onnxruntime judges names, datatypes and shapes."""

    async def load(self) -> bool:
        """Open the file that `parameters.uri` names, and the model's steps where it has any."""
        file = Path(await get_model_uri(self.settings))
        steps = file.parent.parent / "steps.py"
        self._preprocess = runpy.run_path(str(steps))["preprocess"] if steps.exists() else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run the session for the requested outputs, or for all of them."""
        feed: dict[str, np.ndarray] = {}
        for tensor in payload.inputs:
            if tensor.name in feed:
                raise InferenceError(f"input {tensor.name} is given twice")
            feed[tensor.name] = self._decoded(tensor)
        requested = payload.outputs or [
            RequestOutput(name=output.name) for output in self._session.get_outputs()
        ]
        prepared = await asyncio.to_thread(self._prepared, feed) if self._preprocess else feed
        arrays = self._run([output.name for output in requested], prepared)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                self.encode(array, output, default_codec=NumpyCodec)
                for array, output in zip(arrays, requested, strict=True)
            ],
        )

    def _decoded(self, tensor: RequestInput) -> np.ndarray:
        if tensor.datatype != "BYTES":
            return self.decode(tensor, default_codec=NumpyCodec)
        texts = self.decode(tensor, default_codec=StringCodec)  # a flat list, whatever the shape
        if not all(isinstance(text, str | bytes) for text in texts):  # onnxruntime would print it
            raise InferenceError(f"input {tensor.name}: an element of BYTES is no string")
        try:
            return np.array(texts, dtype=object).reshape(tensor.shape)
        except ValueError as error:
            raise InferenceError(f"input {tensor.name}: {error}") from error

    def _prepared(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._preprocess(feed)
        except ValueError as error:  # the step's way of refusing what it is given
            raise InferenceError(str(error)) from error

    def _run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            arrays = self._session.run(names, feed)
        except (InvalidArgument, ValueError) as error:  # what onnxruntime raises for bad arguments
            raise InferenceError(str(error)) from error
        return [encode_utf8(array) if array.dtype == object else array for array in arrays]
