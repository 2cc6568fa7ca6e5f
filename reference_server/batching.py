"""What runs together, and when: tickets of the event loop become batches of an engine."""

from asyncio import Future
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic

from .model_file import Batching, Queueing
from .pipeline import Computed
from .signature import Work

__all__ = ["BatchQueue", "Forming", "Group", "Ticket"]


_UNBOUNDED = Queueing()
_SWEPT_FROM = 64


@dataclass(slots=True, eq=False)  # frozen it would take twice as long to make
class Ticket:
    """Work with its caller, who may have left before it runs.

    Attributes:
        rows: that it takes of a batch.
        priority: the smaller one goes first.
        arrived: when, on the monotonic clock.
    """

    work: Work
    caller: Future[Computed]
    rows: int
    priority: int = 0
    arrived: float = field(default_factory=monotonic)


@dataclass(slots=True, eq=False)
class Group:
    """Tickets that may run together, and the sum of their rows.

    They stand by priority, and the oldest of each priority first.
    """

    tickets: deque[Ticket] = field(default_factory=deque)
    rows: int = 0

    def add(self, ticket: Ticket) -> None:
        """Put a ticket behind the others of its priority."""
        if self.tickets and ticket.priority < self.tickets[-1].priority:
            insort(self.tickets, ticket, key=lambda each: each.priority)
        else:
            self.tickets.append(ticket)
        self.rows += ticket.rows

    def reorder(self, priority: Callable[[Work], int]) -> None:
        """Ask for all priorities again; the oldest of each is the first of it."""
        for ticket in self.tickets:
            ticket.priority = priority(ticket.work)
        self.tickets = deque(sorted(self.tickets, key=lambda each: (each.priority, each.arrived)))

    def pop(self) -> Ticket:
        """Take the first ticket."""
        ticket = self.tickets.popleft()
        self.rows -= ticket.rows
        return ticket

    def without(self, gone: Callable[[Ticket], bool]) -> "Group":
        """Return those that stay."""
        kept = deque(ticket for ticket in self.tickets if not gone(ticket))
        return Group(kept, sum(ticket.rows for ticket in kept))

    @property
    def since(self) -> float:
        """When the oldest ticket arrived."""
        if self.tickets[0].priority == self.tickets[-1].priority:
            return self.tickets[0].arrived
        return min(ticket.arrived for ticket in self.tickets)


class Forming:
    """Decides what runs together and when. It is asked by one thread at a time.

    A free engine holds work back only while company is to be expected: from when one came before
    another had its answer until one was held back in vain. So a lone caller is not delayed.

    Attributes:
        expects_company: set by who sees callers come, as an engine may find each one alone.
    """

    def __init__(self, batching: Batching, queueing: Queueing = _UNBOUNDED) -> None:
        self.batching = batching
        self.queueing = queueing
        self.expects_company = True

    def is_full(self, waiting: int) -> bool:
        """Whether there is no room for one more, where so many wait."""
        return self.queueing.max_size is not None and waiting >= self.queueing.max_size

    def longest_wait(self) -> float | None:
        """For how many seconds work may wait; None: as long as it takes."""
        limit = self.queueing.timeout_ms
        return None if limit is None else limit / 1000

    def priority(self, work: Work) -> int:
        """Which goes first: the smaller one."""
        return work.priority if work.urgency is None else work.urgency.priority

    def rows(self, work: Work) -> int:
        """How much of a batch this is."""
        if self.batching.max_rows == 1:
            return 1
        return len(next(iter(work.tensors.values())))

    def key(self, work: Work) -> Hashable:
        """What works have in common that may run together."""
        if self.batching.max_rows == 1:
            return None
        if not self.rows(work):
            return object()  # what holds no row may fail alone, and then has to
        padding = self.batching.padding
        shapes = {name: array.shape[1:] for name, array in work.tensors.items()}
        if padding is not None:
            for name in padding.values:
                shapes[name] = _in_bucket(shapes[name], padding.axis - 1, padding.buckets)
        return work.outputs, frozenset(shapes.items())

    def next(self, groups: Iterable[Group]) -> Group:
        """Whose turn it is: nobody is overtaken by who came later, unless it has priority."""
        return min(groups, key=_rank)

    def held_until(self, group: Group) -> float:
        """When it has to run at the latest, on the monotonic clock."""
        if not self.expects_company or self.is_complete(group):
            return 0.0
        return group.since + self.batching.max_delay_ms / 1000

    def is_complete(self, group: Group) -> bool:
        """Whether it is not worth while to wait for more."""
        enough = min(self.batching.preferred_rows, default=self.batching.max_rows)
        return not 0 < group.rows < enough

    def was_held(self, group: Group) -> None:
        """Learn from a group that was held back to the end."""
        if len(group.tickets) == 1:
            self.expects_company = False

    def limit(self, group: Group) -> int:
        """The largest batch to form of it: of a preferred size where it is long enough."""
        fitting = (rows for rows in self.batching.preferred_rows if rows <= group.rows)
        return max(fitting, default=self.batching.max_rows)

    def take(self, group: Group) -> list[Ticket]:
        """Take the first tickets out of a group, without those that nobody waits for."""
        limit, rows, batch = self.limit(group), 0, list[Ticket]()
        while group.tickets and not (batch and rows + group.tickets[0].rows > limit):
            ticket = group.pop()
            if not self.has_left(ticket) and not self.is_expired(ticket):
                batch.append(ticket)
                rows += ticket.rows
        return batch

    def has_left(self, ticket: Ticket) -> bool:
        """Whether nobody waits for the outcome any more."""
        return ticket.caller.done()

    def is_expired(self, ticket: Ticket) -> bool:
        """Whether nobody will, as soon as the event loop comes to it."""
        deadline = ticket.work.deadline
        return deadline is not None and deadline <= monotonic()


