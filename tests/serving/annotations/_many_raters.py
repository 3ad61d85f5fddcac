"""Many raters who click at once: a steady flow, some of it sent again, some of it corrected.

A generator and not a thread a rater: each click has its time, whoever waits for the disk, as one rater's wait
holds no other up.
"""

import json
import queue
import random
import statistics
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from serving.annotations.clicks import add_click, fold
from serving.annotations.desk import Desk
from serving.annotations.records import Click
from tests.serving.annotations._store import ADAPTERS, add_list, add_raters, sha256_of

RATERS = 200
CASES = 100
TWICE = 0.05
SEVERITIES = ("none", "minor", "severe", "cannot judge")


@dataclass
class Flow:
    """What was sent, and what came of it."""

    work_list: str
    sent: list[Click] = field(default_factory=list)
    again: int = 0
    seconds: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    kept: int = 0

    @property
    def rate(self) -> float:
        """Clicks a second that were sent and on disk."""
        return (len(self.sent) + self.again) / self.seconds

    def report(self, name: str) -> str:
        """A line for the terminal."""
        cuts = statistics.quantiles(self.waits_s, n=100)
        return (
            f"{name}: {len(self.sent)} clicks of {RATERS} raters and {self.again} of them again in "
            f"{self.seconds:.1f} s, {self.rate:.0f} a second, on disk after p50 {cuts[49] * 1000:.1f} ms, "
            f"p99 {cuts[98] * 1000:.1f} ms, at most {max(self.waits_s) * 1000:.0f} ms"
        )


def prepare(desk: Desk) -> str:
    """A list that 200 raters rate, each case all of them; its id."""
    raters = [f"rater{number:03}" for number in range(RATERS)]
    add_raters(desk, *raters)
    return add_list(desk, *raters, cases=CASES, overlap=RATERS).id


def flow(desks: Sequence[Desk], work_list: str, *, seconds: float, a_second: int, seed: int) -> Flow:
    """Send clicks at that rate to the servers in turn; one in twenty is sent once more, to another server if
    there is one. A rater sets the same things again and again, so most clicks correct an earlier one."""
    dice = random.Random(seed)
    cases = [case.id for case in desks[0].lists.cases(work_list)][:5]
    found = Flow(work_list)
    ended: queue.SimpleQueue[tuple[float, bool]] = queue.SimpleQueue()
    began = time.perf_counter()

    def send(click: Click, to: Desk) -> None:
        at = time.perf_counter()
        doing: Future[bool] = to.database.begin(lambda connection: add_click(connection, click))
        doing.add_done_callback(lambda done: ended.put((time.perf_counter() - at, done.result())))

    for number in range(round(seconds * a_second)):
        time.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        if found.sent and dice.random() < TWICE:
            place = dice.randrange(max(0, len(found.sent) - 50), len(found.sent))
            send(found.sent[place], desks[(place + 1) % len(desks)])
            found.again += 1
            continue
        sets = dice.choice(("severity", "rank", "errors"))
        value = {
            "severity": dice.choice(SEVERITIES),
            "rank": dice.randint(1, len(ADAPTERS)),
            "errors": sorted(dice.sample(("MM", "SLC", "AM", "LAS"), dice.randint(0, 3))),
        }[sets]
        rater = dice.randrange(RATERS)
        click = Click(
            uid=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
            rater=f"rater{rater:03}",
            case=dice.choice(cases),
            answer_sha256=sha256_of(dice.choice(ADAPTERS)),
            sets=sets,
            value=json.dumps(value),
        )
        send(click, desks[len(found.sent) % len(desks)])
        found.sent.append(click)
    for _ in range(len(found.sent) + found.again):
        wait_s, kept = ended.get(timeout=60)
        found.waits_s.append(wait_s)
        found.kept += kept
    found.seconds = time.perf_counter() - began
    return found


def check(desk: Desk, found: Flow) -> None:
    """None lost, none doubled, and what each rater said last is what counts."""
    kept = desk.clicks.of_list(found.work_list)
    uids = [click.uid for clicks in kept.values() for click in clicks]
    assert len(uids) == len(found.sent) == found.kept
    assert set(uids) == {click.uid for click in found.sent}
    last: dict[tuple[int, str], dict[tuple[str, str], str]] = {}
    for click in found.sent:
        said = last.setdefault((click.case, click.rater), {})
        said[click.answer_sha256, click.sets] = click.value
    assert {key: _said(clicks) for key, clicks in kept.items()} == last


def _said(clicks: Sequence[Click]) -> dict[tuple[str, str], str]:
    found = {}
    for sha256, answer in fold(clicks).answers.items():
        if answer.severity is not None:
            found[sha256, "severity"] = json.dumps(answer.severity)
        if answer.rank is not None:
            found[sha256, "rank"] = json.dumps(answer.rank)
        if any(click.sets == "errors" and click.answer_sha256 == sha256 for click in clicks):
            found[sha256, "errors"] = json.dumps(list(answer.errors))
    return found


def reading(desk: Desk, work_list: str, until: threading.Event) -> threading.Thread:
    """Someone who looks at the list's progress all the while."""

    def look() -> None:
        while not until.wait(0.5):
            desk.lists.progress(work_list)
            desk.clicks.of_list(work_list)

    thread = threading.Thread(target=look)
    thread.start()
    return thread
