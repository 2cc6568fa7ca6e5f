"""The target as a whole: what it hosts, claims and lists, and what a check leaves behind."""

import pytest

from ..outcomes import Nonconformance, NotApplicable, Untestable
from ..sections import Metrics, Probes
from ..target import Target
from .scripted import OK, answering, asked, ok, scripted, target_at

METADATA = ok(b'{"name": "s", "version": "1", "extensions": ["binary_tensor_data"]}')
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def nowhere() -> Target:
    claims = {"batching": {"max_rows": 8}}
    return Target(None, None, fixtures={}, claims=claims, headers={}, tls=None, alive=lambda: None)


def test_metadata_is_asked_once() -> None:
    with asked(answering(METADATA)) as target:
        assert target.metadata()["name"] == "s"
        assert target.extensions == {"binary_tensor_data"}


def test_metadata_that_is_refused_is_asked_again() -> None:
    with asked(answering(MISSING, METADATA)) as target:
        with pytest.raises(Nonconformance, match="answered 404"):
            target.metadata()
        assert target.metadata()["version"] == "1"


def test_a_hosted_fixture_is_asked_for_once() -> None:
    with asked(answering(OK)) as target:
        assert target.has_fixture("witness")
        assert target.fixture("witness").model == "witness"


def test_a_model_that_is_ready_is_hosted_whatever_its_metadata() -> None:
    with asked(answering(MISSING, OK)) as target:
        assert target.has_fixture("witness")


def test_a_missing_fixture_may_appear_later() -> None:
    with asked(answering(MISSING, MISSING, OK)) as target:
        assert not target.has_fixture("witness")
        assert target.has_fixture("witness")


def test_a_name_that_is_no_fixture_is_our_mistake() -> None:
    with pytest.raises(LookupError, match="identity_fp33 is none of the fixtures"):
        nowhere().has_fixture("identity_fp33")


def test_a_plane_that_is_not_served_is_untestable() -> None:
    with pytest.raises(Untestable, match="no REST address"):
        _ = nowhere().rest
    with pytest.raises(Untestable, match="no gRPC address"):
        _ = nowhere().grpc


def test_claims_are_read_by_profile() -> None:
    assert nowhere().claim("batching", "max_rows") == 8
    assert nowhere().claim("overload", "concurrency", 16) == 16


def test_probes_and_metrics_are_asked_at_the_rest_url() -> None:
    with asked(answering(OK), answering(OK)) as target:
        target.probe("live").must_succeed()
        target.scrape().must_succeed()
    assert [evidence.summary.split()[1][-8:] for evidence in target.evidence] == [
        "lth/live",
        "/metrics",
    ]


def test_probes_and_metrics_may_have_an_address_of_their_own() -> None:
    with scripted(answering(OK), answering(OK)) as port:
        door = f"http://127.0.0.1:{port}"
        probes = Probes(url=door, startup="/startupz")
        target = target_at(9, probes=probes, metrics=Metrics(url=f"{door}/stats"))

        assert target.probe("startup").must_succeed().request.url == f"{door}/startupz"
        scraped = target.scrape("application/openmetrics-text").must_succeed().request
    assert scraped.url == f"{door}/stats"
    assert ("Accept", "application/openmetrics-text") in scraped.headers


def test_a_startup_probe_that_the_file_does_not_name_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match="no startup probe"):
        nowhere().probe("startup")


def test_a_kubelet_has_no_credentials_and_says_who_it_is() -> None:
    with scripted(answering(OK)) as port:
        target = target_at(port, headers={"Authorization": "Bearer secret"})
        sent = dict(target.as_kubelet().probe("live").must_succeed().request.headers)

    assert "Authorization" not in sent
    assert sent["User-Agent"].startswith("kube-probe/")


def test_each_check_begins_with_nothing_seen() -> None:
    with asked(answering(OK, OK)) as target:
        target.rest.get("/one")
        target.record("data", "nested")
        target.begin("next")
        target.rest.get("/two")
    assert target.variants == {}
    assert [evidence.summary.split()[1][-4:] for evidence in target.evidence] == ["/two"]


def test_connections_are_opened_anew_after_a_close() -> None:
    with asked(answering(OK), answering(OK)) as target:
        target.rest.get("/")
        target.close()
        assert target.rest.get("/").must_succeed().note == ""
