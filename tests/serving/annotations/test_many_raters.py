"""200 raters who click at once, and a server killed between two clicks: no click lost, none doubled."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from serving.annotations.desk import Desk
from tests.serving.annotations import _many_raters
from tests.serving.annotations._store import add_list, add_raters, click
from tests.serving.annotations.postgres import postgres, programs

A_SECOND = 200
CLICKER = """
import sys
from serving.annotations.desk import Desk
from tests.serving.annotations._store import click
desk = Desk(sys.argv[1])
case = int(sys.argv[2])
def told(made):
    return lambda done: print(made.uid, flush=True)
from serving.annotations.clicks import add_click
while True:
    doing = []
    for rank in range(20):
        made = click("anna", case, "rank", rank, adapter="base")
        one = desk.database.begin(lambda connection, made=made: add_click(connection, made))
        one.add_done_callback(told(made))
        doing.append(one)
    assert all(one.result() for one in doing)
"""


def _load(where: str, *, seconds: float) -> _many_raters.Flow:
    desk = Desk(where)
    work_list = _many_raters.prepare(desk)
    ended = threading.Event()
    looking = _many_raters.reading(desk, work_list, ended)
    found = _many_raters.flow([desk], work_list, seconds=seconds, a_second=A_SECOND, seed=1)
    ended.set()
    looking.join()
    desk.close()
    again = Desk(where)
    _many_raters.check(again, found)
    again.close()
    assert found.again > 0
    return found


def test_clicks_of_200_raters_are_all_kept_once_for_some_seconds(tmp_path: Path) -> None:
    _load(str(tmp_path / "ratings.db"), seconds=4)


@pytest.mark.slow
def test_clicks_of_200_raters_are_all_kept_once_for_a_minute_in_sqlite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _load(str(tmp_path / "ratings.db"), seconds=60)
    with capsys.disabled():
        print(f"\n{found.report('sqlite')}")
    assert found.rate > A_SECOND / 2  # a disk may stall; what waits must not grow without end


@pytest.mark.slow
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql")
def test_clicks_of_200_raters_are_all_kept_once_for_a_minute_in_postgresql(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with postgres() as url:
        found = _load(url, seconds=60)
    with capsys.disabled():
        print(f"\n{found.report('postgresql')}")
    assert found.rate > A_SECOND / 2  # a disk may stall; what waits must not grow without end


def test_two_servers_on_one_postgresql_keep_every_click_once(postgres_url: str) -> None:
    """Each rater's clicks alternate between the two, so what was said last is not asked here."""
    desks = [Desk(postgres_url) for _ in range(2)]
    work_list = _many_raters.prepare(desks[0])
    found = _many_raters.flow(desks, work_list, seconds=3, a_second=A_SECOND, seed=2)
    uids = [one.uid for clicks in desks[1].clicks.of_list(work_list).values() for one in clicks]
    for desk in desks:
        desk.close()
    assert len(uids) == found.kept == len(found.sent)
    assert set(uids) == {one.uid for one in found.sent}


def test_every_click_that_was_confirmed_is_there_after_the_process_was_killed(where: str) -> None:
    desk = Desk(where)
    add_raters(desk, "anna")
    work_list = add_list(desk, "anna", overlap=1, cases=1).id
    (case,) = desk.lists.cases(work_list)
    desk.close()
    confirmed: list[str] = []
    for _ in range(3):
        command = [sys.executable, "-c", CLICKER, where, str(case.id)]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}
        )
        assert child.stdout is not None
        before = len(confirmed)
        for line in child.stdout:
            if line.endswith("\n"):
                confirmed.append(line.strip())
            if len(confirmed) == before + 150:
                child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert len(confirmed) >= before + 150
    again = Desk(where)
    found = [one.uid for one in again.clicks.of(case.id, "anna")]
    assert len(found) == len(set(found))
    assert set(confirmed) <= set(found)
    assert again.clicks.add(click("anna", case.id, "done", True))
    again.close()
