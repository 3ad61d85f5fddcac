"""The database: opened with clear words, written to in groups, none lost and none told wrongly."""

import os
import sqlite3
import stat
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError

from serving.annotations.acts import Act
from serving.annotations.database import Database
from serving.annotations.desk import Desk
from serving.annotations.schema import acts
from tests.serving.annotations.postgres import postgres, programs
from zoo.errors import BadInput, Busy, Stopped


def _add(connection: Connection, what: str) -> str:
    row = {"made_at": "now", "who": "anna", "act": "tried", "what": what}
    connection.execute(insert(acts).values(**row))
    return what


def _kept(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(acts.c.what).order_by(acts.c.id)).scalars())


def test_a_new_file_is_its_owners_alone_with_its_log_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        desk = Desk(str(tmp_path / "ratings.db"))
        desk.acts.add("anna", "signed in")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    desk.close()
    assert modes == {"ratings.db": 0o600, "ratings.db-wal": 0o600, "ratings.db-shm": 0o600}


def test_what_was_written_is_there_when_it_is_opened_again(where: str) -> None:
    desk = Desk(where)
    desk.acts.add("anna", "closed list", "abcd")
    desk.acts.add("ben", "signed in")
    told = desk.acts.all()
    desk.close()
    again = Desk(where)
    assert again.acts.all() == told
    assert [(act.who, act.act, act.what) for act in told] == [
        ("anna", "closed list", "abcd"),
        ("ben", "signed in", ""),
    ]
    assert again.acts.newest(1) == [Act(told[1].made_at, "ben", "signed in", "")]
    again.close()


@pytest.mark.parametrize("name", ["with space ü.db", "what?mode=ro.db", "100%.db"])
def test_a_file_may_bear_any_name(tmp_path: Path, name: str) -> None:
    Database(str(tmp_path / name)).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    Database(f"sqlite:///{tmp_path}/other.db").close()
    assert (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    ("where", "told", "hint"),
    [
        ("{}/no/ratings.db", "there is no folder {}/no", "mkdir -p {}/no"),
        ("{}", "the ratings' database {} is a folder", "{}/ratings.db"),
        ("{}/text", "{}/text cannot be opened: file is not a database", "names a database of ratings"),
        ("{}/other.db", "{}/other.db cannot be opened: table accounts already exists", "names a database"),
        ("sqlite://", "ratings cannot be kept in sqlite", "MEDZOO_ANNOTATIONS is a file, or postgresql"),
        ("mysql://anna:secret-word@host/x", "ratings cannot be kept in mysql", "MEDZOO_ANNOTATIONS is"),
        ("postgresql://anna:secret-word@host:port/x", "cannot be read", "MEDZOO_ANNOTATIONS is"),
        (
            "postgresql://anna:secret-word@127.0.0.1:9/x",
            "x at 127.0.0.1 cannot be opened: .*refused",
            "see that the server runs",
        ),
        (
            "postgresql://anna:secret-word@127.0.0.1:9/x?secret-word=1",
            r"cannot be opened: .*\*\*\*",
            "see that the server runs",
        ),
    ],
)
def test_what_cannot_be_opened_says_why_and_never_the_password(
    tmp_path: Path, where: str, told: str, hint: str
) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE accounts (name TEXT)")
    with pytest.raises(BadInput, match=told.replace("{}", str(tmp_path))) as error:
        Database(where.replace("{}", str(tmp_path)))
    assert hint.replace("{}", str(tmp_path)) in error.value.hint
    assert "secret-word" not in str(error.value)
    assert error.value.__cause__ is None
    with sqlite3.connect(tmp_path / "other.db") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("accounts",)]


def test_two_servers_that_start_at_once_make_the_tables_once(where: str) -> None:
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database(where))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, database in enumerate(opened):
        database.write(lambda connection, number=number: _add(connection, str(number)))
    assert len(opened) == 4
    assert _kept(opened[0]) == ["0", "1", "2", "3"]
    for database in opened:
        database.close()


def test_a_write_that_is_refused_undoes_itself_alone(desk: Desk) -> None:
    def refused(connection: Connection) -> None:
        _add(connection, "refused")
        raise BadInput("no")

    def wrong(connection: Connection) -> None:
        _add(connection, "wrong")
        connection.execute(insert(acts).values(who=None))

    held = threading.Event()
    first = desk.database.begin(lambda _: held.wait(120))  # so that the others share a commit
    writes: list[Any] = [lambda c: _add(c, "one"), refused, wrong, lambda c: _add(c, "two")]
    doing = [desk.database.begin(write) for write in writes]
    held.set()
    assert first.result() is True
    assert [doing[0].result(), doing[3].result()] == ["one", "two"]
    with pytest.raises(BadInput, match="no"):
        doing[1].result()
    with pytest.raises(Exception, match=r"NOT NULL|not-null"):
        doing[2].result()
    assert _kept(desk.database) == ["one", "two"]


