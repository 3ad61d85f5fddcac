import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
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
from serving.defence.tries import Tries
from serving.library.together import SharedHub, SharedNames
from serving.shared import Mirror, NamesTable, Shared, Store
from serving.shared.key_table import add_key, remove_key
from serving.shared.limits import LIVES_S, SharedLimits
from serving.shared.mirror import GRACE_S
from serving.shared.names_table import MOST_COMMITS
from serving.shared.schema import metadata
from serving.shared.store import SHARED
from serving.shared.tries_table import SharedTries
from tests.serving.annotations.postgres import postgres, programs
from zoo.errors import BadInput, DatabaseAway, HubUnreachable, NotAllowed, UnknownName
from zoo.hub import RepoRef

OLD, NEW = "1" * 40, "2" * 40
REF = RepoRef("local/mdpo")


class Hub:
    """Says what it is told to."""

    def __init__(self):
        self.says, self.asked, self.down = OLD, 0, False

    def resolve(self, repo, revision):
        self.asked += 1
        if self.down:
            raise HubUnreachable("away")
        return self.says

    def last_resolved(self, repo, revision):
        return None


class Server:
    """One server's part, without the web."""

    def __init__(self, where, hub=None, *, scope="phantom", now=lambda: 0.0):
        self.store = Store(where, clock=now)
        self.table = NamesTable(self.store, scope)
        self.mirror = Mirror(self.store, self.table, clock=now)
        self.names = SharedNames(self.mirror, self.table)
        self.hub = SharedHub(hub or Hub(), self.mirror, self.table)

    def lose(self, monkeypatch):
        """The database answers no more."""

        def away(*_):
            raise DatabaseAway("away")

        for name in ("read", "act", "count"):
            monkeypatch.setattr(self.store, name, away)


@pytest.fixture
def servers(where):
    made = []

    def make(*args, **options):
        made.append(Server(where, *args, **options))
        return made[-1]

    yield make
    for one in made:
        one.mirror.close()
        one.store.close()


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


def test_a_key_that_is_made_or_taken_back_at_one_server_holds_at_the_next_request_of_another(servers):
    a, b = servers(), servers()
    token, key = new_key("ana", "read")
    add_key(a.store, key)
    assert b.mirror.find(token) is None
    b.mirror.refresh()
    assert b.mirror.find(token) == key
    with pytest.raises(BadInput, match="there is a key named 'ana'"):
        add_key(b.store, key)
    remove_key(a.store, "ana")
    b.mirror.refresh()
    assert b.mirror.find(token) is None
    with pytest.raises(UnknownName):
        remove_key(b.store, "ana")


def test_with_the_database_away_known_keys_go_on_for_seconds_and_administrators_do_not(servers, monkeypatch):
    now = [100.0]
    server = servers(now=lambda: now[0])
    (token, key), (admin, ruler) = new_key("ana", "annotate"), new_key("root", "admin")
    add_key(server.store, key)
    add_key(server.store, ruler)
    server.mirror.refresh()
    assert server.mirror.find(admin) == ruler
    server.lose(monkeypatch)
    server.mirror.refresh()
    assert server.mirror.find(token) == key
    with pytest.raises(BadInput):
        server.mirror.find(admin)
    now[0] += GRACE_S + 0.1
    with pytest.raises(BadInput):
        server.mirror.find(token)
    monkeypatch.undo()
    server.mirror.refresh()
    assert server.mirror.find(admin) == ruler


def test_a_name_that_is_given_moved_or_taken_at_one_server_is_so_at_the_others(servers):
    a, b, other = servers(), servers(), servers(scope="llava")
    a.names.name("mdpo", REF)
    assert a.names.aliases == {"mdpo": REF}
    b.mirror.refresh()
    assert b.names.ref("mdpo") == REF
    with pytest.raises(BadInput, match="is loaded already"):
        b.names.name("mdpo", RepoRef("local/other"))
    b.names.name("mdpo", RepoRef("local/mdpo", "v2"), replace=True)
    a.mirror.refresh()
    assert a.names.ref("mdpo") == RepoRef("local/mdpo", "v2")
    assert a.names.forget("mdpo") == RepoRef("local/mdpo", "v2")
    b.mirror.refresh()
    assert b.names.aliases == {}
    with pytest.raises(UnknownName):
        b.names.forget("mdpo")
    other.mirror.refresh()
    assert other.names.aliases == {}


