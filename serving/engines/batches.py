"""The batches under way on one model: begun, stepped in turn, and every way in which their comparisons end.

For the engine's thread alone. It knows no queue: it is told what to begin, and hands back what must begin
anew. An answer is given out only if every load that its rows ran on is still the one in its slot.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from serving.core.watch import Watch
from serving.engines.jobs import Job, named
from serving.engines.looks import looks
from serving.engines.model import Model
from serving.engines.running import Running
from serving.engines.seen import Seen
from serving.engines.slots import Slots
from zoo.errors import EngineFailed, ZooError


class Batches:
    """Steps the batches under way, the one whose last step is longest ago first."""

    def __init__(
        self,
        model: Model,
        slots: Slots,
        seen: Seen,
        *,
        end: Callable[[Job, Any], None],
        again: Callable[[Job], None],
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        """`end` gives a comparison its answers or its error, `again` takes one back that must run once more,
        alone; it keeps its slots."""
        self._model, self._slots, self._seen = model, slots, seen
        self._end, self._again = end, again
        self._watch, self._clock = watch, clock
        self._under_way: deque[Running] = deque()
        self.row_s = 0.1
        """Seconds that an answer took, on an average that forgets."""

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def rows(self) -> int:
        """Answers under way."""
        return sum(running.rows for running in self._under_way)

    @property
    def jobs(self) -> list[Job]:
        """Comparisons under way."""
        return [job for running in self._under_way for job in running.open]

    def begin(self, jobs: Sequence[Job]) -> None:
        """Begin a batch and take its first step; a comparison that cannot be put to the model ends alone."""
        seen = []
        for job in jobs:
            job.began, job.first_token = self._clock(), None
            try:
                seen.append((job, self._features(job)))
            except Exception as error:  # the edge: whatever it was, it is this comparison's end
                self._slots.free(job, now=self._clock())
                self._end(job, named(error, job))
        if not seen:
            return
        try:
            running = Running(self._model, seen, clock=self._clock)
        except Exception as error:
            self._broken([job for job, _ in seen], error)
            return
        self._watch.batch(running.rows)
        self._under_way.appendleft(running)
        self.step()

    def look(self, job: Job) -> None:
        """Say where a comparison's adapters look; it is over in this one turn, with its slots held."""
        job.began = self._clock()
        try:
            found = looks(self._model, self._features(job), job)
            end: Any = self._wrong(job) or found
        except Exception as error:  # the edge: whatever it was, it is this look's end
            end = named(error, job)
        self._slots.free(job, now=self._clock())
        self._end(job, end)

    def step(self) -> None:
        """One step of the batch whose turn it is."""
        running, began = self._under_way[0], self._clock()
        silent = [job for job in running.jobs if job.first_token is None]
        try:
            tokens = running.step()
        except Exception as error:
            broken, running.open = running.open, []
            self._over(running, keep=broken)
            self._broken(broken, error)
            return
        self._watch.step(tokens, self._clock() - began)
        for job in silent:
            if job.first_token is not None:
                self._watch.first_token(job.first_token - job.submitted)
        ends: list[tuple[Job, Any]] = [(job, self._wrong(job) or outputs) for job, outputs in running.ended()]
        if running.rows:
            self._under_way.rotate(-1)
        else:
            ends += [(job, EngineFailed("the batch ended without this answer")) for job in running.open]
            self._over(running)
        for job, end in ends:
            self._end(job, end)

    def drop(self, job: Job) -> None:
        """Free the rows of a comparison under way; its slots are free with the batch."""
        running = next(one for one in self._under_way if job in one.open)
        running.drop(job)
        if not running.open:
            self._over(running)

    def clear(self) -> None:
        """Forget every batch, whatever state it is in."""
        for running in tuple(self._under_way):
            self._over(running)

    def _features(self, job: Job) -> Any:
        if wrong := self._wrong(job):
            raise wrong
        features = self._seen.features(job.work.images, now=self._clock())
        self._model.check(features, job.work.turns, max_tokens=job.work.sampling.max_tokens)
        return features

    def _wrong(self, job: Job) -> EngineFailed | None:
        """What a comparison ends with if the weights that it holds are not its adapters'; whoever asks them
        next has them loaded anew."""
        if self._slots.are_right(job):
            return None
        for adapter in job.adapters:
            self._slots.unload(adapter)
        return EngineFailed("an adapter was replaced under this comparison, so its answers are withheld")

    def _over(self, running: Running, keep: Sequence[Job] = ()) -> None:
        self._under_way.remove(running)
        running.close()
        now = self._clock()
        self.row_s += 0.2 * ((now - running.began) / running.size - self.row_s)
        for job in running.jobs:
            if job not in keep:
                self._slots.free(job, now=now)

    def _broken(self, jobs: Sequence[Job], error: Exception) -> None:
        """Those that have said nothing run once more, each alone, so that only the culprit fails."""
        refused = isinstance(error, ZooError) and len(jobs) == 1
        failure = named(error, *jobs, whole=refused)
        for job in jobs:
            if job.told or job.alone or refused:
                self._slots.free(job, now=self._clock())
                self._end(job, failure)
            else:
                self._again(job)
