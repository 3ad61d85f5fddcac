"""A queue that is fair between clients and, for each client, between the adapters that it asks.

Start-time fair queueing (Goyal, Vin and Cheng 1996): every flow has a tag, the service that it has had;
the flow with the smallest is next, and its tag grows by what it is given. A flow that comes anew begins at
the tag served last, so it neither waits for all who came before nor is paid for its absence. Flows are
clients; within a client, the sets of adapters asked. Equal tags go by arrival. Knows no clock.
"""

import heapq
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from serving.core.requests import AdapterId


class Wanting(Protocol):
    """Something that waits."""

    @property
    def client(self) -> str:
        """Who asks."""

    @property
    def adapters(self) -> tuple[AdapterId, ...]:
        """Whom it asks, each once; the base is not named."""

    @property
    def rows(self) -> int:
        """Answers that it wants; 0 if it only has adapters loaded."""


MOST_IDLE = 1024
"""So many clients are remembered of whom nothing waits."""

Job = TypeVar("Job", bound=Wanting)
Flow = TypeVar("Flow", bound=Hashable)
Numbered = tuple[int, Job]
"""What waits, with the number of its arrival."""


class FairQueue(Generic[Job]):
    """What waits, in the order in which it is to be served."""

    def __init__(self) -> None:
        self._next = 0
        self._clients = _Tags[str]()
        self._adapters: dict[str, _Tags[frozenset[AdapterId]]] = {}
        self._waiting: dict[str, dict[frozenset[AdapterId], list[Numbered[Job]]]] = {}
        """By client, then by adapters, in the order of arrival."""

    def __iter__(self) -> Iterator[Job]:
        for flows in self._waiting.values():
            for flow in flows.values():
                yield from (job for _, job in flow)

    def add(self, job: Job) -> None:
        """Let it wait."""
        if job.client not in self._waiting:
            self._clients.begin(job.client)
            self._adapters[job.client], self._waiting[job.client] = _Tags(), {}
        flows, asked = self._waiting[job.client], frozenset(job.adapters)
        if asked not in flows:
            self._adapters[job.client].begin(asked)
        flows.setdefault(asked, []).append((self._next, job))
        self._next += 1

    def serve(self, job: Job) -> None:
        """It waits no longer and has been given what it wants, in its turn or before."""
        self._clients.serve(job.client, _cost(job))
        self._adapters[job.client].serve(frozenset(job.adapters), _cost(job))
        self.remove(job)

    def remove(self, job: Job) -> None:
        """It waits no longer."""
        flows, asked = self._waiting[job.client], frozenset(job.adapters)
        flows[asked] = [one for one in flows[asked] if one[1] is not job]
        if not flows[asked]:
            del flows[asked]
            self._adapters[job.client].end(asked)
        if not flows:
            del self._waiting[job.client], self._adapters[job.client]
            self._clients.end(job.client)
        if not self._waiting:
            self._clients = _Tags()  # nobody waits, so nobody is owed anything

    def order(self) -> list[Job]:
        """Everything that waits, the next first."""
        clients = {
            client: list(self._adapters[client].merge(flows)) for client, flows in self._waiting.items()
        }
        return [job for _, job in self._clients.merge(clients)]


class _Tags(Generic[Flow]):
    """What each flow has been given."""

    def __init__(self) -> None:
        self._served = 0.0
        """The largest tag that has been served."""
        self._tags: dict[Flow, float] = {}
        self._idle: dict[Flow, None] = {}
        """Those of whom nothing waits, the one that has waited for nothing the longest first."""

    def begin(self, flow: Flow) -> None:
        """A flow waits that did not."""
        self._idle.pop(flow, None)
        self._tags[flow] = max(self._served, self._tags.get(flow, 0.0))

    def end(self, flow: Flow) -> None:
        """A flow waits no longer; what it has been given beyond the others is remembered."""
        self._idle[flow] = None
        beyond = len(self._idle) - MOST_IDLE
        for place, one in enumerate(tuple(self._idle)):
            if self._tags[one] <= self._served or place < beyond:
                del self._idle[one], self._tags[one]

    def serve(self, flow: Flow, cost: int) -> None:
        """A flow is given something."""
        self._served = max(self._served, self._tags[flow])
        self._tags[flow] += cost

    def merge(self, queues: Mapping[Flow, Sequence[Numbered[Job]]]) -> Iterator[Numbered[Job]]:
        """What waits in all flows, in the order in which it would be served."""
        heap = [(self._tags[flow], queue[0][0], 0, queue) for flow, queue in queues.items()]
        heapq.heapify(heap)  # no two have the same number of arrival, so nothing beyond it is compared
        while heap:
            tag, _, place, queue = heapq.heappop(heap)
            yield queue[place]
            tag += _cost(queue[place][1])
            if place + 1 < len(queue):
                heapq.heappush(heap, (tag, queue[place + 1][0], place + 1, queue))


def _cost(job: Wanting) -> int:
    return max(1, job.rows)
