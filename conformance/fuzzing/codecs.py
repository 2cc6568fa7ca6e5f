"""The codecs under a coverage-guided fuzzer: a message, or a `WireError`, and nothing else.

`python -m conformance.fuzzing.codecs FOLDER -runs=N -seed=S`: the folder gets what to begin with
and what reached more code; the options are libFuzzer's. What escapes ends the run with another exit
code than 0, and its bytes are in a file `crash-...`.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["main"]

_JSON, _SPLIT, _TAIL, _PROTO = b"\0\0", b"\x70", b"\x30\0", b"\xd0\0"
"""How the first byte says that the rest is read, and a second one."""
_BINARY = (
    b'{"inputs":[{"name":"x","shape":[2],"datatype":"UINT8",'
    b'"parameters":{"binary_data_size":2}}],"outputs":[{"name":"y"}]}'
)

_WORDS = (
    *(
        ",1",
        "[1,1]",
        "[]",
        "{}",
        "null",
        "true",
        "-1",
        "1.5",
        "1e999",
        "[0]",
        "18446744073709551616",
    ),
    *(r"\"NaN\"", r"\"x\":", r",\"data\":[", r",\"shape\":[", r"\"parameters\":{", "BOOL", "BYTES"),
    *(
        r"binary_data_size\":",
        r"\\ud800",
        r"\xff\xff\xff\xff",
        r"\xff\xff\xff\x7f",
        r"\xef\xbb\xbf",
    ),
)
"""What is worth to be put somewhere, as libFuzzer's dictionaries write it."""


def main(arguments: Sequence[str]) -> None:
    """Fuzz until the count is reached; does not come back."""
    import atheris

    with atheris.instrument_imports(include=["servespec.wire"]):
        one = _target()  # the first to import them
    for number, seed in enumerate(_seeds()):
        Path(arguments[0], f"seed-{number}").write_bytes(seed)
    words = Path(arguments[0]).with_suffix(".dict")
    words.write_text("".join(f'"{word}"\n' for word in _WORDS))
    atheris.Setup([sys.argv[0], *arguments, f"-dict={words}"], one)
    atheris.Fuzz()


def _seeds() -> Iterator[bytes]:
    from servespec.wire import proto as pb
    from servespec.wire.datatypes import DATATYPES

    for name, datatype in DATATYPES.items():
        entry = b'{"name":"x","shape":[1],"datatype":"%b","data":[%b]}'
        element = {"BYTES": b'"a"', "BOOL": b"true"}.get(name, b"1")
        yield _JSON + b'{"id":"1","inputs":[%b]}' % (entry % (name.encode(), element))
        x = pb.ModelInferRequest.InferInputTensor(name="x", datatype=name, shape=[1])
        raw = bytes(datatype.size or 4)
        message = pb.ModelInferRequest(model_name="m", inputs=[x], raw_input_contents=[raw])
        yield _PROTO + message.SerializeToString()
    yield _SPLIT + bytes([len(_BINARY)]) + _BINARY + b"ab"
    yield _TAIL + b"ab"


def _target() -> Callable[[bytes], None]:
    from google.protobuf.message import DecodeError

    from servespec.wire import grpc, rest
    from servespec.wire.messages import WireError
    from servespec.wire.proto import ModelInferRequest

    def one(data: bytes) -> None:
        how, length, body = data[:1], data[1:2], data[2:]
        with suppress(WireError, DecodeError):
            if how > b"\xc0":
                grpc.decode_request(ModelInferRequest.FromString(body))
            elif how > b"\x60":
                rest.decode_request("m", "", body, header_length=length[0] if length else 0)
            elif how > b"\x20":
                rest.decode_request("m", "", _BINARY + body, header_length=len(_BINARY))
            else:
                rest.decode_request("m", "", body, header_length=None)

    return one


if __name__ == "__main__":
    main(sys.argv[1:])
