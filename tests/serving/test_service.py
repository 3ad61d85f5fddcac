import asyncio
import time

import pytest

from serving.core.requests import AdapterId
from serving.service import Asked
from tests.serving._brought import brought
from zoo.asking import Sampling, question
from zoo.errors import BadInput, DeadlinePassed


def test_answers_come_in_the_order_asked_each_with_its_provenance(rig, image):
    done = rig.service.compare([image], "  What is shown? ", ["mdpo", "base", "local/sft@main"])
    assert done.question == "What is shown?"
    assert [(a.asked, a.variant, a.text) for a in done.answers] == [
        ("mdpo", "mdpo", "mdpo: What is shown? 64x48"),
        ("base", "base", "base: What is shown? 64x48"),
        ("local/sft@main", "sft", "sft: What is shown? 64x48"),
    ]
    digest = brought(rig.library, "mdpo").adapter.manifest.weights_sha256
    assert done.answers[0].adapter == AdapterId("local/mdpo", "2" * 40, digest)
    assert done.answers[1].adapter == AdapterId("medvlm-zoo/phantom", "a" * 40, "")
    assert {a.base for a in done.answers} == {"phantom@" + "a" * 40}
    assert {a.tokens for a in done.answers} == {5}


@pytest.mark.parametrize(
    ("question", "adapters", "reason"),
    [
        ("  ", ["base"], "the question is empty"),
        ("x" * 2001, ["base"], "2001 characters, the limit is 2000"),
        ("Q", [], "no adapter is named"),
        ("Q", ["base", " "], "no adapter is named"),
        ("Q", ["base", "base"], "'base' is named twice"),
        ("Q", [f"a/{n}" for n in range(9)], "9 adapters in one comparison, the limit is 8"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(rig, image, question, adapters, reason):
    with pytest.raises(BadInput, match=reason):
        rig.service.compare([image], question, adapters)


def test_more_images_than_the_base_takes_are_refused(rig, image):
    with pytest.raises(BadInput, match="2 images in one question; phantom takes 1 to 1"):
        rig.service.compare([image, image], "Q", ["base"])


def test_an_answer_that_takes_too_long_is_given_up(rig, image):
    rig.service._timeout_s = 0.05
    rig.model.gate.clear()
    with pytest.raises(DeadlinePassed, match="no answer within"):
        rig.service.compare([image], "Q", ["base"])
    rig.model.gate.set()


def test_the_list_shows_states_scores_and_what_cannot_be_had(rig):
    rig.service.prepare("mdpo")
    rig.hub.heads.pop("local/sft")
    listed = {one.alias: one for one in rig.service.adapters()}
    assert {name: one.status.state for name, one in listed.items()} == {
        "sft": "failed",
        "text_hallu": "on_disk",
        "mdpo": "resident",
    }
    assert listed["sft"].status.reason == "no repo local/sft"
    assert listed["mdpo"].accuracy.value == 0.71
    assert listed["mdpo"].written == "local/mdpo@main"


def test_an_answers_time_begins_with_the_questions_arrival(rig, image):
    fetch = rig.hub.fetch
    rig.hub.fetch = lambda *commit: time.sleep(0.2) or fetch(*commit)
    done = rig.service.compare([image], "Q", ["mdpo"])
    assert 200 <= done.answers[0].first_token_ms <= done.answers[0].milliseconds <= done.milliseconds


def test_nothing_that_is_written_down_of_a_question_quotes_it(rig, image):
    turns, stop = question("PLANTED"), ("PLANTED",)
    sampling = Sampling(stop=stop, max_tokens=9)
    asked, pieces = Asked(images=(image,), turns=turns, adapters=("sft",), sampling=sampling), []
    asking = rig.service.ask(asked, pieces.append)
    done = asking.result()
    written = repr([asked, pieces, asking.ticket.work, asking.ticket.done.result(), done])
    assert "PLANTED" not in written
    assert "<PIL" not in written


def test_what_was_loaded_for_nobody_any_more_waits_no_longer(make_rig, image):
    rig = make_rig(slots=1)
    rig.model.gate.clear()
    running = rig.service.ask(Asked(images=(image,), turns=question("Q"), adapters=("sft",)))
    assert rig.model.busy.wait(60)
    rig.service._timeout_s = 0.05
    for load in (
        lambda: rig.service.prepare("mdpo"),
        lambda: asyncio.run(rig.service.load("x", "local/mdpo")),
    ):
        with pytest.raises(DeadlinePassed, match=r"was not loaded within 0\.05 s"):
            load()
    rig.model.gate.set()
    running.result()
    assert rig.engine.drain(timeout_s=60)
    assert rig.model.loads == 1


def test_where_each_adapter_looks_comes_in_the_order_asked_with_its_provenance(rig, image):
    asked = Asked(images=(image,), turns=question("Q"), adapters=("mdpo", "base", "local/sft@main"))
    found = rig.service.look(asked)
    digest = brought(rig.library, "mdpo").adapter.manifest.weights_sha256
    assert [(one.asked, one.variant) for one in found] == [
        ("mdpo", "mdpo"),
        ("base", "base"),
        ("local/sft@main", "sft"),
    ]
    assert found[0].adapter == AdapterId("local/mdpo", "2" * 40, digest)
    assert found[1].adapter == AdapterId("medvlm-zoo/phantom", "a" * 40, "")
    assert (found[1].peak, found[1].load) == (2.0, 0)
    assert found[0].load > 0
    assert [one.maps[0].values.tolist() for one in found[1:2]] == [[[1.0, 0.5, 0.5], [0.5, 0.5, 0.5]]]


def test_a_look_that_makes_no_sense_or_takes_too_long_is_given_up(rig, image):
    with pytest.raises(BadInput, match="0 images in one question"):
        rig.service.look(Asked(turns=question("Q", images=0), adapters=("base",)))
    rig.service._timeout_s = 0.05
    rig.model.gate.clear()
    with pytest.raises(DeadlinePassed, match="no answer within"):
        rig.service.look(Asked(images=(image,), turns=question("Q"), adapters=("base",)))
    rig.model.gate.set()
