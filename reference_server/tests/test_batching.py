"""What runs together, and when."""

import asyncio
import weakref
from collections.abc import Iterator, Sequence
from threading import Event, Thread
from time import monotonic

import numpy as np
import pytest

from ..batching import BatchQueue, Forming, Group, Ticket
from ..model_file import Batching, Padding
from ..signature import Work

SECONDS = 5.0
LONG = 60_000.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Where callers wait."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Queue(BatchQueue):
    """A queue whose callers never leave by themselves."""

    def __init__(self, loop: asyncio.AbstractEventLoop, batching: Batching) -> None:
        super().__init__(Forming(batching))
        self.loop = loop

    def add(self, *shapes: tuple[int, ...], outputs: tuple[str, ...] = ("y",)) -> None:
        """Put work of these shapes."""
        for shape in shapes:
            self.ask(Work({"x": np.zeros(shape)}, outputs))

    def ask(self, work: Work) -> Ticket:
        """Put work."""
        return self.put(work, self.loop.create_future())

    def shapes(self) -> list[tuple[int, ...]]:
        """Take a batch."""
        return [ticket.work.tensors["x"].shape for ticket in self.take()]


@pytest.fixture
def queue(loop: asyncio.AbstractEventLoop) -> Queue:
    """Up to 4 rows, and a free engine takes what waits."""
    return Queue(loop, Batching(max_rows=4))


def test_what_waits_runs_together_in_its_order_up_to_the_most_rows(queue: Queue) -> None:
    queue.add((1, 2), (2, 2), (1, 2), (1, 2))
    assert [queue.shapes(), queue.shapes()] == [[(1, 2), (2, 2), (1, 2)], [(1, 2)]]


def test_who_does_not_fit_is_not_overtaken_by_who_would(queue: Queue) -> None:
    queue.add((3, 2), (2, 2), (1, 2))
    assert [queue.shapes(), queue.shapes()] == [[(3, 2)], [(2, 2), (1, 2)]]


def test_what_is_larger_than_a_batch_runs_alone(queue: Queue) -> None:
    queue.add((9, 2), (1, 2), (9, 2))
    assert [queue.shapes() for _ in range(3)] == [[(9, 2)], [(1, 2)], [(9, 2)]]


def test_what_holds_no_row_runs_alone(queue: Queue) -> None:
    queue.add((0, 2), (0, 2), (1, 2))
    assert [queue.shapes() for _ in range(3)] == [[(0, 2)], [(0, 2)], [(1, 2)]]


def test_shapes_are_never_mixed_and_the_oldest_is_next(queue: Queue) -> None:
    queue.add((1, 2), (1, 3), (2, 2), (2, 3), (1, 1))
    batches = [queue.shapes() for _ in range(3)]
    assert batches == [[(1, 2), (2, 2)], [(1, 3), (2, 3)], [(1, 1)]]


def test_those_who_ask_for_other_outputs_are_not_mixed(queue: Queue) -> None:
    queue.add((1, 2))
    queue.add((1, 2), outputs=("y", "z"))
    assert [queue.shapes(), queue.shapes()] == [[(1, 2)], [(1, 2)]]


def test_the_order_of_the_inputs_in_the_request_means_nothing(queue: Queue) -> None:
    one, two = np.zeros((1, 1)), np.zeros((1, 2))
    queue.ask(Work({"a": one, "b": two}, ("y",)))
    queue.ask(Work({"b": two, "a": one}, ("y",)))
    assert len(queue.take()) == 2


def test_lengths_in_a_bucket_are_mixed_and_no_others(loop: asyncio.AbstractEventLoop) -> None:
    padding = Padding(axis=1, values={"x": 0}, buckets=(4, 8))
    queue = Queue(loop, Batching(max_rows=9, padding=padding))
    queue.add((1, 3), (1, 5), (1, 4), (1, 0), (1, 9), (1, 8), (1, 10))
    batches = [queue.shapes() for _ in range(5)]
    assert batches == [[(1, 3), (1, 4)], [(1, 5), (1, 8)], [(1, 0)], [(1, 9)], [(1, 10)]]


def test_who_left_is_dropped_and_takes_no_place(queue: Queue) -> None:
    one, two, three = (queue.ask(Work({"x": np.zeros((2, 1))}, ("y",))) for _ in range(3))
    two.caller.cancel()
    queue.leave(two)
    assert queue.depth == 2
    assert queue.take() == [one, three]
    assert queue.depth == 0


def test_those_who_left_are_let_go_even_if_no_engine_ever_comes(queue: Queue) -> None:
    stays = queue.ask(Work({"x": np.zeros((1, 1))}, ("y",)))
    tickets = [queue.ask(Work({"x": np.zeros((1, 1))}, ("y",))) for _ in range(200)]
    freed = [weakref.ref(ticket.work.tensors["x"]) for ticket in tickets]
    while tickets:
        tickets[-1].caller.cancel()
        queue.leave(tickets.pop())
    assert sum(ref() is not None for ref in freed) < 100
    assert (queue.depth, queue.take()) == (1, [stays])


