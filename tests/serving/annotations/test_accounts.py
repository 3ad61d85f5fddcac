import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from serving.annotations import accounts as module
from serving.annotations.schema import accounts, sessions
from zoo.errors import BadInput, NoKey, UnknownName

PASSWORD = "four words are easy"


@pytest.fixture
def quick(monkeypatch):
    """Hashes of a moment, where how long one takes is not what is tested."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(module, "_HASHER", hasher)
    monkeypatch.setattr(module, "_NOBODY", hasher.hash("nobody"))


@pytest.fixture
def ana(desk, quick):
    desk.accounts.add("ana", "rater", PASSWORD)
    return desk.accounts


def rows(desk, table):
    with desk.database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table))]


def test_a_password_and_a_token_are_kept_as_hashes_alone(desk):
    desk.accounts.add("ana", "administrator", PASSWORD)
    token = desk.accounts.sign_in("ana", PASSWORD)
    (account,), (session,) = rows(desk, accounts), rows(desk, sessions)
    assert account["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (account["name"], account["role"], session["account"]) == ("ana", "administrator", "ana")
    assert PASSWORD not in str(account)
    assert re.fullmatch("[0-9a-f]{64}", session["token_sha256"])
    assert token not in str(session)


def test_a_name_and_its_password_sign_in_and_nothing_else_does(ana):
    assert ana.find(ana.sign_in("ana", PASSWORD)).name == "ana"
    wrong = [("ana", "four words are hard"), ("ana", ""), ("ana", PASSWORD + " "), ("ben", PASSWORD)]
    wrong += [("Ana", PASSWORD), ("", PASSWORD), ("ana\x00", PASSWORD), ("x" * 5000, PASSWORD)]
    for name, password in [*wrong, ("ana", "\ud800" * 12)]:
        with pytest.raises(NoKey, match="name and password do not go together"):
            ana.sign_in(name, password)


def test_letters_that_keyboards_write_in_several_ways_are_one(ana):
    ana.add("ben", "rater", "schlüssel am meer")
    assert ana.sign_in("ben", "schlu\u0308ssel am meer")


def test_each_sign_in_is_another_session_and_each_ends_by_itself(ana):
    first, second = ana.sign_in("ana", PASSWORD), ana.sign_in("ana", PASSWORD)
    assert first != second
    ana.sign_out(first)
    assert (ana.find(first), ana.find(second).name) == (None, "ana")


def test_a_session_ends_by_itself_after_its_hours_and_is_swept_away(desk, ana):
    token = ana.sign_in("ana", PASSWORD)
    (row,) = rows(desk, sessions)
    hours = datetime.fromisoformat(row["ends_at"]) - datetime.now(UTC)
    assert timedelta(hours=11.9) < hours < timedelta(hours=12.1)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="microseconds")
    desk.database.write(lambda connection: connection.execute(update(sessions).values(ends_at=past)))
    assert ana.find(token) is None
    ana.sign_in("ana", PASSWORD)
    assert len(rows(desk, sessions)) == 1


def test_closing_and_another_password_end_all_sessions_and_a_new_one_opens_again(ana):
    token = ana.sign_in("ana", PASSWORD)
    ana.close("ana")
    assert (ana.find(token), ana.find_name("ana"), ana.known("ana")) == (None, None, True)
    with pytest.raises(NoKey):
        ana.sign_in("ana", PASSWORD)
    ana.set_password("ana", "other words are easy")
    assert ana.find(token) is None
    assert ana.find_name("ana").name == "ana"
    token = ana.sign_in("ana", "other words are easy")
    ana.set_password("ana", PASSWORD)
    assert ana.find(token) is None


def test_by_the_old_password_comes_another_and_all_sessions_but_a_fresh_one_end(desk, ana):
    ana.add("ben", "rater", PASSWORD)
    before, of_ben = ana.sign_in("ana", PASSWORD), ana.sign_in("ben", PASSWORD)
    hashed = rows(desk, accounts)[0]["password_hash"]
    for name, old in (("ana", "wrong"), ("zoe", PASSWORD), ("ana", "\ud800" * 12)):
        with pytest.raises(NoKey, match="name and password do not go together"):
            ana.change_password(name, old, "other words are easy")
    with pytest.raises(BadInput, match="a password of 9 characters"):
        ana.change_password("ana", PASSWORD, "too short")
    with pytest.raises(BadInput, match="the new password is the old one"):
        ana.change_password("ana", PASSWORD, PASSWORD)
    assert rows(desk, accounts)[0]["password_hash"] == hashed
    assert ana.find(before).name == "ana"
    ended = ana.ended
    token = ana.change_password("ana", PASSWORD, "other words are easy")
    assert [ana.find(one) and ana.find(one).name for one in (before, token, of_ben)] == [None, "ana", "ben"]
    assert ana.ended == ended + 1, "what was read of sessions before is old"
    with pytest.raises(NoKey):
        ana.sign_in("ana", PASSWORD)
    assert ana.sign_in("ana", "other words are easy")
    assert ana.sign_in("ben", PASSWORD)
    assert [(act.who, act.act, act.what) for act in desk.acts.all()] == [("ana", "password changed", "ana")]


@pytest.mark.parametrize("meanwhile", ["closed", "another password"])
def test_a_password_that_stopped_to_count_while_it_was_looked_at_opens_and_changes_nothing(
    desk, monkeypatch, ana, meanwhile
):
    verify = ana._verify

    def then(name, password):
        kept = verify(name, password)
        if meanwhile == "closed":
            ana.close("ana")
        else:
            ana.set_password("ana", "an administrator's words")
        return kept

    monkeypatch.setattr(ana, "_verify", then)
    with pytest.raises(NoKey):
        ana.sign_in("ana", PASSWORD)
    ana.set_password("ana", PASSWORD)
    with pytest.raises(NoKey):
        ana.change_password("ana", PASSWORD, "other words are easy")
    assert rows(desk, sessions) == []
    assert (ana.find_name("ana") is None) == (meanwhile == "closed")
    assert desk.acts.all() == []


@pytest.mark.parametrize("name", ["", "Ana", "a b", "-a", "a\nb", "local", "command line", "x" * 65, "ä"])
def test_a_name_that_could_be_mistaken_is_refused(ana, name):
    with pytest.raises(BadInput, match="an account cannot be named"):
        ana.add(name, "rater", PASSWORD)


def test_what_cannot_be_an_account_is_told(ana):
    with pytest.raises(BadInput, match="there is an account named 'ana'"):
        ana.add("ana", "administrator", PASSWORD)
    with pytest.raises(BadInput, match="a password of 9 characters"):
        ana.add("ben", "rater", "too short")
    with pytest.raises(BadInput, match="a password of 501 characters"):
        ana.add("ben", "rater", "x" * 501)
    with pytest.raises(BadInput, match="the password is no text"):
        ana.add("ben", "rater", "\ud800" * 12)
    for act in (ana.close, ana.get, lambda name: ana.set_password(name, PASSWORD)):
        with pytest.raises(UnknownName, match="no account is named 'ben'"):
            act("ben")
    assert [(one.name, one.role) for one in ana.all()] == [("ana", "rater")]


def test_an_unknown_name_a_closed_one_and_a_wrong_password_take_the_same_way(desk, monkeypatch, ana):
    ana.add("zoe", "rater", PASSWORD)
    ana.close("zoe")
    looked, verify = [], module._HASHER.verify

    class Noting:
        def verify(self, kept, password):
            looked.append(password)
            return verify(kept, password)

    monkeypatch.setattr(module, "_HASHER", Noting())
    for name in ("ana", "nobody", "zoe", "NO NAME"):
        with pytest.raises(NoKey):
            ana.sign_in(name, "wrong all the same")
    assert looked == ["wrong all the same"] * 4


def test_an_unknown_name_takes_as_long_as_a_wrong_password(desk):
    desk.accounts.add("ana", "rater", PASSWORD)
    took = {"ana": [], "nobody": []}
    for _ in range(7):
        for name, seconds in took.items():
            began = time.thread_time()
            with pytest.raises(NoKey):
                desk.accounts.sign_in(name, "wrong all the same")
            seconds.append(time.thread_time() - began)
    known, unknown = (statistics.median(seconds) for seconds in took.values())
    assert known > 0.005
    assert 0.5 < unknown / known < 2
