"""Evidence: what a person reads, repeats, and may show to others."""

import shlex
import subprocess

from ..evidence import Evidence, Journal
from ..exchange import Exchange, Request

URL = "http://127.0.0.1:8000/v2/x"


def evidence_of(exchange: Exchange, *secrets: tuple[str, str]) -> Evidence:
    journal = Journal(lambda: None, secrets)
    journal.saw(exchange)
    return journal.kept[0]


def post(body: bytes, *headers: tuple[str, str]) -> Exchange:
    return Exchange(Request("POST", URL, headers, body), 200, body=b"{}")


def printed(command: str) -> bytes:
    """What the part before the last pipe writes."""
    return subprocess.run(["sh", "-c", command.rpartition(" | ")[0]], stdout=-1, check=True).stdout


def test_a_small_text_stands_in_the_command() -> None:
    words = shlex.split(evidence_of(post(b"""{"it's": "$x"}""", ("A", "b"))).command)
    assert words[words.index("--data-binary") + 1] == """{"it's": "$x"}"""
    assert words[words.index("A: b") - 1] == "-H"


def test_bytes_are_piped_into_the_command() -> None:
    body = b"@\x00\xff'\n"
    assert printed(evidence_of(post(body)).command) == body


def test_a_long_body_is_cut_everywhere() -> None:
    evidence = evidence_of(post(b"x" * 100_000))
    assert "100000 bytes" in evidence.request
    assert "100000 bytes" in evidence.command
    assert len(evidence.request) + len(evidence.command) < 5000


def test_hand_written_bytes_are_printed_exactly() -> None:
    sent = b"GET / HTTP/1.1\r\nX: 100%\\'\x00\xff\r\n\r\n"
    evidence = evidence_of(Exchange(Request("", URL, body=sent), failure="no answer within 5 s"))
    assert printed(evidence.command) == sent
    assert evidence.command.endswith(" | nc 127.0.0.1 8000")
    assert evidence.answer == "no answer within 5 s"


def test_secrets_appear_nowhere() -> None:
    headers = (("Authorization", "Bearer one"), ("X-Key", "two;;"), ("Cookie", "three"))
    by_hand = b"GET / HTTP/1.1\r\nauthorization:one\r\nX-KEY: other-two\r\n\r\n"
    answer = Exchange(
        Request("POST", URL, headers, b"{}"), 200, (("Set-Cookie", "three"),), b"two;;"
    )
    texts = f"{evidence_of(answer, ('X-Key', 'two;;'))}" + str(
        evidence_of(Exchange(Request("", URL, body=by_hand)), ("X-Key", "two;;"))
    )
    assert not [secret for secret in ("one", "two", "three") if secret in texts]
    assert "<redacted>" in texts


def test_only_the_last_exchanges_are_kept_and_the_others_counted() -> None:
    journal = Journal(lambda: None, ())
    for number in range(25):
        journal.saw(post(b"%d" % number))
    assert (len(journal.kept), journal.omitted) == (20, 5)
    assert journal.kept[-1].request.endswith("24")
    journal.begin()
    assert (journal.kept, journal.omitted) == ([], 0)
