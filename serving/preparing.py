"""The answers of work lists in preparation, made one case at a time behind the questions of people.

One thread, that goes on where it stopped after a restart. What fails for a passing reason is tried again,
more and more seldom; what will always fail is noted at its case, by the kind of the error, never its words.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError

from serving.annotations.desk import Desk
from serving.annotations.records import Case, CaseAnswer, WorkList
from serving.core.requests import BASE, Answer
from serving.service import Asked, Asking, Service
from zoo.asking import question
from zoo.errors import BadAdapter, Busy, DeadlinePassed, HubUnreachable, Stopped, UnknownName, ZooError
from zoo.images import Limits, decode

log = logging.getLogger(__name__)

CLIENT = "work list"
PASSING = (Busy, HubUnreachable, Stopped, DeadlinePassed)
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
MOST_LATE = 3
"""Times that a case may take too long before that counts as lasting."""
LOOK_S = 30.0
"""How often it looks for cases that somebody else added, such as another server on the same database."""

Who = tuple[str, str, str, str]
"""repo, sha, digest, and the base that ran it."""


class Moved(BadAdapter):
    """A name stands for another adapter than in the list's earlier cases."""


class Preparing:
    """Makes the answers of one database's lists by one service. Greedy, so seed 0."""

    def __init__(self, service: Service, desk: Desk, *, limits: Limits) -> None:
        self.desk = desk
        self._service, self._lists, self._limits = service, desk.lists, limits
        self._pins: dict[str, dict[str, Who]] = {}
        self._late: dict[int, int] = {}
        self._wake, self._ended = threading.Event(), threading.Event()
        self._asking: Asking | None = None
        self._thread = threading.Thread(target=self._run, name="work lists", daemon=True)

    def start(self) -> None:
        """Begin, with what was left over."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def close(self) -> None:
        """End; a case under way is given up and begun again by the next start."""
        self._ended.set()
        self._wake.set()
        if self._asking is not None:
            self._asking.cancel()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._ended.is_set():
            self._wake.clear()
            try:
                passed = self._round()
            except Exception as error:  # whatever it was, the next round may go through
                log.error("work lists: %s", type(error).__name__)
                passed = False
            wait_s = FIRST_WAIT_S if passed else min(2 * wait_s, LONGEST_WAIT_S)
            if passed:
                self._wake.wait(LOOK_S)
            else:
                self._ended.wait(wait_s)

    def _round(self) -> bool:
        """All cases once that have no answers and no problem; False if something is to be tried again, for
        which the rest of its list waits and no other list."""
        waiting: set[str] = set()
        for case in self._lists.unanswered():
            if self._ended.is_set():
                break
            if not case.problem and case.work_list not in waiting and not self._one(case):
                waiting.add(case.work_list)
        return not waiting

    def _one(self, case: Case) -> bool:
        try:
            ours = self._lists.get(case.work_list)
            if ours.state != "preparing":  # closed since the round began
                return True
            pins = self._pinned(ours)
            said = self._ask(case, ours, pins)
            _check(said, pins)
            self._lists.put_answers(case.id, said)
        except UnknownName:
            if self._is_there(case.id):
                self._lists.put_problem(case.id, UnknownName.__name__)
        except (CancelledError, *PASSING) as error:
            late = self._late[case.id] = self._late.get(case.id, 0) + isinstance(error, DeadlinePassed)
            if late < MOST_LATE:
                return False
            self._lists.put_problem(case.id, type(error).__name__)
        except ZooError as error:
            log.error("work list %s, case %d: %s", case.work_list, case.number, type(error).__name__)
            self._lists.put_problem(case.id, type(error).__name__)
        self._late.pop(case.id, None)
        return True

    def _pinned(self, ours: WorkList) -> Mapping[str, Who]:
        """Who answers as what in this list: whoever answered its first case, by what is kept, since another
        server may have been first."""
        if ours.id not in self._pins:
            first = next(iter(self._lists.answers_of_list(ours.id).values()), [])
            if not first:
                return {}
            self._pins[ours.id] = {one.adapter: _who(one) for one in first}
            for one in first:
                self._service.stood_for(one.adapter, one.repo, one.sha)
        return self._pins[ours.id]

    def _ask(self, case: Case, ours: WorkList, pins: Mapping[str, Who]) -> list[CaseAnswer]:
        names = [_written(name, pins) for name in ours.adapters]
        files = [self._lists.picture(case.id, number) for number in range(case.pictures)]
        asked = Asked(
            images=tuple(decode(data, limits=self._limits) for data in files),
            turns=question(case.prompt, images=len(files)),
            adapters=tuple(names),
            client=CLIENT,
        )
        self._asking = asking = self._service.ask(asked)
        try:
            if self._ended.is_set():
                asking.cancel()
            answers = asking.result().answers
        finally:
            self._asking = None
        return [_answer(name, one) for name, one in zip(ours.adapters, answers, strict=True)]

    def _is_there(self, case: int) -> bool:
        """Whether a case, and so its list, has not been dropped or closed meanwhile."""
        return any(one.id == case for one in self._lists.unanswered())


def _written(name: str, pins: Mapping[str, Who]) -> str:
    """How an adapter is asked for: by its commit once that is known, so that no branch moves under a list."""
    if name == BASE or name not in pins:
        return name
    repo, sha, _, _ = pins[name]
    return f"{repo}@{sha}"


def _check(said: list[CaseAnswer], pins: Mapping[str, Who]) -> None:
    """Raise Moved if an answer is not of the adapter, or the base, that the list's other cases have."""
    for one in said:
        if pins.get(one.adapter, _who(one)) != _who(one):
            raise Moved(f"{one.adapter} is not the adapter that answered the list's first case")


def _who(one: CaseAnswer) -> Who:
    return one.repo, one.sha, one.digest, one.base


def _answer(name: str, one: Answer) -> CaseAnswer:
    return CaseAnswer(
        adapter=name,
        variant=one.variant,
        repo=one.adapter.repo,
        sha=one.adapter.sha,
        digest=one.adapter.digest,
        base=one.base,
        text=one.text,
        answer_sha256=hashlib.sha256(one.text.encode()).hexdigest(),
        finish=one.finish,
        tokens=one.tokens,
    )
