"""The model as every bare server runs it: as the reference server does by default, on the CPU."""

import onnxruntime

__all__ = ["bare_session"]


def bare_session(model: str) -> onnxruntime.InferenceSession:
    """Load a model file, to be computed by one thread that does not spin."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
