import asyncio
import threading

import pytest

from serving.annotations.accounts import SESSION_HOURS
from serving.annotations.people import KEPT_S, MOST, People
from serving.annotations.records import Account
from zoo.errors import Busy


class Accounts:
    """Accounts that count how often they are asked."""

    def __init__(self):
        self.sessions, self.asked, self.ended = {}, [], 0
        self.logged, self.full = [], False
        self.gate = threading.Event()
        self.gate.set()

    def find(self, token):
        found = self.sessions.get(token)
        self.asked.append((token, threading.current_thread().name.partition("_")[0]))
        if token == "of ana":
            self.gate.wait(60)
        return found

    def find_name(self, name):
        return self.find(name)

    def named_by_proxy(self, name):
        self.logged.append((name, threading.current_thread().name.partition("_")[0]))
        if self.full:
            raise Busy("the disk is full")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def accounts():
    found = Accounts()
    for name, role in (("ana", "rater"), ("admin", "administrator")):
        found.sessions[f"of {name}"] = Account(name=name, role=role, pseudonym="", made_at="")
    return found


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def people(accounts, clock):
    return People(accounts, clock=clock)


def look(people, token):
    return asyncio.run(people.role_of_session(token))


def test_a_rater_may_annotate_and_an_administrator_all(people):
    assert look(people, "of ana") == ("ana", "annotate")
    assert look(people, "of admin") == ("admin", "admin")
    assert look(people, "of nobody") is None
    assert asyncio.run(people.role_of_name("of ana")) == ("ana", "annotate")


def test_whom_a_proxy_names_is_written_down_once_in_the_time_of_a_session(people, accounts, clock):
    async def named():
        names = ["of ana"] * 5 + ["of nobody"]
        return await asyncio.gather(*map(people.role_of_name, names), return_exceptions=True)

    accounts.full = True
    assert isinstance(asyncio.run(named())[0], Busy)
    accounts.full = False
    accounts.logged.clear()
    asyncio.run(named())
    clock.now += SESSION_HOURS * 3600 - 1
    asyncio.run(named())
    assert accounts.logged == [("of ana", "accounts")]
    clock.now += 1
    asyncio.run(named())
    assert len(accounts.logged) == 2
    look(people, "of ana")
    assert len(accounts.logged) == 2, "a session was written down when it began"


def test_the_disk_is_asked_once_in_a_while_and_never_by_the_loop(people, accounts, clock):
    for _ in range(100):
        look(people, "of ana")
        look(people, "of nobody")
    assert accounts.asked == [("of ana", "accounts"), ("of nobody", "accounts")]
    clock.now += KEPT_S + 0.1
    look(people, "of ana")
    assert len(accounts.asked) == 3


def test_what_ended_elsewhere_ends_after_seconds_and_what_ended_here_at_once(people, accounts, clock):
    look(people, "of ana")
    gone = accounts.sessions.pop("of ana")
    assert look(people, "of ana") == ("ana", "annotate")
    clock.now += KEPT_S
    assert look(people, "of ana") is None
    accounts.sessions["of ana"] = gone
    clock.now += KEPT_S
    assert look(people, "of ana") == ("ana", "annotate")
    del accounts.sessions["of ana"]
    accounts.ended += 1
    assert look(people, "of ana") is None


def test_what_was_read_before_the_end_is_not_remembered_after_it(people, accounts):
    async def both():
        accounts.gate.clear()
        before = asyncio.create_task(people.role_of_session("of ana"))
        while not accounts.asked:
            await asyncio.sleep(0.01)
        del accounts.sessions["of ana"]
        accounts.ended += 1
        await people.role_of_session("of admin")
        accounts.gate.set()
        return await before, await people.role_of_session("of ana")

    assert asyncio.run(both()) == (("ana", "annotate"), None)


def test_tokens_that_somebody_makes_up_fill_no_memory(people):
    async def many():
        for one in range(MOST + 100):
            people._kept[f"made up {one}"] = (None, 1e9)
            if one % 1000 == 0:
                await people.role_of_session(f"{one}")
        await people.role_of_session("last")

    asyncio.run(many())
    assert len(people._kept) < MOST