def test_when_the_database_fails_in_a_group_those_before_are_kept_and_none_is_told_wrongly(
    tmp_path: Path,
) -> None:
    """SQLite undoes the whole transaction by itself when the disk is full: a group's earlier writes with it,
    and what follows would be on its own."""
    database = Database(str(tmp_path / "ratings.db"))

    def full(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    held = threading.Event()
    database.begin(lambda _: held.wait(120))
    writes: list[Any] = [lambda c: _add(c, "one"), full, lambda c: _add(c, "two")]
    doing = [database.begin(write) for write in writes]
    held.set()
    assert doing[0].result() == "one"
    for failed in doing[1:]:
        with pytest.raises(Busy, match="the ratings' database failed: OperationalError"):
            failed.result()
    assert database.write(lambda connection: _add(connection, "three")) == "three"
    assert _kept(database) == ["one", "three"]
    database.close()


def test_a_write_given_up_before_its_turn_is_left_out_and_the_writer_goes_on(desk: Desk) -> None:
    held = threading.Event()
    desk.database.begin(lambda _: held.wait(120))
    given_up = desk.database.begin(lambda connection: _add(connection, "given up"))
    assert given_up.cancel()
    held.set()
    assert desk.database.write(lambda connection: _add(connection, "next")) == "next"
    with pytest.raises(CancelledError):
        given_up.result()
    assert _kept(desk.database) == ["next"]


def test_closing_writes_what_waits_and_takes_no_more(where: str) -> None:
    database = Database(where)
    doing = [
        database.begin(lambda connection, number=number: _add(connection, str(number)))
        for number in range(50)
    ]
    database.close()
    assert [one.result() for one in doing] == [str(number) for number in range(50)]
    with pytest.raises(Stopped, match="the ratings' database is closed"):
        database.write(lambda connection: _add(connection, "late"))


def test_another_process_may_write_to_the_file_between_two_statements(tmp_path: Path) -> None:
    """As `medzoo accounts` does beside a server: who reads first and then writes is not thrown out."""
    database, other = (Database(str(tmp_path / "ratings.db")) for _ in range(2))

    def count_and_add(connection: Connection) -> str:
        count = len(list(connection.execute(select(acts.c.id))))
        return _add(connection, str(count))

    def work(on: Database) -> None:
        for _ in range(30):
            on.write(count_and_add)

    threads = [threading.Thread(target=work, args=(on,)) for on in (database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _kept(database) == [str(number) for number in range(60)]
    database.close()
    other.close()


def test_what_was_to_be_overwritten_when_the_process_ended_is_overwritten_when_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(str(tmp_path / "ratings.db"))
    for number in range(200):
        database.write(lambda connection, number=number: _add(connection, "planted" * (number % 40)))
    with monkeypatch.context() as killed:
        killed.setattr(database, "_overwrite", lambda: None)
        database.erase(lambda connection: connection.execute(acts.delete()))
    assert b"plantedplanted" in _bytes(tmp_path)
    again = Database(str(tmp_path / "ratings.db"))
    assert b"plantedplanted" not in _bytes(tmp_path)
    database.close()
    again.close()


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_one_who_reads_long_is_told_of_and_erasing_again_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.databases.LOCKED_S", 0.2)
    database = Database(str(tmp_path / "ratings.db"))
    database.write(lambda connection: _add(connection, "planted"))
    with database.read() as reader:
        reader.execute(select(acts)).all()
        with pytest.raises(Busy, match="may still lie in the ratings' file"):
            database.erase(lambda connection: connection.execute(acts.delete()))
    database.erase(lambda connection: None)
    assert b"planted" not in _bytes(tmp_path)
    database.close()


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql")
def test_a_server_that_goes_away_is_told_of_without_a_word_of_what_was_written() -> None:
    with postgres() as url:
        database = Database(url)
        database.write(lambda connection: _add(connection, "one"))
    with pytest.raises(Busy, match="the ratings' database failed: ") as told:
        database.write(lambda connection: _add(connection, "planted"))
    assert "planted" not in str(told.value)
    with pytest.raises(Busy, match="the ratings' database failed: "):
        _kept(database)
    database.close()
