"""Tensor Data of the datatype BYTES: strings of JSON, and what strings cannot carry."""

import base64

from hypothesis import example, given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..malformed import written
from ..strategies import binary_request, request, tensor

NOT_UTF8 = b"a\xffb"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)


def _echo(target: Target, *texts: str) -> Exchange:
    asked = request(tensor("x", "BYTES", [len(texts), 1], texts))
    return target.rest.infer("identity_bytes", asked)


@requirement("OIP-REST-DATA-022")
def test_elements_of_bytes_are_strings_of_different_lengths(target: Target) -> None:
    """A client sends words, and none of them is padded or cut to the others' length."""
    exchange = _echo(target, "a", "bcd", "")

    came = exchange.must_succeed().values("y")
    assert came == ["a", "bcd", ""], f"'a', 'bcd' and '' came back as {came}"


@requirement("OIP-REST-DATA-023")
@given(text=TEXTS)
@example("é")
@example("😀")
@example("a\0b")
def test_text_of_every_language_survives(target: Target, text: str) -> None:
    """A client may send whatever text its users write."""
    exchange = _echo(target, text)

    came = exchange.must_succeed().values("y")
    assert came == [text], f"{text!r} came back as {came}"


@requirement("OIP-REST-DATA-024")
def test_what_becomes_of_bytes_that_are_no_text(target: Target) -> None:
    """A client that asks for JSON knows what it reads where the bytes are no UTF-8."""
    x = target.fixture("identity_bytes").tensor("x")
    raw = len(NOT_UTF8).to_bytes(4, "little") + NOT_UTF8
    exchange = target.rest.infer("identity_bytes", **binary_request(x, "BYTES", [1, 1], raw))

    target.record("BYTES that are no UTF-8", _form(exchange))


def _form(exchange: Exchange) -> str:
    if exchange.must_answer_at_all().status != 200:
        return f"refused with {exchange.status}"
    if NOT_UTF8 in exchange.body:
        return "as they are: the answer is not UTF-8"
    came = exchange.values("y")
    forms = {
        base64.b64encode(NOT_UTF8).decode(): "base64",
        NOT_UTF8.decode(errors="replace"): "replaced",
        NOT_UTF8.decode(errors="surrogateescape"): "a lone surrogate",
        NOT_UTF8.decode("latin-1"): "Latin-1",
    }
    form = next((name for text, name in forms.items() if came == [text]), "")
    assert form, f"{NOT_UTF8!r} came back as {came}"
    return form


@requirement("OIP-REST-DATA-025", name="surrogate")
def test_a_lone_surrogate_is_refused(target: Target) -> None:
    """Half a character is no text."""
    x = target.fixture("identity_bytes").tensor("x")
    body = written(x, "BYTES", [1, 1], '["\\ud800"]')
    exchange = target.rest.infer("identity_bytes", body, fresh=True)

    exchange.must_be_client_error()


@requirement("OIP-REST-DATA-025", name="body")
def test_a_body_that_is_not_utf8_is_refused(target: Target) -> None:
    """JSON is UTF-8: what is not is an accident on the way."""
    x = target.fixture("identity_bytes").tensor("x")
    body = written(x, "BYTES", [1, 1], '["?"]').replace(b"?", b"\xc3\x28")
    exchange = target.rest.infer("identity_bytes", body, fresh=True)

    exchange.must_be_client_error()
