"""Content: media types, and codings of bodies and answers."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import request, tensor
from .writing import echoed, question

UNKNOWN_CODING = "servespec"
ROW = [float(number) for number in range(4096)]


def coded(target: Target, coding: str, body: bytes) -> Exchange:
    """The answer to an inference whose body says that it has a content coding."""
    headers = {"Content-Encoding": coding}
    return target.rest.infer("identity_fp32", body, headers=headers, fresh=True)


def large_answer(target: Target, accepted: str) -> Exchange:
    """The answer with 4096 elements to a client that accepts certain codings."""
    asked = request(tensor("x", "FP32", [1, len(ROW)], ROW))
    exchange = target.rest.infer("identity_fp32", asked, headers={"Accept-Encoding": accepted})
    return exchange.must_succeed()


@requirement("HTTP-006")
@given(media_type=st.sampled_from(["text/plain", "application/xml"]))
def test_a_media_type_that_cannot_be_read_is_415(target: Target, media_type: str) -> None:
    """A client of another format learns that it is not spoken here."""
    headers = {"Content-Type": media_type}
    body = b"<inference/>" if "xml" in media_type else b"1.0 2.0"
    exchange = target.rest.infer("identity_fp32", body, headers=headers, fresh=True)

    exchange.must_answer(415)


@requirement("HTTP-007")
def test_a_coding_that_cannot_be_read_is_415(target: Target) -> None:
    """A client that compresses learns which codings are read here."""
    exchange = coded(target, UNKNOWN_CODING, question(target))

    exchange.must_answer(415)
    assert exchange.header("Accept-Encoding"), "the 415 has no Accept-Encoding"


@requirement("HTTP-008", name="gzip")
def test_gzip_is_decoded_where_it_is_advertised(target: Target) -> None:
    """A client on a slow line sends its body compressed."""
    exchange = coded(target, "gzip", gzip.compress(question(target)))
    if exchange.must_answer_at_all().status != 200:
        advertised = coded(target, UNKNOWN_CODING, question(target)).header("Accept-Encoding") or ""
        if "gzip" not in advertised.lower():
            raise NotApplicable("gzip is not advertised for bodies of requests")

    came = echoed(target, exchange)
    assert came == [[1.0]], f"[[1.0]] in gzip was read as {came}"


@requirement("HTTP-009", name="identity")
@given(accepted=st.sampled_from(["identity", "gzip;q=0, deflate;q=0, br;q=0", "identity, *;q=0"]))
def test_an_answer_is_plain_for_who_accepts_nothing_else(target: Target, accepted: str) -> None:
    """A client without a decoder reads every answer."""
    exchange = large_answer(target, accepted)

    coding = exchange.header("Content-Encoding") or "identity"
    assert coding == "identity", f"{coding} came, accepted is {accepted}"


@requirement("HTTP-009", name="gzip")
def test_an_answer_says_how_it_is_compressed(target: Target) -> None:
    """A client on a slow line gets less bytes, and a cache knows for whom they are."""
    exchange = large_answer(target, "gzip")

    coding = (exchange.header("Content-Encoding") or "identity").lower()
    assert coding in ("gzip", "x-gzip", "identity"), f"{coding} came, accepted is gzip"
    assert exchange.values("y") == ROW, "the answer is not what was sent"
    target.record("an answer to Accept-Encoding: gzip", coding)
    if coding != "identity":
        varies = (exchange.header("Vary") or "nothing").lower()
        assert "accept-encoding" in varies or "*" in varies, f"Vary names {varies}"