class BatchQueue:
    """Tickets of one model on their way to its engine's threads, which take batches.

    The thread whose turn it is forms a batch by itself: neither the event loop nor a thread
    besides the instances takes part, and an arrival costs the event loop next to nothing.
    """

    def __init__(self, forming: Forming) -> None:
        self.forming = forming
        self._arrived: SimpleQueue[tuple[Hashable, Ticket] | None] = SimpleQueue()
        self._turn = Lock()
        self._groups: dict[Hashable, Group] = {}
        self._closed = False
        self._waiting: set[Ticket] = set()  # the loop adds, whoever comes first takes away
        self._left = 0
        self._is_disordered = False

    @property
    def depth(self) -> int:
        """How many tickets wait whose callers have not left."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more ticket."""
        return self.forming.is_full(len(self._waiting))

    def put(self, work: Work, caller: Future[Computed]) -> Ticket:
        """Add work; called on the event loop."""
        forming = self.forming
        ticket = Ticket(work, caller, forming.rows(work), forming.priority(work))
        key = forming.key(work)
        self._waiting.add(ticket)
        self._arrived.put((key, ticket))
        return ticket

    def leave(self, ticket: Ticket) -> bool:
        """Make room where it still waits; return whether it did. Called on the event loop."""
        if ticket not in self._waiting:
            return False
        self._waiting.discard(ticket)
        self._left += 1
        if self._left > max(_SWEPT_FROM, len(self._waiting)):
            self._sweep()
        return True

    def reorder(self) -> None:
        """Have priorities looked at again that have changed; called on the event loop."""
        self._is_disordered = True

    def _sweep(self) -> None:
        """Let go of those who left: an engine may be busy for long, and come to nobody."""
        if not self._turn.acquire(blocking=False):  # an instance is about to drop them
            return
        try:
            self._admit_all()
            swept = {key: each.without(self.forming.has_left) for key, each in self._groups.items()}
            self._groups = {key: group for key, group in swept.items() if group.tickets}
            self._left = 0
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let the threads go once all is taken, and hold nothing back any more."""
        self._arrived.put(None)

    def take(self) -> list[Ticket]:
        """Wait for a batch; empty when the queue is closed and all is taken.

        If it raises, whatever is queued may be lost.
        """
        with self._turn:
            try:
                return self._next_batch()
            except BaseException:
                self._groups.clear()  # it may be in disorder, and would raise again
                raise

    def _next_batch(self) -> list[Ticket]:
        while self._has_some():
            group = self.forming.next(self._groups.values())
            if self._closed or not self._more_came(group):
                batch = self._take(group)
                if batch:
                    return batch
        return []

    def _has_some(self) -> bool:
        while not self._groups and not self._closed:
            self._admit(self._arrived.get())
        self._admit_all()
        if self._is_disordered:
            self._is_disordered = False  # before the look: what changes after it is seen next time
            for group in self._groups.values():
                group.reorder(self.forming.priority)
        return bool(self._groups)

    def _admit_all(self) -> None:
        while not self._arrived.empty():  # nobody else takes from it
            self._admit(self._arrived.get())

    def _admit(self, arrival: tuple[Hashable, Ticket] | None) -> None:
        if arrival is None:
            self._closed = True
            return
        key, ticket = arrival
        self._groups.setdefault(key, Group()).add(ticket)

    def _more_came(self, group: Group) -> bool:
        """Wait for one more ticket while the group may be held back for company."""
        seconds = self.forming.held_until(group) - monotonic()
        if seconds <= 0:
            return False
        try:
            self._admit(self._arrived.get(timeout=seconds))
        except Empty:
            self.forming.was_held(group)
            return False
        return True

    def _take(self, group: Group) -> list[Ticket]:
        batch = self.forming.take(group)
        self._waiting.difference_update(batch)
        if not group.tickets:
            self._groups = {key: other for key, other in self._groups.items() if other is not group}
        return batch


def _rank(group: Group) -> tuple[int, float]:
    first = group.tickets[0]
    return first.priority, first.arrived


def _in_bucket(shape: tuple[int, ...], axis: int, buckets: tuple[int, ...]) -> tuple[int, ...]:
    """Replace the length by its bucket; none at all, or more than the last one, stays as it is."""
    length = shape[axis]
    place = bisect_left(buckets, length)
    if not length or place == len(buckets):
        return shape
    return (*shape[:axis], buckets[place], *shape[axis + 1 :])
