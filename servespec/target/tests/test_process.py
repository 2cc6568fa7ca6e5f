"""A started target is watched while it runs, and nothing of it is left at the end."""

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from servespec.target.leftovers import Run, current_run, sweep
from servespec.target.manifest import load
from servespec.target.process import StartError, TargetProcess, free_port
from servespec.target.procfs import Process, command

SERVER = """
import http.server, os, signal, subprocess, sys, time

PORT, BEHAVIOUR = int(sys.argv[1]), sys.argv[2:]
print("the server says hello", flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/v2/health/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

if "daemon" in BEHAVIOUR and os.fork() == 0:
    os.setsid()
    clear = ["env", "-i"] if "forgetful" in BEHAVIOUR else []
    subprocess.Popen([*clear, "sleep", "1000"])
    os._exit(0)
if "worker" in BEHAVIOUR:
    subprocess.Popen(["sleep", "1000"])
if "stubborn" in BEHAVIOUR:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "silent" in BEHAVIOUR:
    time.sleep(1000)
if "failing" in BEHAVIOUR:
    sys.exit("no licence found")
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TargetProcess]]:
    """Starts a server with the behaviours named; does not wait until it is ready."""
    started: list[TargetProcess] = []

    def begin(*behaviour: str, port: int = 0, ready: float = 10, stop: float = 5) -> TargetProcess:
        file = described(tmp_path, behaviour, port=port, ready=ready, stop=stop)
        started.append(
            TargetProcess.start(load(file), models=tmp_path, log=tmp_path / "logs" / "target.log")
        )
        return started[-1]

    yield begin
    for process in started:
        process.stop()


def described(
    folder: Path, behaviour: tuple[str, ...], *, port: int = 0, ready: float = 10, stop: float = 5
) -> Path:
    """A target file for such a server, and the server beside it."""
    (folder / "serve.py").write_text(SERVER)
    words = ", ".join(f'"{word}"' for word in ("{python}", "serve.py", "{http_port}", *behaviour))
    file = folder / "target.toml"
    file.write_text(
        f'[target]\nname = "small"\n[start]\ncommand = [{words}]\n'
        f"ready_seconds = {ready}\nstop_seconds = {stop}\n[ports]\nhttp = {port}\n"
    )
    return file


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for what another process is about to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def asleep(process: TargetProcess) -> list[Process]:
    """The target's `sleep` processes, once there is one."""
    found: list[Process] = []

    def some() -> list[Process]:
        found[:] = [p for p in process.processes() if command(p.pid).startswith("sleep ")]
        return found

    until(some)
    return found


def test_it_is_ready_when_it_answers(start: Callable[..., TargetProcess]) -> None:
    process = start()
    process.wait_ready()

    assert process.alive() is None
    assert process.addresses.rest is not None
    assert httpx.get(f"{process.addresses.rest}/v2/health/ready").status_code == 200
    assert "the server says hello" in process.log.read_text()


def test_chosen_ports_are_below_those_of_clients() -> None:
    port = free_port()

    assert 10_000 <= port < 32_768
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))


def test_a_killed_target_is_noticed_with_the_signal(start: Callable[..., TargetProcess]) -> None:
    process = start()
    process.wait_ready()
    process.signal(signal.SIGKILL)
    until(process.alive)

    assert re.fullmatch(
        r"the target was killed by SIGKILL \d+\.\d s after its start", str(process.alive())
    )


def test_a_dead_target_can_be_started_again_at_the_same_address(
    start: Callable[..., TargetProcess],
) -> None:
    process = start("worker")
    process.wait_ready()
    address, worker = process.addresses.rest, asleep(process)[0]
    process.signal(signal.SIGKILL)
    until(process.alive)
    process.restart()

    assert (process.alive(), process.addresses.rest) == (None, address)
    assert not worker.is_running()


def test_death_before_readiness_is_told_at_once_with_the_last_words(
    start: Callable[..., TargetProcess],
) -> None:
    with pytest.raises(StartError) as caught:
        start("failing").wait_ready()

    sentence, *log = str(caught.value).splitlines()
    assert re.fullmatch(
        r"the target exited with code 1, \d\.\d s after its start, before it was ready", sentence
    )
    assert log[-1] == "no licence found"


GRPC_SERVER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import grpc

began = time.monotonic()

class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method != "/inference.GRPCInferenceService/ServerReady":
            return None
        ready = time.monotonic() - began > 0.3
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"\\x08\\x01" if ready else b"")

