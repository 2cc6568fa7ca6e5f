"""What does dynamic batching gain, and what does it cost?

    python -m benchmarks.batching [--rounds 3] [--seconds 10] [--weights DIR]

Three questions. `spin`, where an execution of about 10 ms costs the same for one row and for many:
the throughput of 32 callers with batching and without. `witness`, for a single caller on a free
engine: what batching adds. And a sentence encoder (MiniLM-L6, 32 tokens a row): the throughput
under saturation beside the best batched rate of the bare runtime, and the latencies of Poisson
arrivals at 70 % of that rate beside those of an ideal greedy batcher with the same costs. Every
answer is compared with the one that is due. Servers run on one core, the load on the other; the
latencies are measured once more with a server that may use both, because its engine is one thread
like the ideal's, and on a single core all else that it does is taken from the engine.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from servespec.fixtures import build
from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import Outcome, Question, drive, poisson

from .bare_session import bare_session
from .callers import Ask, closed_loop
from .contenders import SERVER_CORE, Contender, reference, running
from .ideal import best_rate, measured_costs, simulated
from .minilm import NAME, build_minilm
from .rounds import LOAD_CORE, options_of, take_load_core

CALLERS = 32
SPIN_SECONDS = 0.010
TOKENS = 32
SENTENCES = 64
ROWS = 16
SHARE = 0.7
SETTINGS = f"[batching]\nmax_rows = {ROWS}\n"
CLOSE = 1e-4


def main() -> int:
    """Measure and print; return the exit code."""
    options = read_options()
    take_load_core()
    with tempfile.TemporaryDirectory() as folder:
        with_and_without(Path(folder), options.rounds, options.seconds)
        encoder(Path(folder), options.weights, options.rounds, options.seconds)
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = options_of(__doc__, seconds=10.0)
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(".servespec/weights"),
        metavar="DIR",
        help="where the encoder's weights are kept; downloaded where they are missing",
    )
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: its address, and a way to make messages for it."""

    address: str
    target: Target


@contextlib.contextmanager
def serving(contender: Contender) -> Iterator[Served]:
    """Run a server until the block ends."""
    url = f"http://{contender.address}"
    with running(contender), contextlib.closing(Target.at(url)) as target:
        yield Served(contender.address, target)


def with_and_without(folder: Path, rounds: int, seconds: float) -> None:
    """Compare a server that batches with one that does not, in turn."""
    batched, single = folder / "batched", folder / "single"
    for models in (batched, single):
        build(models, ["spin", "witness"])
    for file in single.glob("*/model.toml"):
        file.unlink()
    gains, added = [], []
    with serving(reference("rest", batched)) as many, serving(reference("rest", single)) as one:
        iterations = calibrated(many)
        for _ in range(rounds):
            rates = [
                closed_loop(each.address, spinning(each, iterations), CALLERS, seconds).rate
                for each in (many, one)
            ]
            gains.append(rates[0] / rates[1])
            delays = [lone(each) for each in (many, one, one, many)]
            added.append((delays[0] + delays[3] - delays[1] - delays[2]) / 2)
    say("spin: throughput of 32 callers, batched over single", gains, ">= 8", "{:.1f}")
    milliseconds = [delay * 1000 for delay in added]
    say("one caller, free engine: added at the median, ms", milliseconds, "< 0.3", "{:.3f}")


def calibrated(served: Served) -> int:
    """The iterations of `spin` that take the wanted time."""
    loop = closed_loop(served.address, spinning(served, 1000), 1, 1.0)
    return round(1000 * SPIN_SECONDS / statistics.median(loop.seconds))


def spinning(served: Served, iterations: int, model: str = "spin") -> Callable[[int], Ask]:
    """Requests of `spin` of about so many iterations; neighbours differ."""

    def ask(number: int) -> Ask:
        count = iterations + number % 8
        x = tensor("iterations", "INT64", [1, 1], [count])
        return Ask(served.target.rest.message(model, {"inputs": [x]}), lambda y: y == [count])

    return ask


def lone(served: Served) -> float:
    """The median seconds of a single caller of `witness`."""

    def ask(number: int) -> Ask:
        x = tensor("x", "FP32", [1, 1], [number])
        return Ask(served.target.rest.message("witness", {"inputs": [x]}), lambda y: y == [number])

    return statistics.median(closed_loop(served.address, ask, 1, 1.0).seconds)


