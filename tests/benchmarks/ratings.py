"""Clicks kept a second: by the store's writer, which shares commits, and by a commit a click, on one file.

32 raters click, each again when the last click is on disk. The peer is what a user would write: SQLAlchemy's
`with engine.begin()` around the same statements on the same SQLite file with the same settings; from as many
threads, as a web server would, and from one thread, where nobody stands in another's way.
"""

import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.annotations import opening
from serving.annotations.clicks import add_click
from serving.annotations.desk import Desk
from serving.annotations.records import CaseAnswer, Click, NewCase

RATERS = 32
CLICKS = 320
REPETITIONS = 3
_SHA256 = "a" * 64


def measure() -> dict[str, float]:
    """Clicks a second of ours, and over the peer's two ways."""
    with tempfile.TemporaryDirectory() as folder:
        where = str(Path(folder) / "ratings.db")
        desk = Desk(where)
        case = _one_case(desk)
        peer = opening.connect(opening.address(where), writes=True)

        def commit(click: Click) -> None:
            with peer.begin() as connection:
                add_click(connection, click)

        ways: dict[str, tuple[Callable[[Click], object], int]] = {
            "ours": (desk.clicks.add, RATERS),
            "threads": (commit, RATERS),
            "in turn": (commit, 1),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for repetition in range(REPETITIONS + 1):
            for name, (way, threads) in ways.items():
                clicks = [_click(case, number) for number in range(CLICKS)]
                with ThreadPoolExecutor(threads) as pool:
                    began = time.perf_counter()
                    list(pool.map(way, clicks))
                    if repetition:  # the first is a warm-up
                        rates[name].append(CLICKS / (time.perf_counter() - began))
        kept = sum(len(desk.clicks.of(case, f"rater{number}")) for number in range(RATERS))
        assert kept == CLICKS * len(ways) * (REPETITIONS + 1)
        peer.dispose()
        desk.close()
    median = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "ratings_clicks_a_second": median["ours"],
        "ratings_speedup_vs_commit_a_click": median["ours"] / median["in turn"],
        "ratings_speedup_vs_commit_a_click_in_threads": median["ours"] / median["threads"],
    }


def _one_case(desk: Desk) -> int:
    raters = [f"rater{number}" for number in range(RATERS)]
    for name in raters:
        desk.accounts.add(name, "rater", "four quiet words")
    new = NewCase(
        question_id="q", dataset="d", split="s", prompt="What is shown?", pictures=(), case_sha256=_SHA256
    )
    made = desk.lists.add(
        "ward", [new], adapters=["base"], raters=raters, overlap=RATERS, made_by="administrator"
    )
    (case,) = desk.lists.cases(made.id)
    said = CaseAnswer(
        adapter="base",
        variant="base",
        repo="zoo/base",
        sha="b" * 40,
        digest="",
        base="phantom@b",
        text="A mass.",
        answer_sha256=_SHA256,
        finish="stop",
        tokens=2,
    )
    desk.lists.put_answers(case.id, [said])
    return case.id


def _click(case: int, number: int) -> Click:
    return Click(
        uid=str(uuid.uuid4()),
        rater=f"rater{number % RATERS}",
        case=case,
        answer_sha256=_SHA256,
        sets="rank",
        value=json.dumps(number),
    )
