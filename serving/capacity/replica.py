"""One replica in simulated time: the real scheduler, registry and cache, with a model and a loader that only
take time. It does in each round what `serving.engines.embedded` does, and decides nothing itself.
"""

import math
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from serving.capacity.given import Place, Times
from serving.core.cache import ExpiringCache
from serving.core.registry import Fresh, Hold, Registry
from serving.core.requests import AdapterId
from serving.core.scheduler import Scheduler, check_room

At = Callable[[float, Callable[[float], None]], None]
"""Have something called at a time, with it."""


@dataclass(eq=False, kw_only=True)
class Question:
    """A comparison on its way."""

    client: str
    adapters: tuple[AdapterId, ...]
    tokens: tuple[int, ...]
    """Of each row's answer."""
    asked: float
    deadline: float
    hold: Hold | None = None
    ready_at: float | None = None
    alone: bool = False
    loads: int = 0
    """Of its adapters, that were neither in a slot nor on their way into one when it was placed."""
    first_token: float | None = None
    end: str = ""
    """How it ended: answered or late, once it has."""

    @property
    def rows(self) -> int:
        return len(self.tokens)


class _Batch:
    """Comparisons that answer together, one token of each row a step."""

    def __init__(self, questions: list[Question]) -> None:
        self.questions = questions
        self.open = list(questions)
        """Those that are yet to end."""
        self._said = 0
        self._lengths: list[int] = []
        self._sort()

    @property
    def rows(self) -> int:
        """Rows that still answer."""
        return len(self._lengths)

    def step(self) -> list[Question]:
        """One token more; comparisons that have just got their last."""
        self._said += 1
        if self._lengths[-1] > self._said:
            return []
        done = [one for one in self.open if max(one.tokens) <= self._said]
        self.open = [one for one in self.open if max(one.tokens) > self._said]
        self._sort()
        return done

    def drop(self, question: Question) -> None:
        """Nobody waits for this one any more."""
        self.open.remove(question)
        self._sort()

    def _sort(self) -> None:
        tokens = [count for one in self.open for count in one.tokens if count > self._said]
        self._lengths = sorted(tokens, reverse=True)


class Replica:
    """Told what happens when; tells `end` of each question that was taken on, once."""

    def __init__(self, times: Times, place: Place, *, at: At, end: Callable[[Question, float], None]) -> None:
        self._times, self._place, self._at, self._end = times, place, at, end
        self._registry = Registry(slots=place.slots)
        self._scheduler: Scheduler[Question] = Scheduler(
            self._registry, max_rows=place.max_rows, max_batches=place.max_batches, window_s=place.window_s
        )
        self._host: ExpiringCache[bool] = ExpiringCache(max_bytes=place.host_bytes)
        self._loads: deque[Fresh] = deque()
        self._batches: deque[_Batch] = deque()
        self._began_last = self._working = False
        self._waits = 0
        """Questions that no batch has begun with."""
        self._open: deque[Question] = deque()
        """In the order of their deadlines."""
        self._wakes = math.inf
        self.loads = self.evictions = 0
        self.busy_s = 0.0
        """Seconds that the engine has worked."""

    def ask(self, question: Question, now: float) -> None:
        """Take a question on whose adapters' files are here.

        Raises:
            Busy: the queue is full.
        """
        waiting = self._scheduler.waiting
        check_room(
            waiting_rows=sum(one.rows for one in waiting),
            own_rows=sum(one.rows for one in waiting if one.client == question.client),
            rows=question.rows,
            max_waiting_rows=self._place.max_waiting_rows,
        )
        self._scheduler.add(question)
        self._waits += 1
        insort(self._open, question, key=lambda one: one.deadline)  # one that fetched was asked earlier
        self._place_all(now)  # so that its adapters are loaded while the engine is in a step
        self._wake(now)

    def _place_all(self, now: float) -> None:
        for question, fresh in self._scheduler.place(now=now):
            question.loads += 1
            self.loads += 1
            self.evictions += fresh.evicted is not None
            self._loads.append(fresh)
            if len(self._loads) == 1:
                self._load(now)

    def _load(self, now: float) -> None:
        """Begin the first load of the line."""
        kept = self._host.get(str(self._loads[0].load.adapter), now=now)
        self._at(now + (self._times.load_host_s if kept else self._times.load_disk_s), self._loaded)

    def _loaded(self, now: float) -> None:
        load = self._loads.popleft().load
        self._host.put(str(load.adapter), True, size=self._place.adapter_bytes, now=now)
        self._registry.loaded(load)
        if self._loads:
            self._load(now)
        self._wake(now)

    def _wake(self, now: float) -> None:
        if not self._working:
            self._turn(now)

    def _turn(self, now: float) -> None:
        """What the engine's thread does next: begin a batch, else take a step of one, else rest."""
        self._end_late(now)
        begun = self._begin(now) if self._waits else []
        self._began_last = bool(begun)
        if begun:
            self._batches.appendleft(_Batch(begun))
            seconds = self._times.prompt(len(begun), self._batches[0].rows)
        elif self._batches:
            seconds = self._times.step(self._batches[0].rows)
        else:
            self._rest(now)
            return
        self._working = True
        self.busy_s += seconds
        self._at(now + seconds, self._stepped)

    def _begin(self, now: float) -> list[Question]:
        self._place_all(now)
        self._scheduler.loaded(now=now)
        if self._began_last and self._batches:
            return []
        rows = sum(batch.rows for batch in self._batches)
        begun = self._scheduler.start(now=now, rows=rows, batches=len(self._batches))
        self._waits -= len(begun)
        return begun

    def _stepped(self, now: float) -> None:
        """The step of the first batch is done."""
        self._working = False
        batch = self._batches[0]
        for one in batch.open if self._began_last else ():
            one.first_token = now
        done = batch.step()
        if batch.open:
            self._batches.rotate(-1)
        else:
            self._over(batch, now)
        for one in done:
            self._settle(one, "answered", now)
        self._turn(now)

    def _over(self, batch: _Batch, now: float) -> None:
        self._batches.remove(batch)
        for one in batch.questions:
            self._release(one, now)

    def _release(self, question: Question, now: float) -> None:
        if question.hold is not None:
            hold, question.hold = question.hold, None
            self._registry.release(hold, now=now)

    def _settle(self, question: Question, end: str, now: float) -> None:
        question.end = end
        self._end(question, now)

    def _end_late(self, now: float) -> None:
        late = []
        while self._open and (self._open[0].end or self._open[0].deadline <= now):
            late.append(self._open.popleft())
        for question in [one for one in late if not one.end]:
            batch = next((one for one in self._batches if question in one.open), None)
            if batch is None:
                self._scheduler.remove(question)
                self._waits -= 1
                self._release(question, now)
            else:
                batch.drop(question)
                if not batch.open:
                    self._over(batch, now)
            self._settle(question, "late", now)

    def _rest(self, now: float) -> None:
        """Until a batch need not wait for company any more, or a question is late."""
        due = self._scheduler.due()
        when = min(math.inf if due is None else due, self._open[0].deadline if self._open else math.inf)
        if when < self._wakes:
            self._wakes = when
            self._at(max(when, now), self._rested)

    def _rested(self, now: float) -> None:
        self._wakes = math.inf
        self._wake(now)
