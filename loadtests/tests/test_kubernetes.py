"""The manifests for a cluster say what Locust and our own options understand, and agree.

There is no cluster here: what a pod would run is run as it stands, on this machine.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from servespec.target.manifest import load
from servespec.target.process import free_port

LOADTESTS = Path(__file__).parents[1]
FILE = LOADTESTS / "kubernetes/load-test.yaml"
SECONDS = 60.0


@pytest.fixture(scope="module")
def found() -> Mapping[tuple[str, str], Any]:
    """The objects by kind and name."""
    documents = list(yaml.safe_load_all(FILE.read_text()))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def pod(found: Mapping[tuple[str, str], Any], job: str) -> Any:
    return found["Job", job]["spec"]["template"]


def container(found: Mapping[tuple[str, str], Any], job: str) -> Any:
    (only,) = pod(found, job)["spec"]["containers"]
    return only


def options(found: Mapping[tuple[str, str], Any], job: str) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in container(found, job)["args"])


def test_the_locustfile_is_ours_and_the_target_file_can_be_read(
    found: Mapping[tuple[str, str], Any], tmp_path: Path
) -> None:
    data = found["ConfigMap", "load-test"]["data"]
    (tmp_path / "target.toml").write_text(data["target.toml"])
    target = load(tmp_path / "target.toml")

    assert data["locustfile.py"] == (LOADTESTS / "locustfile.py").read_text()
    assert target.target.rest == options(found, "load-master")["--host"]
    assert len(target.objectives) == 2


def test_master_service_and_workers_find_one_another(
    found: Mapping[tuple[str, str], Any],
) -> None:
    service = found["Service", "load-master"]["spec"]
    (port,), (opened,) = service["ports"], container(found, "load-master")["ports"]
    master, worker = options(found, "load-master"), options(found, "load-workers")

    assert worker["--master-host"] == "load-master"
    ports = {port["port"], opened["containerPort"]}
    assert ports == {int(worker["--master-port"]), int(master["--master-bind-port"])}
    assert len(ports) == 1
    assert port["targetPort"] == opened["name"]
    labels = pod(found, "load-master")["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    others = pod(found, "load-workers")["metadata"]["labels"]
    assert not service["selector"].items() <= others.items()


def test_as_many_workers_are_expected_as_come(found: Mapping[tuple[str, str], Any]) -> None:
    workers = found["Job", "load-workers"]["spec"]

    assert workers["parallelism"] == workers["completions"]
    assert int(options(found, "load-master")["--expect-workers"]) == workers["parallelism"]


@pytest.mark.parametrize("job", ["load-master", "load-workers"])
def test_every_file_that_is_named_is_mounted(
    found: Mapping[tuple[str, str], Any], job: str
) -> None:
    mounts = {each["mountPath"]: each["name"] for each in container(found, job)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(found, job)["spec"]["volumes"]}
    data = found["ConfigMap", "load-test"]["data"]

    assert set(mounts.values()) == set(volumes)
    for value in options(found, job).values():
        if value.startswith("/"):
            folder, _, name = value.rpartition("/")
            assert folder in mounts
            assert "configMap" not in volumes[mounts[folder]] or name in data


@pytest.fixture
def null_server() -> Iterator[str]:
    command = [sys.executable, "-m", "loadtests.calibration.null_server", "rest"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.communicate()  # the end of its input is its end


def test_live_what_the_pods_run_is_a_load_test(
    found: Mapping[tuple[str, str], Any], tmp_path: Path, null_server: str
) -> None:
    for name, text in found["ConfigMap", "load-test"]["data"].items():
        (tmp_path / name).write_text(text)
    port = str(free_port())
    here = {"/load/": f"{tmp_path}/", "/reports/": f"{tmp_path}/", "5557": port}
    here |= {"=load-master": "=127.0.0.1", "http://model.default.svc:8000": null_server}

    def command(job: str, *more: str) -> list[str]:
        text = "\n".join(container(found, job)["args"])
        for there, ours in here.items():
            text = text.replace(there, ours)
        return [sys.executable, "-m", *container(found, job)["command"], *text.split("\n"), *more]

    smaller = ["--expect-workers=2", "--rate=100", "--seconds=1", "--slo=p50 < 1s"]
    master = subprocess.Popen(command("load-master", *smaller))
    workers = [subprocess.Popen(command("load-workers")) for _ in range(2)]
    try:
        codes = [each.wait(SECONDS) for each in (master, *workers)]
    finally:
        for each in (master, *workers):
            each.kill()
            each.wait()
    report = json.loads((tmp_path / "load.json").read_text())

    assert codes == [0, 0, 0]
    assert report["verdict"] == "PASS"
    assert len(report["calibrations"]) == 2
