"""Users who ask replicas of a server, event by event, in simulated time; what came of it, counted.

The replicas decide by the code that decides in a real server (`serving.capacity.replica`). The same seed
gives the same events.
"""

import heapq
import itertools
import math
import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from serving.capacity.given import Place, Times, Traffic
from serving.capacity.popularity import homes, zipf
from serving.capacity.replica import Question, Replica
from serving.core.requests import AdapterId
from zoo.errors import Busy


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What came of the questions that were asked after the warm-up, each of which ended once; rates and
    utilisation are of the time in which they were asked."""

    asked: int
    answered: int
    busy: int
    late: int
    hit_rate: float
    """Of the adapters of the questions that were answered."""
    first_token_mean_s: float
    first_token_p50_s: float
    first_token_p95_s: float
    utilisation: float
    """Share of the time that an engine worked, a mean over replicas."""
    highest_utilisation: float
    loads_per_s: float
    evictions_per_s: float
    fetches: int
    """From the start on."""
    seconds: float
    """In which they were asked."""

    @property
    def busy_share(self) -> float:
        """Of the questions, told: busy."""
        return self.busy / self.asked


def simulate(
    times: Times,
    traffic: Traffic,
    place: Place,
    *,
    questions: int,
    warm_up: int,
    seed: int = 0,
    asked: Callable[[], object] = bool,
) -> Simulated:
    """Let `warm_up` questions be asked that do not count, then `questions` that do, two or more, and all of
    them end. `asked` is called for each."""
    run = _Run(times, traffic, place, warm_up=warm_up, questions=questions, seed=seed, asked=asked)
    return run.go()


@dataclass(frozen=True)
class _Mark:
    """What the replicas had done when the counting began, or when the last question was asked."""

    at: float
    busy_s: tuple[float, ...]
    loads: int
    evictions: int


@dataclass
class _Group:
    """Users who ask in the same moment, and again when the last of them has an end."""

    users: range
    waits: int = 0


class _Run:
    def __init__(
        self,
        times: Times,
        traffic: Traffic,
        place: Place,
        *,
        warm_up: int,
        questions: int,
        seed: int,
        asked: Callable[[], object],
    ) -> None:
        self._tell = asked
        self._times, self._traffic, self._place = times, traffic, place
        self._dice = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._number, self._warm_up, self._last = 0, warm_up, warm_up + questions
        shares = zipf(traffic.adapters, traffic.zipf)
        self._up_to = np.cumsum(shares).tolist()
        self._homes = homes(shares, place.replicas, place.routing)
        self._ids = [AdapterId(f"zoo/{number}", "1", str(number)) for number in range(traffic.adapters)]
        self._replicas = [Replica(times, place, at=self._at, end=self._ended) for _ in range(place.replicas)]
        self._under_way = [0] * place.replicas
        self._files: dict[tuple[int, AdapterId], float] = {}
        """When an adapter's files are at a replica, or will be."""
        self._asked: dict[Question, tuple[int, int, _Group]] = {}
        """Of each question under way its number, its replica, and who asked with it."""
        self._ends: Counter[str] = Counter()
        self._first_tokens: list[float] = []
        self._named = self._loads = 0
        self._marks: list[_Mark] = []

    def go(self) -> Simulated:
        traffic = self._traffic
        for first in range(0, traffic.users, traffic.burst):
            self._think(_Group(range(first, min(first + traffic.burst, traffic.users))), 0.0)
        while self._events:
            now, _, call = heapq.heappop(self._events)
            call(now)
        began, over = self._marks
        seconds = over.at - began.at
        busy = [(after - before) / seconds for before, after in zip(began.busy_s, over.busy_s, strict=True)]
        waits = self._first_tokens or [math.nan]
        return Simulated(
            asked=self._last - self._warm_up,
            answered=self._ends["answered"],
            busy=self._ends["busy"],
            late=self._ends["late"],
            hit_rate=1 - self._loads / max(1, self._named),
            first_token_mean_s=sum(waits) / len(waits),
            first_token_p50_s=float(np.quantile(waits, 0.5)),
            first_token_p95_s=float(np.quantile(waits, 0.95)),
            utilisation=sum(busy) / len(busy),
            highest_utilisation=max(busy),
            loads_per_s=(over.loads - began.loads) / seconds,
            evictions_per_s=(over.evictions - began.evictions) / seconds,
            fetches=len(self._files),
            seconds=seconds,
        )

    def _at(self, when: float, call: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), call))

    def _think(self, group: "_Group", now: float) -> None:
        """They ask again after a while."""
        if self._number < self._last:
            wait = self._dice.expovariate(1 / self._traffic.think_s)
            self._at(now + wait, lambda then: self._ask_all(group, then))

    def _ask_all(self, group: "_Group", now: float) -> None:
        group.waits = len(group.users)
        for user in group.users:
            if self._number == self._warm_up or self._number == self._last - 1:
                self._mark(now)
            if self._number < self._last:
                self._ask(user, group, now)

    def _mark(self, now: float) -> None:
        every = self._replicas
        busy = tuple(one.busy_s for one in every)
        loads, evictions = sum(one.loads for one in every), sum(one.evictions for one in every)
        self._marks.append(_Mark(now, busy, loads, evictions))

    def _ask(self, user: int, group: "_Group", now: float) -> None:
        number, self._number = self._number, self._number + 1
        self._tell()
        adapters = self._draw()
        where = self._home(adapters[0])
        question = Question(
            client=str(user),
            adapters=tuple(self._ids[adapter] for adapter in adapters),
            tokens=tuple(self._tokens() for _ in adapters),
            asked=now,
            deadline=now + self._place.timeout_s,
        )
        self._asked[question] = number, where, group
        self._under_way[where] += 1
        here = self._fetched(where, question.adapters, now)
        if here > now:
            self._at(here, lambda then: self._put(question, then))
        else:
            self._put(question, now)

    def _put(self, question: Question, now: float) -> None:
        try:
            self._replicas[self._asked[question][1]].ask(question, now)
        except Busy:
            question.end = "busy"
            self._ended(question, now)

    def _fetched(self, where: int, adapters: tuple[AdapterId, ...], now: float) -> float:
        """When all files are at a replica; the same are fetched once for all who wait."""
        if not self._place.cold:
            return now
        return max(self._files.setdefault((where, one), now + self._times.fetch_s) for one in adapters)

    def _ended(self, question: Question, now: float) -> None:
        number, where, group = self._asked.pop(question)
        self._under_way[where] -= 1
        if number >= self._warm_up:
            self._ends[question.end] += 1
            if question.end == "answered" and question.first_token is not None:
                self._named += len(question.adapters)
                self._loads += question.loads
                self._first_tokens.append(question.first_token - question.asked)
        group.waits -= 1
        if not group.waits:
            self._think(group, now)

    def _home(self, adapter: int) -> int:
        """Of an adapter's homes the first that has least to do; with random routing any."""
        among = self._homes[adapter]
        if self._place.routing == "random":
            return self._dice.choice(among)
        return min(among, key=self._under_way.__getitem__)

    def _draw(self) -> list[int]:
        """Different adapters by their popularity, one after the other."""
        found: dict[int, None] = {}
        while len(found) < min(self._traffic.rows, self._traffic.adapters):
            found[min(bisect(self._up_to, self._dice.random()), self._traffic.adapters - 1)] = None
        return list(found)

    def _tokens(self) -> int:
        """Of an answer."""
        goes_on = 1 - self._traffic.stops
        drawn = math.log(1 - self._dice.random()) / math.log(goes_on) if goes_on > 0 else 0.0
        return min(1 + int(drawn), self._traffic.most_tokens)
