import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.library import Library, name_adapters
from serving.library.names import Names
from serving.service import Asked
from tests.serving._brought import brought
from zoo.asking import question
from zoo.errors import (
    BadAdapter,
    BadInput,
    DeadlinePassed,
    HubError,
    HubUnreachable,
    NotAllowed,
    NotOnHub,
    UnknownName,
)
from zoo.hub import RepoRef


def test_an_alias_is_resolved_once_a_request(rig, image):
    rig.service.compare([image], "Q", ["mdpo", "sft"])
    assert rig.hub.resolved == ["local/mdpo@main", "local/sft@main"]


def test_an_alias_follows_its_branch_and_the_answer_says_which_commit_it_was(rig, image, make_adapter):
    before = rig.service.compare([image], "Q", ["mdpo"]).answers[0]
    rig.hub.add("local/mdpo", "7" * 40, make_adapter("newer", variant="mdpo", seed=99))
    after = rig.service.compare([image], "Q", ["mdpo"]).answers[0]
    assert (before.adapter.sha, after.adapter.sha) == ("2" * 40, "7" * 40)
    assert before.adapter.digest != after.adapter.digest
    pinned = rig.service.compare([image], "Q", [f"local/mdpo@{'2' * 40}"]).answers[0]
    assert pinned.adapter == before.adapter


def test_a_failed_fetch_tells_its_reason_to_every_waiter_and_is_tried_again(rig):
    rig.hub.gate.clear()
    rig.hub.fault = NotOnHub("the weights are gone")
    with ThreadPoolExecutor(4) as pool:
        waiters = [pool.submit(brought, rig.library, "mdpo") for _ in range(4)]
        rig.hub.gate.set()
        assert {str(one.exception(60)) for one in waiters} == {"the weights are gone"}
    status = rig.registry.status("local/mdpo", "2" * 40)
    assert (status.state, status.reason) == ("failed", "the weights are gone")
    rig.hub.fault = None
    assert brought(rig.library, "mdpo").adapter.manifest.variant.name == "mdpo"


def test_one_fetch_serves_all_who_wait_for_it(rig):
    rig.hub.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        waiters = [pool.submit(brought, rig.library, "mdpo") for _ in range(4)]
        rig.hub.gate.set()
        assert len({one.result(60).adapter.folder for one in waiters}) == 1
    assert rig.hub.fetched == [f"local/mdpo@{'2' * 40}"]


def test_without_the_hub_the_last_known_commit_answers_and_says_so(rig, image):
    rig.hub.down = HubUnreachable("no answer")
    answer = rig.service.compare([image], "Q", ["mdpo"]).answers[0]
    assert (answer.adapter.sha, answer.hub_unreachable) == ("2" * 40, True)
    with pytest.raises(HubUnreachable):
        brought(rig.library, "never/seen")


def test_a_name_that_is_no_alias_and_no_repo_suggests_the_nearest(rig):
    with pytest.raises(UnknownName, match="no adapter is named 'mdop'") as refused:
        brought(rig.library, "mdop")
    assert refused.value.hint == "did you mean 'mdpo'?"


def test_variants_that_share_a_name_are_told_apart_by_their_repos():
    refs = [RepoRef("a/one"), RepoRef("a/two"), RepoRef("a/three", "v1")]
    assert name_adapters(list(zip(("mdpo", "sft", "mdpo"), refs, strict=True))) == {
        "a/one@main": refs[0],
        "sft": refs[1],
        "a/three@v1": refs[2],
    }


def test_the_same_adapter_twice_is_refused():
    with pytest.raises(BadInput, match="a/one@main is given twice"):
        name_adapters([("mdpo", RepoRef("a/one")), ("mdpo", RepoRef("a/one"))])


def test_no_variant_may_be_named_like_the_base():
    with pytest.raises(BadInput, match="'base'"):
        name_adapters([("base", RepoRef("a/one"))])


def test_files_that_are_gone_are_fetched_anew(rig, make_adapter, image):
    first = brought(rig.library, "mdpo").adapter
    shutil.rmtree(first.folder)
    rig.hub.add("local/mdpo", "2" * 40, make_adapter("again", variant="mdpo", seed=2))
    second = brought(rig.library, "mdpo").adapter
    assert second.folder.is_dir()
    assert second.id == first.id
    assert brought(rig.library, "mdpo").adapter == second
    assert rig.hub.fetched == [f"local/mdpo@{'2' * 40}"] * 2


def test_a_cache_without_its_weights_counts_as_gone(rig):
    weights = brought(rig.library, "mdpo").adapter.folder / "adapter_model.safetensors"
    weights.unlink()
    rig.hub.fault = HubUnreachable("no answer")
    with pytest.raises(HubUnreachable):
        brought(rig.library, "mdpo")
    weights.touch()
    rig.hub.fault = None
    assert brought(rig.library, "mdpo").adapter.manifest.variant.name == "mdpo"


