"""Services on fakes that share a database: names at the start, and commits that move."""

import pytest

from serving.core.registry import Registry
from serving.defence.pace import Quota
from serving.engines.embedded import EmbeddedEngine
from serving.library import Library
from serving.library.together import SharedHub, SharedNames, join
from serving.opening import build_service
from serving.settings import read_settings
from serving.shared import Shared
from tests.serving.conftest import FakeModel
from zoo.errors import BadInput, DatabaseAway, UnknownName, WrongBase
from zoo.hub import RepoRef

MDPO, SFT = RepoRef("local/mdpo"), RepoRef("local/sft")


@pytest.fixture
def parts(tmp_path):
    """Call it for one server's part in what all share."""
    made = []

    def part():
        quota = Quota(per_minute=60, burst=9, at_once=9)
        made.append(Shared(str(tmp_path / "shared.db"), scope="phantom", quota=quota))
        return made[-1]

    yield part
    for one in made:
        one.close()


@pytest.fixture
def start(rig, parts, monkeypatch):
    """Call it with what a server is given for its service and what it said."""
    made = []

    def engine(base, settings, registry, **_):
        return EmbeddedEngine(FakeModel(), registry, slots=settings.slots)

    def started(*, pin=(), **aliases):
        said = []
        service = build_service(
            read_settings(slots=4, pin=pin), hub=rig.hub, aliases=aliases, say=said.append, shared=parts()
        )
        made.append(service)
        return service, said

    monkeypatch.setattr("serving.opening.open_engine", engine)
    yield started
    for service in made:
        service.close()


def test_a_server_that_starts_takes_the_names_that_there_are_and_says_where_its_own_differ(start, parts):
    _, said = start(mdpo=MDPO, sft=SFT)
    assert [line.partition(":")[0] for line in said] == ["loaded mdpo", "loaded sft"]
    parts().table.forget("sft")
    parts().table.name("mdpo", RepoRef("local/text_hallu"), replace=True)
    second, said = start(mdpo=MDPO, sft=SFT, other=RepoRef("local/text_hallu"))
    assert second.aliases == ("mdpo", "other")
    assert said[:2] == [
        "mdpo stands for local/text_hallu@main, as the servers have it, and not for local/mdpo@main",
        "left out sft: it was taken away while servers ran; load it to have it back",
    ]


def test_a_name_that_this_server_cannot_load_stays_for_the_others(start, parts):
    start(mdpo=MDPO)
    parts().table.name("gone", RepoRef("local/nowhere"), replace=False)
    second, said = start(mdpo=MDPO)
    assert said[0].startswith("not loaded, though the servers have it: gone: ")
    assert second.aliases == ("gone", "mdpo")


def test_a_server_that_cannot_load_what_it_alone_was_given_does_not_start_and_leaves_no_name(start, parts):
    start(mdpo=MDPO)
    with pytest.raises(WrongBase):
        start(other=RepoRef("local/other"))
    assert set(parts().mirror.aliases) == {"mdpo"}


def test_no_server_has_a_name_before_the_one_that_was_given_it_has_loaded_it(start, parts, monkeypatch):
    def broken(*args, **options):
        assert parts().mirror.aliases == {}
        raise BadInput("there is no such device")

    monkeypatch.setattr("serving.opening.open_engine", broken)
    with pytest.raises(BadInput, match="no such device"):
        start(mdpo=MDPO)
    assert parts().mirror.aliases == {}


def test_a_name_that_this_server_is_given_while_another_loads_the_same_is_of_both(start, parts):
    first, second = parts(), parts()
    names = [join(one, {"mdpo": MDPO}, allow=(), say=pytest.fail)[0] for one in (first, second)]
    names[0].withdraw("mdpo")
    names[0].publish()
    names[1].publish()
    first.mirror.refresh()
    assert [one.aliases for one in names] == [{"mdpo": MDPO}] * 2


def test_a_name_that_is_to_be_pinned_and_was_taken_away_ends_the_start(start, parts):
    start(mdpo=MDPO)
    parts().table.forget("mdpo")
    with pytest.raises(UnknownName):
        start(mdpo=MDPO, pin=("mdpo",))


@pytest.fixture
def library(rig, parts):
    """Call it for a library that asks the Hub anew after so many seconds, and its server's part."""

    def made(resolve_every_s):
        part = parts()
        names = SharedNames(part.mirror, part.table)
        hub = SharedHub(rig.hub, part.mirror, part.table)
        return Library(hub, Registry(slots=4), names, resolve_every_s=resolve_every_s), part

    return made


def test_a_branch_that_moved_for_one_server_has_moved_for_all(rig, library, make_adapter, monkeypatch):
    monkeypatch.setattr("serving.library.together.FRESH_S", 0.0)
    (a, part), (b, other) = library(0.0), library(1000.0)
    part.table.seed({"mdpo": MDPO})
    for one in (part, other):
        one.mirror.refresh()
    old = rig.hub.heads["local/mdpo"]
    assert [one.get("mdpo").result(60).adapter.id.sha for one in (a, b)] == [old, old]
    rig.hub.add("local/mdpo", "7" * 40, make_adapter("newer", seed=7))
    assert a.get("mdpo").result(60).adapter.id.sha == "7" * 40
    other.mirror.refresh()  # as before every request
    assert b.get("mdpo").result(60).adapter.id.sha == "7" * 40
    assert b.get(f"local/mdpo@{old}").result(60).adapter.id.sha == old


def test_with_the_database_away_answers_say_that_the_commit_is_the_last_one_known(
    rig, library, make_adapter, monkeypatch
):
    one, part = library(0.0)
    part.table.seed({"mdpo": MDPO})
    part.mirror.refresh()
    old = one.get("mdpo").result(60).resolved
    assert not old.hub_unreachable

    def away(*_):
        raise DatabaseAway("away")

    for name in ("read", "act", "count"):
        monkeypatch.setattr(part._store, name, away)
    rig.hub.add("local/mdpo", "7" * 40, make_adapter("newer", seed=7))
    found = one.get("mdpo").result(60).resolved
    assert (found.sha, found.hub_unreachable) == (old.sha, True)
    with pytest.raises(DatabaseAway):
        one.get("local/mdpo@v9", RepoRef("local/mdpo", "v9")).result(60)
    monkeypatch.undo()
