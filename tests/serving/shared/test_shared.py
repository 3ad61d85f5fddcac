"""Keys, names and what a branch stands for: what one server was told holds at the others."""

import asyncio
import threading

import pytest

from serving.defence.keys import new_key
from serving.shared.key_table import add_key, remove_key
from serving.shared.mirror import GRACE_S
from serving.shared.names_table import MOST_COMMITS
from tests.serving.shared._server import NEW, OLD, REF, Hub
from zoo.errors import BadInput, DatabaseAway, HubUnreachable, NotAllowed, UnknownName
from zoo.hub import RepoRef


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