def test_an_adapter_whose_files_are_gone_serves_while_it_is_loaded_and_after_its_eviction(
    make_rig, make_adapter, image
):
    rig = make_rig(slots=1)
    adapter = rig.service.prepare("mdpo")
    shutil.rmtree(adapter.folder)
    rig.service.compare([image], "Q", ["mdpo"])
    assert rig.hub.fetched == [f"local/mdpo@{'2' * 40}"]
    rig.service.compare([image], "Q", ["sft"])
    rig.hub.add("local/mdpo", "2" * 40, make_adapter("again", variant="mdpo", seed=2))
    answer = rig.service.compare([image], "Q", ["mdpo"]).answers[0]
    assert answer.text == "mdpo: Q 64x48"
    assert rig.hub.fetched.count(f"local/mdpo@{'2' * 40}") == 2


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def hand_moved(rig, now):
    """A library on the rig's Hub that resolves a name at most once a second, by a hand-moved clock."""
    aliases = {"mdpo": RepoRef("local/mdpo")}
    return Library(
        rig.hub, rig.registry, aliases, allow=("local/*", "never/*"), clock=lambda: now[0], resolve_every_s=1
    )


def test_a_burst_of_requests_asks_the_hub_for_a_name_once_a_second(rig, now, hand_moved, make_adapter):
    for _ in range(100):
        brought(hand_moved, "mdpo")
    assert rig.hub.resolved == ["local/mdpo@main"]
    rig.hub.add("local/mdpo", "7" * 40, make_adapter("newer", variant="mdpo", seed=99))
    now[0] = 0.99
    assert brought(hand_moved, "mdpo").resolved.sha == "2" * 40
    now[0] = 1.0
    assert brought(hand_moved, "mdpo").resolved.sha == "7" * 40
    assert rig.hub.resolved == ["local/mdpo@main"] * 2


def test_a_commit_is_never_asked_for(rig, hand_moved):
    assert brought(hand_moved, "local/mdpo@" + "2" * 40).resolved.sha == "2" * 40
    assert rig.hub.resolved == []


def test_a_name_that_failed_is_asked_for_again_at_once(rig, hand_moved):
    rig.hub.down = HubError("it answered 400")
    with pytest.raises(HubError):
        brought(hand_moved, "mdpo")
    rig.hub.down = None
    assert brought(hand_moved, "mdpo").resolved.sha == "2" * 40


def test_a_hub_that_lets_one_wait_in_vain_is_asked_no_more_than_half_of_the_time(rig, now, hand_moved):
    def hang(repo, revision):
        rig.hub.resolved.append(repo)
        now[0] += 10.0
        raise HubUnreachable("no answer")

    rig.hub.resolve = hang
    for _ in range(20):
        found = brought(hand_moved, "mdpo").resolved
        assert (found.sha, found.hub_unreachable) == ("2" * 40, True)
        now[0] += 1.0
    assert len(rig.hub.resolved) == 2


def test_a_repo_without_an_alias_is_brought_only_where_a_pattern_allows_it(rig):
    aliases = {"mdpo": RepoRef("local/mdpo", "v1")}
    shut = Library(rig.hub, rig.registry, aliases)
    with pytest.raises(NotAllowed, match="local/sft is not among") as refused:
        brought(shut, "local/sft@main")
    assert "MEDZOO_ALLOW" in refused.value.hint
    assert rig.hub.resolved == [], "what is not allowed is not asked for"
    some = Library(rig.hub, rig.registry, aliases, allow=("other/*", "local/s*"))
    assert brought(some, "local/sft").resolved.sha == "0" * 40
    with pytest.raises(NotAllowed):
        brought(some, "local/text_hallu")
    with pytest.raises(NotAllowed):
        brought(some, "LOCAL/sft")


def test_of_an_aliass_repo_only_what_the_alias_stands_for_or_stood_for_is_brought(rig, now, make_adapter):
    aliases = {"mdpo": RepoRef("local/mdpo"), "sft": RepoRef("local/sft", "v1")}
    shut = Library(rig.hub, rig.registry, aliases, clock=lambda: now[0])
    first, second = "2" * 40, "7" * 40
    with pytest.raises(NotAllowed, match=f"local/mdpo@{first} is not what an adapter of this server"):
        brought(shut, f"local/mdpo@{first}")
    for asked in ("mdpo", "local/mdpo", "local/mdpo@main", f"local/mdpo@{first}"):
        assert brought(shut, asked).resolved.sha == first
    rig.hub.add("local/mdpo", second, make_adapter("newer", variant="mdpo", seed=99))
    now[0] = 10.0
    assert brought(shut, "mdpo").resolved.sha == second
    assert brought(shut, f"local/mdpo@{first}").resolved.sha == first
    for asked in ("local/mdpo@v1", f"local/mdpo@{'5' * 40}", "local/sft", f"local/sft@{'0' * 40}"):
        with pytest.raises(NotAllowed) as refused:
            brought(shut, asked)
        assert "--allow" in refused.value.hint
    shut.names.forget("mdpo")
    with pytest.raises(NotAllowed):
        brought(shut, f"local/mdpo@{first}")