def test_of_two_who_give_a_name_at_once_one_is_told_that_it_is_taken(servers):
    a, b = servers(), servers()
    a.names.name("mdpo", REF)  # b has not heard of it
    with pytest.raises(BadInput, match="is loaded already"):
        b.names.name("mdpo", RepoRef("local/other"))
    assert b.names.aliases == {"mdpo": REF}


def test_a_server_that_starts_neither_changes_a_name_nor_brings_one_back(servers):
    a, b = servers(), servers()
    a.table.seed({"mdpo": REF, "sft": RepoRef("local/sft")})
    a.mirror.refresh()
    a.names.name("mdpo", RepoRef("local/mdpo", "v2"), replace=True)
    a.names.forget("sft")
    b.table.seed({"mdpo": REF, "sft": RepoRef("local/sft"), "new": RepoRef("local/new")})
    b.mirror.refresh()
    assert b.names.aliases == {"mdpo": RepoRef("local/mdpo", "v2"), "new": RepoRef("local/new")}
    b.names.name("sft", RepoRef("local/sft"))
    assert "sft" in b.names.aliases


def test_one_server_asks_the_hub_and_all_stand_on_what_it_was_told(servers):
    hub = Hub()
    a, b = servers(hub), servers(hub)
    a.names.name("mdpo", REF)
    assert [one.hub.resolve(*vars(REF).values()) for one in (a, b)] == [OLD, OLD]
    assert hub.asked == 1
    assert b.names.latest(REF) == OLD


def test_an_answer_of_the_hub_that_comes_late_does_not_take_the_others_back(servers):
    hub = Hub()
    a, b = servers(hub), servers(hub)
    _, late = a.table.head(REF), a.table.told(REF, OLD, None)
    b.table.told(REF, NEW, late)
    assert a.table.told(REF, OLD, late).sha == NEW
    a.mirror.refresh()
    assert a.names.latest(REF) == NEW


def test_what_a_revision_was_moved_to_at_one_server_holds_for_the_next_request_of_another(servers):
    a, b = servers(), servers()
    first = a.table.told(REF, OLD, None)
    b.mirror.refresh()
    assert b.names.latest(REF) == OLD
    a.table.told(REF, NEW, first)
    b.mirror.refresh()
    assert b.names.latest(REF) == NEW


def test_a_commit_that_a_name_stood_for_can_be_asked_for_at_a_server_that_starts_later(servers):
    """So an answer that was given by it can be had again. What the operator took the name from cannot."""
    a, shas = servers(), [f"{number:040x}" for number in range(MOST_COMMITS + 3)]
    a.names.name("mdpo", REF)
    a.names.name("pinned", RepoRef("local/sft", OLD))
    head = None
    for sha in shas:
        head = a.table.told(REF, sha, head)
    b = servers()
    asked = [f"{REF.repo}@{sha}" for sha in shas]
    assert [b.names.ref(one) for one in asked[-MOST_COMMITS:]] == [
        RepoRef(REF.repo, sha) for sha in shas[-MOST_COMMITS:]
    ]
    with pytest.raises(NotAllowed):
        b.names.ref(asked[0])
    b.names.name("mdpo", RepoRef("local/mdpo", "v2"), replace=True)
    b.names.name("mdpo", REF, replace=True)
    late = servers()
    for one in (a, b, late):
        one.mirror.refresh()
        assert one.names.ref(asked[-1])
        with pytest.raises(NotAllowed):
            one.names.ref(asked[-2])


