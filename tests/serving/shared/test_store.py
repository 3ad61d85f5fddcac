"""The database that servers share: its tables, one that ends or hangs, one file for two programs."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import OperationalError

from serving import databases
from serving.annotations.database import Database
from serving.annotations.schema import metadata as ratings
from serving.defence.keys import new_key
from serving.defence.pace import Quota
from serving.shared import Shared, Store
from serving.shared.key_table import add_key
from serving.shared.schema import metadata
from serving.shared.store import SHARED
from tests.serving.annotations.postgres import postgres, programs
from tests.serving.shared._server import REF
from zoo.errors import DatabaseAway


def test_the_migrations_give_the_tables_of_the_schema_beside_those_of_the_ratings(where):
    Database(where).close()
    store = Store(where)
    with store.read() as connection:
        there = set(inspect(connection).get_table_names())
        assert there == {*metadata.tables, *ratings.tables, "alembic_version", "shared_schema"}
        ours = {
            "compare_type": True,
            "version_table": "shared_schema",
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), metadata) == []
    store.close()
    Database(where).close()


def test_a_server_of_postgresql_that_ends_is_away_and_hides_no_request(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres() as url:
        shared = Shared(url, scope="phantom", quota=Quota(per_minute=60, burst=9, at_once=9))
        token, key = new_key("ana", "read")
        add_key(shared._store, key)
        shared.mirror.refresh()
        assert asyncio.run(shared.enter("ana"))[0].allowed
    asyncio.run(shared.fresh())
    assert shared.mirror.away
    assert shared.mirror.find(token) == key
    assert asyncio.run(shared.enter("ana")) is None
    with pytest.raises(DatabaseAway):
        shared.table.name("mdpo", REF, replace=False)
    shared.close()


@contextmanager
def stopped(url):
    """PostgreSQL's processes, as if its disk hung: connections stay and nothing is answered."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        others = "SELECT pid FROM pg_stat_activity WHERE datname IS NOT NULL AND pid != pg_backend_pid()"
        rows = connection.exec_driver_sql(others).all()
        folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
    engine.dispose()
    pids = [int((Path(folder) / "postmaster.pid").read_text().splitlines()[0]), *(row.pid for row in rows)]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_server_of_postgresql_that_hangs_holds_no_request_for_ever(postgres_url, monkeypatch):
    monkeypatch.setattr("serving.shared.store._POSTGRES", {"answer_s": 0.5})
    monkeypatch.setattr("serving.databases.CONNECT_S", 2)
    shared = Shared(postgres_url, scope="phantom", quota=Quota(per_minute=60, burst=9, at_once=9))
    assert asyncio.run(shared.enter("ana"))[0].allowed
    with stopped(postgres_url):
        asyncio.run(asyncio.wait_for(shared.fresh(), 60))
        assert shared.mirror.away
        assert asyncio.run(asyncio.wait_for(shared.enter("ana"), 60)) is None
    while shared.mirror.away:
        asyncio.run(asyncio.wait_for(shared.fresh(), 60))
    shared.close()


def test_a_statement_that_is_not_answered_in_time_ends_its_connection_alone(postgres_url):
    engine = databases.connect(
        databases.address(postgres_url, SHARED), SHARED, writes=False, answer_s=0.5, settings={"jit": "off"}
    )
    with pytest.raises(OperationalError, match=r"no answer within 0\.5 s"), engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(600)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW jit").scalar_one() == "off"
    engine.dispose()


def test_what_the_url_asks_of_postgresql_is_kept_beside_what_servers_need(postgres_url):
    url = databases.address(f"{postgres_url}&options=-c%20search_path%3Dmedzoo", SHARED)
    engine = databases.connect(url, SHARED, writes=False, settings={"lock_timeout": "5000"})
    with engine.connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {one}").scalar_one() for one in ("search_path", "lock_timeout")
        ]
    engine.dispose()
    assert shown == ["medzoo", "5s"]


def test_a_database_that_failed_is_left_alone_for_a_moment(tmp_path):
    now = [0.0]
    store = Store(str(tmp_path / "shared.db"), clock=lambda: now[0])
    with pytest.raises(DatabaseAway, match="OperationalError"), store.read() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    with pytest.raises(DatabaseAway, match="a moment ago"), store.read():
        pass
    now[0] += 1.1
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    store.close()


def test_two_processes_that_keep_ratings_and_shared_state_in_one_file_see_each_others(tmp_path):
    """What one has written reaches the file, whoever else opens and closes it."""
    path = str(tmp_path / "all.db")
    shared = Store(path)
    _, key = new_key("ana", "read")
    add_key(shared, key)
    ratings_of_this_one = Database(path)
    opens = "import sys; from serving.shared import Store; Store(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", opens, path], check=True)
    _, later = new_key("ben", "read")
    add_key(shared, later)
    reads = (
        "import sys; from serving.shared import Store; from serving.shared.key_table import read_keys\n"
        "with Store(sys.argv[1]).read() as one: print(*(key.name for key in read_keys(one)))"
    )
    said = subprocess.run([sys.executable, "-c", reads, path], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["ana", "ben"]
    ratings_of_this_one.close()
    shared.close()


def test_no_key_lies_in_the_database_in_clear(tmp_path):
    path = tmp_path / "shared.db"
    store = Store(str(path))
    token, key = new_key("ana", "read")
    add_key(store, key)
    store.close()
    held = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert key.digest.encode() in held
    assert token.encode() not in held
    assert path.stat().st_mode & 0o777 == 0o600
