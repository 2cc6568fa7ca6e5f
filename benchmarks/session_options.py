"""The session settings that every bare server shares with the reference server's defaults."""

import onnxruntime

__all__ = ["one_thread"]


def one_thread() -> onnxruntime.SessionOptions:
    """Return options for one computing thread that does not spin."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