def test_with_the_database_away_names_stand_for_what_was_last_known_and_no_name_changes(servers, monkeypatch):
    hub = Hub()
    server = servers(hub)
    server.names.name("mdpo", REF)
    server.hub.resolve(REF.repo, REF.revision)
    hub.says = NEW
    server.lose(monkeypatch)
    server.mirror.refresh()
    with pytest.raises(DatabaseAway):
        server.hub.resolve(REF.repo, REF.revision)
    assert server.hub.last_resolved(REF.repo, REF.revision) == OLD
    assert server.names.ref("mdpo") == REF
    with pytest.raises(DatabaseAway):
        server.names.name("mdpo", RepoRef("local/other"), replace=True)
    with pytest.raises(DatabaseAway):
        server.names.forget("mdpo")
    assert server.names.aliases == {"mdpo": REF}


def test_with_the_hub_away_all_stand_on_what_one_was_told(servers):
    hub = Hub()
    a, b = servers(hub), servers(hub)
    a.table.told(REF, OLD, None, asked=False)
    hub.down = True
    with pytest.raises(HubUnreachable):
        b.hub.resolve(REF.repo, REF.revision)
    assert b.hub.last_resolved(REF.repo, REF.revision) == OLD


def test_requests_share_a_read_that_began_after_all_of_them(servers, monkeypatch):
    server = servers()
    reads, go_on, began = [], threading.Event(), threading.Event()
    refresh = server.mirror.refresh

    def counted():
        reads.append(1)
        began.set()
        go_on.wait(60)
        refresh()

    monkeypatch.setattr(server.mirror, "refresh", counted)

    async def main():
        first = asyncio.create_task(server.mirror.fresh())
        await asyncio.to_thread(began.wait, 60)
        token, key = new_key("ana", "read")
        add_key(server.store, key)
        later = [asyncio.create_task(server.mirror.fresh()) for _ in range(20)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*later)
        assert server.mirror.find(token) == key
        await first

    asyncio.run(main())
    assert len(reads) == 2


def _limits(server, **quota):
    return SharedLimits(server.store, Quota(**{"per_minute": 60, "burst": 10, "at_once": 10} | quota))


def test_a_client_has_one_bucket_over_all_servers_however_they_ask_at_once(servers):
    many = [_limits(servers(), per_minute=1, at_once=1000) for _ in range(2)]
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda n: many[n % 2].enter("ana")[0], range(40)))
    assert sum(one.allowed for one in verdicts) == 10
    assert many[0].enter("ben")[0].allowed
    refused, _ = many[1].enter("ana")
    assert refused.remaining == 0
    assert 0 < refused.after_s <= 60


def test_what_is_under_way_at_all_servers_counts_until_it_is_left(servers):
    a, b = (_limits(servers(), at_once=2) for _ in range(2))
    (_, first), (second, _) = a.enter("ana"), b.enter("ana")
    assert second.allowed
    assert not a.enter("ana")[0].allowed
    a.leave(first)
    assert b.enter("ana")[0].allowed


def test_what_a_server_had_under_way_that_lives_no_more_does_not_count(servers, monkeypatch):
    dead, alive = servers(), servers()
    now = [1000.0]
    for one in (dead, alive):
        monkeypatch.setattr(one.store, "now", lambda connection: now[0])
    gone, limits = _limits(dead, at_once=1), _limits(alive, at_once=1)
    assert gone.enter("ana")[0].allowed
    now[0] += LIVES_S - 1
    limits.beat()
    assert not limits.enter("ana")[0].allowed
    now[0] += 2
    limits.beat()
    assert limits.enter("ana")[0].allowed


def test_a_bucket_that_fills_in_more_than_an_hour_is_not_full_after_one(servers, monkeypatch):
    server = servers()
    now = [1000.0]
    monkeypatch.setattr(server.store, "now", lambda connection: now[0])
    limits = _limits(server, per_minute=1, burst=200, at_once=1000)
    assert [limits.enter("ana")[0].allowed for _ in range(201)] == [True] * 200 + [False]
    now[0] += 2 * 3600
    limits.beat()
    assert limits.enter("ana")[0].remaining == 119