server = grpc.server(ThreadPoolExecutor(1), handlers=[Handler()])
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
"""


def test_a_server_without_rest_is_ready_when_it_says_so_over_grpc(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(GRPC_SERVER)
    file = tmp_path / "target.toml"
    command = '["{python}", "{here}/serve.py", "{grpc_port}"]'
    file.write_text(f'[target]\nname = "x"\n[start]\ncommand = {command}\n')

    with TargetProcess.start(load(file), models=tmp_path, log=tmp_path / "log") as process:
        began = time.monotonic()
        process.wait_ready()

        assert time.monotonic() - began > 0.3
        assert (process.addresses.rest, process.alive()) == (None, None)


def test_waiting_for_readiness_ends(start: Callable[..., TargetProcess]) -> None:
    process = start("silent", ready=0.3)
    began = time.monotonic()
    with pytest.raises(StartError, match=r"not ready within 0.3 s: nothing listens at http"):
        process.wait_ready()

    assert time.monotonic() - began < 5
    assert process.processes() == []


def test_a_stranger_on_the_port_is_not_taken_for_the_target(
    start: Callable[..., TargetProcess],
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as stranger:
        port = stranger.server_port
        process = start("silent", port=port)
        with pytest.raises(StartError, match=rf"port {port} belongs to process {os.getpid()} \("):
            process.wait_ready()


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text('[target]\nname = "x"\n[start]\ncommand = ["no-such", "{http_port}"]\n')

    with pytest.raises(StartError, match=r"\[start\] command: expected a program, found 'no-such'"):
        TargetProcess.start(load(file), models=tmp_path, log=tmp_path / "log")


def test_stop_is_orderly(start: Callable[..., TargetProcess]) -> None:
    process = start()
    process.wait_ready()

    assert "killed by SIGTERM" in str(process.stop())
    assert process.stop() is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(str(process.addresses.rest))


def test_what_ignores_sigterm_is_killed(start: Callable[..., TargetProcess]) -> None:
    process = start("stubborn", stop=0.2)
    process.wait_ready()

    assert process.stop() == "the target did not stop within 0.2 s of SIGTERM and was killed"
    assert process.processes() == []


@pytest.mark.parametrize("behaviour", [("daemon",), ("daemon", "forgetful"), ("worker",)])
def test_no_descendant_outlives_stop(
    start: Callable[..., TargetProcess], behaviour: tuple[str, ...]
) -> None:
    process = start(*behaviour)
    process.wait_ready()
    (descendant,) = asleep(process)
    process.stop()

    assert Process.read(descendant.pid) is None, "it is gone, and not even a zombie is left"


def test_stopping_one_target_leaves_another_alone(start: Callable[..., TargetProcess]) -> None:
    one, other = start(), start()
    one.wait_ready()
    other.wait_ready()
    one.stop()

    assert other.alive() is None


SUITE = """
import signal, sys
from pathlib import Path
from servespec.target.leftovers import current_run
from servespec.target.manifest import load
from servespec.target.process import TargetProcess

folder = Path(sys.argv[1])
process = TargetProcess.start(load(folder / "target.toml"), models=folder, log=folder / "log")
process.wait_ready()
print(current_run().folder, *(p.pid for p in process.processes()), flush=True)
signal.pause()
"""


@contextmanager
def suite(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Run, list[Process]]]:
    """Another run of the suite that has started a target, the run and the target's processes."""
    command = [sys.executable, "-c", SUITE, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        run, *pids = other.stdout.readline().split()
        found = [process for pid in pids if (process := Process.read(int(pid)))]
        try:
            yield other, Run(Path(run).name, Path(run)), found
        finally:
            other.kill()
            other.wait()
            sweep()


def test_the_next_start_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    described(tmp_path, ("daemon", "worker"))
    with suite(tmp_path) as (other, run, left):
        other.kill()
        other.wait()
        assert len(left) == 3
        assert all(process.is_running() for process in left)
        sweep()

        assert not any(process.is_running() for process in left)
        assert not run.folder.exists()


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    described(tmp_path, ())
    with suite(tmp_path) as (_, run, processes_of_it):
        sweep()

        assert all(process.is_running() for process in processes_of_it)
        assert run.folder.exists()


def test_a_process_without_the_mark_is_never_ended(tmp_path: Path) -> None:
    own = Process.read(os.getpid())
    assert own is not None
    dead = Run(f"{own.pid}-{own.started - 1}-0a", current_run().folder.parent / "1-1-0a")
    dead.folder.mkdir()
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        sweep()

        assert bystander.poll() is None
        assert not dead.folder.exists()
        bystander.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    described(tmp_path, ("daemon", "forgetful", "worker"))
    with suite(tmp_path) as (other, run, left):
        other.send_signal(number)
        other.wait(20)

        assert left
        assert not any(process.is_running() for process in left)
        assert not run.folder.exists()


UNHEARD = """
import os, signal, time
from servespec.target.leftovers import current_run

class Told:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

current_run()
Told()
time.sleep(1000)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_who_is_told_to_end_where_python_drops_it_ends_all_the_same(name: str) -> None:
    command = [sys.executable, "-c", UNHEARD.format(name=name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.stderr.endswith("\nKeyboardInterrupt\n")
