"""Serve a repository of ONNX models with KServe's model server, the newest version of each."""

import argparse
import asyncio
import runpy
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from kserve import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelServer,
    model_server,
)
from kserve.errors import InferenceError, InvalidInput
from kserve.logging import logger
from kserve.utils.numpy_codec import from_np_dtype
from kserve.utils.utils import generate_uuid
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

NUMPY_NAMES = {"float": "float32", "double": "float64", "string": "object"}


class OnnxModel(Model):
    """Binds tensors by name; onnxruntime judges names, datatypes and shapes."""

    def __init__(self, name: str, file: Path):
        super().__init__(name)
        self.file = file

    def load(self) -> bool:
        """Open the file, and the model's steps where it has any.

        Raises:
            TypeError: KServe has no datatype for one of the tensors.
        """
        steps = self.file.parent.parent / "steps.py"
        self.step = runpy.run_path(str(steps))["preprocess"] if steps.exists() else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.file, options, providers=["CPUExecutionProvider"]
        )
        self.input_types = [described(value) for value in self.session.get_inputs()]
        self.output_types = [described(value) for value in self.session.get_outputs()]
        self.ready = True
        return self.ready

    def get_input_types(self) -> list[dict]:
        """Return the inputs of the model's metadata."""
        return self.input_types

    def get_output_types(self) -> list[dict]:
        """Return the outputs of the model's metadata."""
        return self.output_types

    async def preprocess(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> InferRequest:
        """Replace the tensors by what the model's step makes of them, in a thread of its own."""
        if self.step and isinstance(payload, InferRequest):
            try:
                tensors = await asyncio.to_thread(self.step, decoded(payload.inputs))
            except ValueError as error:  # the step's way of refusing what it is given
                raise InvalidInput(str(error)) from error
            for tensor in payload.inputs:
                tensor.set_data_from_numpy(tensors[tensor.name], binary_data=False)
        return payload

    async def predict(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> InferResponse:
        """Run the session for the requested outputs, or for all of them."""
        if not isinstance(payload, InferRequest):
            raise InvalidInput("this model answers the Open Inference Protocol only")
        names = [output.name for output in payload.request_outputs or self.session.get_outputs()]
        arrays = await asyncio.to_thread(self._run, names, decoded(payload.inputs))
        return InferResponse(
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=[
                encoded(name, array, payload.use_binary_outputs)
                for name, array in zip(names, arrays, strict=True)
            ],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def _run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            texts = {name: as_text(array) for name, array in feed.items()}
            return self.session.run(names, texts)
        except (InvalidArgument, ValueError) as error:  # what onnxruntime raises for bad arguments
            raise InvalidInput(str(error)) from error


def described(value: onnxruntime.NodeArg) -> dict[str, object]:
    """Render an input or output of an ONNX model in KServe's terms; -1 for a free dimension."""
    element = value.type.removeprefix("tensor(").removesuffix(")")
    datatype = from_np_dtype(np.dtype(NUMPY_NAMES.get(element, element)))
    if datatype is None:
        raise TypeError(f"no datatype for {value.type}")
    shape = [size if isinstance(size, int) else -1 for size in value.shape]
    return {"name": value.name, "datatype": datatype, "shape": shape}


def decoded(tensors: Sequence[InferInput]) -> dict[str, np.ndarray]:
    """Decode the inputs of a request.

    Raises:
        InvalidInput: an input is given twice, or has a datatype that KServe does not know.
        InferenceError: the codec fails otherwise; KServe's own runtimes report it so.
    """
    arrays: dict[str, np.ndarray] = {}
    for tensor in tensors:
        if tensor.name in arrays:
            raise InvalidInput(f"input {tensor.name} is given twice")
        try:
            arrays[tensor.name] = tensor.as_numpy()
        except (ValueError, TypeError, OverflowError, struct.error) as error:
            raise InferenceError(str(error)) from error
    return arrays


def encoded(name: str, array: np.ndarray, binary: bool) -> InferOutput:
    """Wrap an array as KServe's own runtimes do."""
    output = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
    output.set_data_from_numpy(array, binary_data=binary)
    return output


def as_text(array: np.ndarray) -> np.ndarray:
    """Decode the elements of BYTES: bytes or str for KServe, UTF-8 text for onnxruntime.

    Raises:
        ValueError: an element is not UTF-8, or neither bytes nor str.
    """
    if array.dtype != object:
        return array
    texts = [item.decode() if isinstance(item, bytes) else item for item in array.flat]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an element of BYTES is no string")  # onnxruntime would print it
    return np.array(texts, dtype=object).reshape(array.shape)


def load(models: Path) -> list[OnnxModel]:
    """Load the highest version of every model: KServe's server has one version of each."""
    loaded = []
    for folder in sorted({file.parent.parent for file in models.glob("*/*/model.onnx")}):
        newest = max(folder.glob("*/model.onnx"), key=lambda file: int(file.parent.name))
        model = OnnxModel(folder.name, newest)
        try:
            model.load()
        except TypeError as error:
            logger.warning("not hosted: %s: %s", folder.name, error)
        else:
            loaded.append(model)
    return loaded


def main() -> None:
    """Parse KServe's own options beside the folder of models, load, and serve."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[model_server.parser])
    parser.add_argument("models", type=Path)
    ModelServer().start(load(parser.parse_args().models))


if __name__ == "__main__":
    main()