def test_a_clock_that_is_set_back_holds_nobody_up_and_keeps_no_dead_server_alive(servers, monkeypatch):
    hub = Hub()
    a, b = servers(hub), servers(hub)
    now = [1_000_000.0]
    for one in (a, b):
        monkeypatch.setattr(one.store, "now", lambda connection: now[0])
    dead, limits = _limits(a, at_once=1), _limits(b, burst=1)
    tries = SharedTries(b.store)
    assert dead.enter("ben")[0].allowed
    assert [limits.enter("ana")[0].allowed for _ in range(2)] == [True, False]
    for _ in range(5):
        tries.begin("ana", "10.0.0.1")
    assert 0 < tries.begin("ana", "10.0.0.1") <= 60
    assert a.hub.resolve(*vars(REF).values()) == OLD
    now[0] -= 86400.0
    hub.says = NEW
    assert b.hub.resolve(*vars(REF).values()) == NEW
    assert 0 < tries.begin("ana", "10.0.0.1") <= 60
    limits.beat()
    assert _limits(b, at_once=1).enter("ben")[0].allowed
    limits.enter("ana")  # by which it is known that the clock was set back
    now[0] += 2
    assert limits.enter("ana")[0].allowed


def test_a_server_that_was_given_other_limits_than_those_that_run_says_so(where):
    first, same, other = (
        Shared(where, scope="phantom", quota=Quota(per_minute=60, burst=burst, at_once=9))
        for burst in (10, 10, 20)
    )
    assert other.differences() == [
        "limits here are 60 a minute, 20 at a time, 9 under way, and 60 a minute, 10 at a time, 9 under way "
        "at a server that runs: set MEDZOO_REQUESTS_PER_MINUTE, MEDZOO_BURST and MEDZOO_MAX_CONCURRENT alike"
    ]
    other.close()
    assert same.differences() == []
    for one in (first, same):
        one.close()


def test_a_request_that_ended_while_the_database_was_away_is_taken_off_at_the_next_beat(servers, monkeypatch):
    server = servers()
    limits = _limits(server, at_once=1)
    _, request = limits.enter("ana")
    server.lose(monkeypatch)
    limits.leave(request)
    monkeypatch.undo()
    assert not limits.enter("ana")[0].allowed
    limits.beat()
    assert limits.enter("ana")[0].allowed


def test_a_server_without_its_database_has_no_word_of_the_others_and_does_not_wait_long(where, monkeypatch):
    shared = Shared(where, scope="phantom", quota=Quota(per_minute=60, burst=1, at_once=1))

    def away(*_):
        raise DatabaseAway("away")

    async def main():
        verdict, request = await shared.enter("ana")
        assert verdict.allowed
        shared.leave(request)
        monkeypatch.setattr(shared._store, "read", away)
        await shared.fresh()
        assert await shared.enter("ana") is None

    asyncio.run(main())
    monkeypatch.undo()
    shared.close()


def test_tries_at_a_password_are_counted_over_all_servers_and_wait_alike(servers, monkeypatch):
    now = [1000.0]
    stores = [servers().store for _ in range(2)]
    for store in stores:
        monkeypatch.setattr(store, "now", lambda connection: now[0])
    both, alone = [SharedTries(store) for store in stores], Tries()
    for number in range(12):
        one = both[number % 2]
        assert one.begin("ana", "10.0.0.1") == alone.begin("ana", "10.0.0.1", now=now[0])
        now[0] += 7
    assert both[0].begin("ana", "10.0.0.1") > 0
    assert both[1].begin("ben", "10.0.0.2") == 0
    now[0] += 1000
    assert both[0].begin("ana", "10.0.0.1") == 0
    both[0].won("ana", "10.0.0.1")
    for number in range(12):
        both[number % 2].begin("ana", f"10.0.1.{number}")
    assert both[0].begin("ana", "10.0.9.9") > 0  # somebody tries her name from elsewhere
    assert both[1].begin("ana", "10.0.0.1") == 0  # where she signed in before
    with stores[0].read() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM shared_tries").all())
    assert "ana" not in held
    assert "10.0" not in held


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