@pytest.mark.parametrize("revision", ["refs/pr/7", "refs/heads/main", "x" * 257])
def test_what_strangers_propose_and_endless_revisions_are_never_asked_for(rig, revision):
    with pytest.raises(BadInput, match="no revision that can be asked for here") as refused:
        brought(rig.library, f"local/mdpo@{revision}")
    assert len(str(refused.value)) < 300
    assert rig.hub.resolved == []


def test_a_pin_goes_with_the_name_that_was_pinned(make_rig, image, make_adapter):
    rig = make_rig(slots=2)
    rig.service.prepare("sft", pin=True)
    rig.hub.add("local/sft", "f" * 40, make_adapter("newer", variant="sft", seed=77))
    for name in ("sft", "mdpo", "text_hallu", "mdpo"):
        rig.service.compare([image], "Q", [name])
    kept = {one.load.adapter.sha for one in rig.registry.occupied().values()}
    assert kept == {"f" * 40, "2" * 40}


def test_a_download_that_breaks_off_has_a_name_and_a_count(rig):
    rig.hub.fault = OSError("file should be of size 5 but has size 3")
    counted = []
    rig.library._watch.failed = counted.append
    with pytest.raises(HubError, match=r"local/mdpo@2{40} could not be fetched \(OSError\)"):
        brought(rig.library, "mdpo")
    assert counted == ["HubError"]
    rig.hub.fault = None
    assert brought(rig.library, "mdpo").adapter.manifest.variant.name == "mdpo"


def test_a_hub_that_hangs_costs_a_question_its_time_and_nothing_else(rig, image):
    rig.hub.gate.clear()
    rig.service._timeout_s = 0.1
    with pytest.raises(DeadlinePassed, match="no answer within"):
        rig.service.compare([image], "Q", ["mdpo"])
    assert rig.model.batches == []
    assert rig.service.compare([image], "Q", ["base"]).answers[0].text == "base: Q 64x48"
    rig.hub.gate.set()
    rig.service._timeout_s = 20
    assert rig.service.compare([image], "Q", ["mdpo"]).answers[0].text == "mdpo: Q 64x48"


def test_what_an_alias_was_before_the_server_began_may_be_asked_for_of_its_own_repo_alone():
    names, sha = Names({"mdpo": RepoRef("local/mdpo")}), "7" * 40
    names.stood_for("mdpo", "local/other", sha)
    names.stood_for("nobody", "local/mdpo", sha)
    with pytest.raises(NotAllowed):
        names.ref(f"local/mdpo@{sha}")
    names.stood_for("mdpo", "local/mdpo", sha)
    assert names.ref(f"local/mdpo@{sha}") == RepoRef("local/mdpo", sha)
    with pytest.raises(NotAllowed):
        names.ref(f"local/other@{sha}")


def test_requests_under_way_keep_the_commit_that_their_name_stood_for(rig, image, make_adapter):
    rig.model.gate.clear()
    asked = Asked(images=(image,), turns=question("Q"), adapters=("mdpo",))
    before = rig.service.ask(asked)
    rig.hub.add("local/mdpo", "7" * 40, make_adapter("newer", variant="mdpo", seed=99))
    after = rig.service.ask(asked)
    rig.model.gate.set()
    assert [one.result().answers[0].adapter.sha for one in (before, after)] == ["2" * 40, "7" * 40]


def test_an_adapter_that_calls_its_variant_base_is_refused_whenever_it_comes(rig, image, make_adapter):
    rig.hub.add("local/sly", "5" * 40, make_adapter("sly", variant="base", seed=99))
    with pytest.raises(BadAdapter, match=r"local/sly@5{40} calls its variant 'base'"):
        rig.service.compare([image], "Q", ["local/sly"])
    assert rig.registry.status("local/sly", "5" * 40).state == "failed"


def test_names_of_which_the_hub_keeps_silent_hold_up_no_alias(rig):
    gate = threading.Event()
    answer = rig.hub.resolve

    def resolve(repo, revision):
        assert repo != "local/slow" or gate.wait(60)
        return answer(repo, revision)

    rig.hub.resolve = resolve
    library = Library(rig.hub, rig.registry, {"mdpo": RepoRef("local/mdpo")}, allow=["local/*"])
    try:
        for number in range(100):
            library.get(f"local/slow@r{number}")
        assert library.get("mdpo").result(60).adapter.manifest.variant.name == "mdpo"
    finally:
        gate.set()
