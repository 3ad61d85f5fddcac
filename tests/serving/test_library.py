import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.library import name_adapters
from zoo.errors import BadInput, HubUnreachable, NotOnHub, UnknownName
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
    wanted = rig.library.resolve("mdpo")
    with ThreadPoolExecutor(4) as pool:
        waiters = [pool.submit(rig.library.bring, wanted) for _ in range(4)]
        rig.hub.gate.set()
        assert {str(one.exception(5)) for one in waiters} == {"the weights are gone"}
    status = rig.registry.status(wanted.repo, wanted.sha)
    assert (status.state, status.reason) == ("failed", "the weights are gone")
    rig.hub.fault = None
    assert rig.library.bring(wanted).manifest.variant.name == "mdpo"


def test_one_fetch_serves_all_who_wait_for_it(rig):
    rig.hub.gate.clear()
    wanted = rig.library.resolve("mdpo")
    with ThreadPoolExecutor(4) as pool:
        waiters = [pool.submit(rig.library.bring, wanted) for _ in range(4)]
        rig.hub.gate.set()
        assert len({one.result(5).folder for one in waiters}) == 1
    assert rig.hub.fetched == [f"local/mdpo@{'2' * 40}"]


def test_without_the_hub_the_last_known_commit_answers_and_says_so(rig, image):
    rig.hub.down = HubUnreachable("no answer")
    answer = rig.service.compare([image], "Q", ["mdpo"]).answers[0]
    assert (answer.adapter.sha, answer.hub_unreachable) == ("2" * 40, True)
    with pytest.raises(HubUnreachable):
        rig.library.resolve("never/seen")


def test_a_name_that_is_no_alias_and_no_repo_suggests_the_nearest(rig):
    with pytest.raises(UnknownName, match="no adapter is named 'mdop'") as refused:
        rig.library.resolve("mdop")
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
    wanted = rig.library.resolve("mdpo")
    first = rig.library.bring(wanted)
    shutil.rmtree(first.folder)
    rig.hub.add(wanted.repo, wanted.sha, make_adapter("again", variant="mdpo", seed=2))
    second = rig.library.bring(wanted)
    assert second.folder.is_dir()
    assert second.id == first.id
    assert rig.library.bring(wanted) == second
    assert rig.hub.fetched == [f"local/mdpo@{'2' * 40}"] * 2


def test_a_cache_without_its_weights_counts_as_gone(rig):
    wanted = rig.library.resolve("mdpo")
    weights = rig.library.bring(wanted).folder / "adapter_model.safetensors"
    weights.unlink()
    rig.hub.fault = HubUnreachable("no answer")
    with pytest.raises(HubUnreachable):
        rig.library.bring(wanted)
    weights.touch()
    rig.hub.fault = None
    assert rig.library.bring(wanted).manifest.variant.name == "mdpo"


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