def test_work_past_its_deadline_is_dropped(queue: Queue) -> None:
    queue.ask(Work({"x": np.zeros((1, 1))}, ("y",), deadline=monotonic()))
    queue.add((1, 2))
    assert queue.shapes() == [(1, 2)]


def test_what_has_priority_goes_first_and_the_oldest_of_the_same(queue: Queue) -> None:
    shapes = {"old": (3, 1), "other": (3, 2), "urgent": (2, 1), "as urgent": (2, 2), "low": (1, 1)}
    asked = {
        name: Work({"x": np.zeros(shapes[name])}, ("y",), priority=priority)
        for name, priority in (
            ("old", 2),
            ("low", 3),
            ("other", 2),
            ("urgent", 1),
            ("as urgent", 1),
        )
    }
    names = {queue.ask(work): name for name, work in asked.items()}
    batches = [[names[ticket] for ticket in queue.take()] for _ in range(4)]
    assert batches == [["urgent"], ["as urgent"], ["old", "low"], ["other"]]


def test_work_of_less_priority_fills_a_batch_and_waits_no_longer_for_company(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop, Batching(max_rows=2))
    low, high = (
        queue.ask(Work({"x": np.zeros((1, 1))}, ("y",), priority=priority)) for priority in (2, 1)
    )
    group = Group()
    group.add(low)
    group.add(high)
    assert (group.since, queue.take()) == (low.arrived, [high, low])


def test_a_batch_of_those_who_left_is_none(queue: Queue) -> None:
    queue.ask(Work({"x": np.zeros((1, 1))}, ("y",))).caller.cancel()
    queue.add((1, 2))
    assert queue.shapes() == [(1, 2)]


@pytest.mark.parametrize(("waiting", "sizes"), [(9, [8, 1]), (5, [4, 1]), (3, [3]), (21, [16, 4])])
def test_a_longer_queue_gives_the_largest_preferred_batch(
    loop: asyncio.AbstractEventLoop, waiting: int, sizes: Sequence[int]
) -> None:
    queue = Queue(loop, Batching(max_rows=32, preferred_rows=(4, 8, 16)))
    queue.add(*[(1, 1)] * waiting)
    assert [len(queue.take()) for _ in sizes] == sizes


def test_nothing_is_held_back_at_a_preferred_size(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, Batching(max_rows=32, max_delay_ms=LONG, preferred_rows=(2,)))
    queue.add((1, 1), (1, 1))
    assert len(queue.take()) == 2


def test_a_free_engine_waits_for_company_until_the_batch_is_full(
    loop: asyncio.AbstractEventLoop,
) -> None:
    two_are_held, batches = Event(), list[list[Ticket]]()

    class Watched(Forming):
        def held_until(self, group: Group) -> float:
            if len(group.tickets) == 2:
                two_are_held.set()
            return super().held_until(group)

    queue = Queue(loop, Batching(max_rows=3, max_delay_ms=LONG))
    queue.forming = Watched(queue.forming.batching)
    engine = Thread(target=lambda: batches.append(queue.take()))
    engine.start()
    queue.add((1, 1), (1, 1))
    assert two_are_held.wait(SECONDS)
    queue.add((1, 1))
    engine.join(SECONDS)
    assert [len(batch) for batch in batches] == [3]


def test_who_waited_in_vain_is_the_last_to_wait(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, Batching(max_rows=3, max_delay_ms=1))
    queue.add((1, 1))
    queue.take()
    assert not queue.forming.expects_company
    queue.forming.batching = Batching(max_rows=3, max_delay_ms=LONG)
    queue.add((1, 1))
    assert len(queue.take()) == 1


def test_closing_ends_a_wait_for_company_and_gives_out_what_is_left(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop, Batching(max_rows=3, max_delay_ms=LONG))
    batches = list[list[Ticket]]()
    engine = Thread(target=lambda: batches.extend((queue.take(), queue.take(), queue.take())))
    engine.start()
    queue.add((1, 1))
    queue.add((1, 2))
    queue.close()
    engine.join(SECONDS)
    assert [len(batch) for batch in batches] == [1, 1, 0]


def test_many_takers_take_each_ticket_once(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, Batching(max_rows=3))
    taken = list[Ticket]()

    def take() -> None:
        while batch := queue.take():
            taken.extend(batch)

    threads = [Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    queue.add(*[(1, 1), (1, 2)] * 200)
    queue.close()
    for thread in threads:
        thread.join(SECONDS)
    assert (len(taken), len(set(taken)), queue.depth) == (400, 400, 0)
