"""A check's own server: started anew, signalled, harmed, and nothing of it is left."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from servespec.target.instance import Instances
from servespec.target.manifest import load
from servespec.target.outcomes import Nonconformance, TargetGone, Untestable
from servespec.target.procfs import Process, resident_bytes
from servespec.target.target import Target

from .scripted import target_at

REFERENCE = """
[target]
name = "reference"
[start]
command = [
  "{python}", "-m", "servespec.suites.reference_server", "--models", "{models}",
  "--http-port", "{http_port}", "--grpc-port", "{grpc_port}",
]
"""
SMALL = """
[target]
name = "small"
[start]
command = ["{python}", "serve.py", "{http_port}", "{models}"]
environment = { ONLY_OURS = "1" }
[chaos]
arguments = ["to-be-harmed"]
kill = ["{python}", "-c", "open('harmed', 'w').write('{http_port}')"]
mend = ["{python}", "-c", "raise SystemExit('no such engine')"]
"""
SERVER = """
import http.server, os, subprocess, sys, time

print(sys.argv[2:], os.environ.get("SERVESPEC_DEFECTS"), flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

subprocess.Popen(["sleep", "1000"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

NOBODY = 9  # the port at which the judged target is not
Judged = Callable[..., Target]


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """A target that is dead, with the file that says how to start another."""

    def target(text: str, *defects: str) -> Target:
        (tmp_path / "serve.py").write_text(SERVER)
        (tmp_path / "target.toml").write_text(text)
        manifest = load(tmp_path / "target.toml")
        instances = Instances(manifest, models=tmp_path / "models", logs=tmp_path / "logs")
        instances.defects = defects
        found = target_at(NOBODY, instances=instances, alive=lambda: "the target is dead")
        found.begin("K8S-TERM-001/one")
        return found

    return target


def log(folder: Path, number: int = 1) -> list[str]:
    return (folder / "logs" / f"target-fresh-{number}.log").read_text().splitlines()


def test_it_serves_the_fixtures_that_were_named_and_no_others(judged: Judged) -> None:
    with judged(REFERENCE).fresh("witness") as instance:
        own = instance.target

        assert (own.has_fixture("witness"), own.has_fixture("row_sum")) == (True, False)
        assert own.probe("ready").status == 200


def test_it_is_signalled_and_its_exit_is_timed_whenever_it_is_asked_for(judged: Judged) -> None:
    with judged(REFERENCE).fresh("witness") as instance:
        instance.signal(signal.SIGTERM)
        told = time.monotonic()
        while instance.alive() is None:
            assert time.monotonic() < told + 20, "it does not end"
        noticed = time.monotonic()
        ending = instance.exit(within=20)

    assert ending.code == 0
    assert 0 < ending.seconds <= noticed - told + 0.1


def test_without_waiting_its_start_can_be_watched(judged: Judged) -> None:
    began = time.monotonic()
    with judged(REFERENCE).fresh("witness", ready=False) as instance:
        assert began < instance.started < time.monotonic()
        assert instance.target.probe("ready").failure is not None, "it cannot be ready yet"
        assert instance.alive() is None
        instance.wait_ready()
        assert instance.target.probe("ready").status == 200


def test_it_is_started_with_more_arguments_and_its_log_can_be_read(judged: Judged) -> None:
    with judged(SMALL).fresh(arguments=["--more", "than the file"]) as instance:
        printed = instance.log.read_text().splitlines()[1]

        assert "'--more', 'than the file'" in printed
        assert all(resident_bytes(process.pid) > 0 for process in instance.processes())


def test_nothing_of_it_is_left_even_when_the_check_fails(judged: Judged) -> None:
    seen: list[Process] = []

    def check() -> None:
        with judged(SMALL).fresh() as instance:
            seen.extend(instance.processes())
            raise Nonconformance

    with pytest.raises(Nonconformance):
        check()

    assert len(seen) == 2
    assert [process for process in seen if Process.read(process.pid)] == []


def test_what_outlives_its_main_process_can_be_seen(judged: Judged) -> None:
    with judged(SMALL).fresh() as instance:
        instance.signal(signal.SIGKILL)

        assert instance.exit(within=5).code == -signal.SIGKILL
        assert len(instance.processes()) == 1


def test_one_that_does_not_exit_in_time_does_not_conform(judged: Judged) -> None:
    with judged(SMALL).fresh() as instance:
        instance.signal(signal.SIGCONT)
        with pytest.raises(Nonconformance, match=r"had not exited 0\.1 s after SIGCONT"):
            instance.exit(within=0.1)


def test_its_death_is_the_checks_to_judge_and_in_its_evidence(judged: Judged) -> None:
    target = judged(SMALL)
    with target.fresh() as instance:
        exchange = instance.target.rest.get("/die")

        assert instance.exit(within=5).code == 3
    assert exchange.failure is not None
    assert "/die" in target.evidence[-1].summary


def test_what_it_is_seen_to_do_is_recorded_for_the_check(judged: Judged) -> None:
    target = judged(SMALL)
    with target.fresh() as instance:
        instance.target.record("exit", "orderly")

    assert target.variants == {"exit": "orderly"}


def test_it_can_be_killed_and_started_again_at_its_address(judged: Judged) -> None:
    with judged(SMALL).fresh() as instance:
        instance.target.rest.get("/").must_succeed()
        first = instance.started
        instance.restart()
        instance.wait_ready()

        assert instance.started > first
        instance.target.rest.get("/").must_succeed()


def test_one_that_does_not_become_ready_does_not_conform(judged: Judged) -> None:
    dead = judged(SMALL.replace("serve.py", "absent.py"))
    with pytest.raises(Nonconformance, match="exited with code 2"), dead.fresh():
        pass


def test_it_is_harmed_by_the_commands_of_its_file(judged: Judged, tmp_path: Path) -> None:
    with judged(SMALL).fresh(harmed=True) as instance:
        instance.harm("kill")

        assert (tmp_path / "harmed").read_text() == str(instance.target.rest.port)
        with pytest.raises(Untestable, match=r"no command \[chaos\] hang"):
            instance.harm("hang")
        with pytest.raises(Untestable, match=r"\[chaos\] mend: .* ended with code 1"):
            instance.harm("mend")
    assert "to-be-harmed" in log(tmp_path)[1]


def test_defects_are_handed_over_at_the_start(judged: Judged, tmp_path: Path) -> None:
    with judged(SMALL, "no-drain").fresh():
        title, said = log(tmp_path)[:2]

    assert title == "# started by K8S-TERM-001/one"
    assert said.endswith("no-drain")


def test_the_models_are_written_once(judged: Judged, tmp_path: Path) -> None:
    target = judged(SMALL)
    with target.fresh("witness", ready=False), target.fresh("witness", ready=False):
        pass
    with target.fresh("row_sum", ready=False):
        pass

    repositories = sorted((tmp_path / "models").iterdir())
    assert [[model.name for model in each.iterdir()] for each in repositories] == [
        ["witness"],
        ["row_sum"],
    ]


def test_without_a_repository_of_ours_it_hosts_what_the_judged_one_hosts(judged: Judged) -> None:
    target = judged(SMALL.replace(', "{models}"', ""))
    with pytest.raises(TargetGone), target.fresh("witness"):
        pass


def test_a_bare_url_has_none(tmp_path: Path) -> None:
    target = target_at(NOBODY)
    with pytest.raises(Untestable, match="need a target file with a start command"), target.fresh():
        pass


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SMALL.replace("{http_port}", "8080") + "[ports]\nhttp = 8080\n", "mention {http_port}"),
        (SMALL.replace("[start]", 'rest = "http://127.0.0.1:8080"\n[start]'), ":8080 is fixed"),
        (SMALL + '[metrics]\nurl = "http://127.0.0.1:9/metrics"\n', "metrics is fixed"),
        (SMALL.replace('"{python}", "serve', '"no-such", "serve'), "found 'no-such'"),
    ],
)
def test_a_server_that_cannot_run_twice_is_untestable(judged: Judged, text: str, why: str) -> None:
    with pytest.raises(Untestable, match="no second server can be started") as caught:
        judged(text).fresh().__enter__()
    assert why in str(caught.value)