def tensor(name: str, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> dict[str, Any]:
    """An input of a JSON request."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": list(data)}


@dataclass(frozen=True, slots=True)
class Sentences:
    """Requests of the encoder, and the embedding that each is due."""

    messages: Sequence[bytes]
    embeddings: np.ndarray

    def accepts(self, number: int, data: Sequence[float]) -> bool:
        """Whether it is the embedding of this sentence."""
        due = self.embeddings[number % SENTENCES]
        return len(data) == due.size and float(np.abs(np.asarray(data) - due).max()) < CLOSE

    def ask(self, number: int) -> Ask:
        """For a closed loop."""
        return Ask(self.messages[number % SENTENCES], lambda data: self.accepts(number, data))

    def question(self, number: int) -> Question:
        """For a drive."""

        def accept(exchange: Exchange) -> str | None:
            mine = self.accepts(number, exchange.values("embedding"))
            return None if mine else "another sentence's embedding"

        return Question(str(number), self.messages[number % SENTENCES], accept)


def sentences(file: Path, target: Target) -> Sentences:
    """Sentences of random words, each with the embedding that the bare runtime gives it."""
    words = np.random.default_rng(7).integers(1000, 30000, (SENTENCES, TOKENS))
    mask = np.ones_like(words)
    session = bare_session(str(file))
    embeddings = session.run(None, {"input_ids": words, "attention_mask": mask})[0]
    shape = [1, TOKENS]
    inputs = [
        [
            tensor("input_ids", "INT64", shape, row.tolist()),
            tensor("attention_mask", "INT64", shape, [1] * TOKENS),
        ]
        for row in words
    ]
    return Sentences([posted(target, {"inputs": pair}) for pair in inputs], embeddings)


def posted(target: Target, body: Mapping[str, Any]) -> bytes:
    """A whole request of the encoder."""
    content = json.dumps(body).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(content)}")
    return target.rest.head("POST", f"/v2/models/{NAME}/infer", *fields) + content


def encoder(folder: Path, weights: Path, rounds: int, seconds: float) -> None:
    """Compare the served encoder with the bare runtime, and with an ideal batcher."""
    models = folder / "encoder"
    file = build_minilm(models, weights)
    (models / NAME / "model.toml").write_text(SETTINGS)
    one_core = reference("rest", models)
    two_cores = replace(reference("rest", models), cores=(SERVER_CORE, LOAD_CORE))
    rates, ratios = [], dict[str, list[tuple[float, float]]]()
    with serving(one_core) as lone, serving(two_cores) as shared:
        asked = sentences(file, lone.target)
        for number in range(rounds):
            best = best_rate(measured_costs(file, TOKENS))
            rates.append(closed_loop(lone.address, asked.ask, 2 * ROWS, seconds).rate / best)
            schedule = poisson(SHARE * best, 3 * seconds, seed=number)
            for where, served in (("two cores", shared), ("one core", lone)):
                ratio = against_ideal(served, asked, schedule, file)
                ratios.setdefault(where, []).append(ratio)
    say("encoder, saturated: throughput over the best bare rate", rates, ">= 0.9", "{:.2f}")
    for where, found in ratios.items():
        aim = "<= 1.3" if where == "two cores" else "none"
        for name, values in zip(("p50", "p99"), zip(*found, strict=True), strict=True):
            say(f"encoder, Poisson, {where}: {name} over the ideal's", values, aim, "{:.2f}")


def against_ideal(
    served: Served, asked: Sentences, schedule: np.ndarray, file: Path
) -> tuple[float, float]:
    """The p50 and the p99 of a drive, each over that of an ideal batcher.

    Its costs are measured before the drive and after it: a virtual machine's core is not always as
    fast, and where the queue is long a little makes much.
    """
    before = measured_costs(file, TOKENS)
    ledger = drive(served.target.rest, schedule, asked.question)
    after = measured_costs(file, TOKENS)
    if ledger.counts()[Outcome.ANSWERED] != len(ledger.rows):
        raise RuntimeError(f"not all were answered: {ledger.counts()}")
    costs = {rows: (before[rows] + after[rows]) / 2 for rows in before}
    took = [row.done - row.intended for row in ledger.rows]
    ours = np.percentile(took, (50, 99)) * 1000
    ideal = np.percentile(simulated(schedule, costs, ROWS), (50, 99)) * 1000
    sys.stdout.write(
        f"  {len(took)} sentences: p50 {ours[0]:.1f} ms (ideal {ideal[0]:.1f}), "
        f"p99 {ours[1]:.1f} ms (ideal {ideal[1]:.1f})\n"
    )
    sys.stdout.flush()
    return float(ours[0] / ideal[0]), float(ours[1] / ideal[1])


def say(what: str, found: Sequence[float], wanted: str, form: str) -> None:
    """Print the median of the rounds, its range and what is aimed at."""
    middle, least, most = (form.format(of(found)) for of in (statistics.median, min, max))
    sys.stdout.write(f"{what:58} {middle:>8}  ({least}-{most})  aim {wanted}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
