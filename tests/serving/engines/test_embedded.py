import threading
from concurrent.futures import Future

import pytest

from serving.core.engine import Work
from zoo.asking import Sampling
from zoo.asking import question as turns
from zoo.errors import BadInput, Busy, EngineFailed, Stopped, WrongBase


def adapters(rig, *names):
    return tuple(None if n == "base" else rig.library.bring(rig.library.resolve(f"local/{n}")) for n in names)


def ask(rig, image, *names, question="Q") -> "Future":
    work = Work(
        images=(image,),
        turns=turns(question),
        adapters=adapters(rig, *names),
        sampling=Sampling(max_tokens=64),
    )
    return rig.engine.submit(work).done


def test_a_comparison_is_one_batch_with_the_image_encoded_once(rig, image):
    outputs = ask(rig, image, "mdpo", "base", "sft").result(5)
    assert [one.text for one in outputs] == ["mdpo: Q 64x48", "base: Q 64x48", "sft: Q 64x48"]
    assert [len(batch) for batch in rig.model.batches] == [3]
    assert rig.model.encoded == 1


def test_the_same_image_asked_again_is_not_encoded_again(rig, image):
    ask(rig, image, "base").result(5)
    ask(rig, image.copy(), "sft", question="Other").result(5)
    ask(rig, image.transpose(0), "base").result(5)
    assert rig.model.encoded == 2


def test_what_waits_together_runs_together_and_each_gets_its_own(make_rig, image):
    rig = make_rig()
    rig.model.gate.clear()
    first = ask(rig, image, "base", question="first")
    assert rig.model.busy.wait(5)
    others = [ask(rig, image, name, question=name) for name in ("mdpo", "sft", "text_hallu")]
    rig.model.gate.set()
    assert [f.result(5)[0].text for f in (first, *others)] == [
        "base: first 64x48",
        "mdpo: mdpo 64x48",
        "sft: sft 64x48",
        "text_hallu: text_hallu 64x48",
    ]
    assert [len(batch) for batch in rig.model.batches] == [1, 3]


def test_more_adapters_than_slots_take_turns_and_never_answer_for_each_other(make_rig, image):
    rig = make_rig(slots=2)
    names = ["mdpo", "sft", "text_hallu"] * 4
    futures = [ask(rig, image, name) for name in names]
    assert [f.result(5)[0].text.split(":")[0] for f in futures] == names


def test_an_adapter_of_another_base_fails_alone_and_frees_its_slot(make_rig, image):
    rig = make_rig(slots=1)
    with pytest.raises(WrongBase):
        ask(rig, image, "other").result(5)
    assert ask(rig, image, "mdpo").result(5)[0].text.startswith("mdpo:")
    assert rig.registry.status("local/other", "9" * 40).state == "failed"


def test_a_question_that_breaks_the_model_breaks_no_other(make_rig, image, caplog):
    rig = make_rig()
    rig.model.gate.clear()
    first = ask(rig, image, "base")
    assert rig.model.busy.wait(5)
    bad, good = ask(rig, image, "sft", question="explode"), ask(rig, image, "mdpo", question="good")
    rig.model.gate.set()
    assert first.result(5)
    assert good.result(5)[0].text == "mdpo: good 64x48"
    with pytest.raises(EngineFailed, match=r"the engine failed on this comparison \(RuntimeError\)"):
        bad.result(5)
    assert "explode" not in caplog.text


def test_a_full_queue_says_so_at_once(make_rig, image):
    rig = make_rig(max_waiting_rows=2)
    rig.model.gate.clear()
    running = ask(rig, image, "base")
    assert rig.model.busy.wait(5)
    waiting = ask(rig, image, "base", "sft")
    with pytest.raises(Busy, match="queue is full"):
        ask(rig, image, "base")
    rig.model.gate.set()
    assert len(running.result(5) + waiting.result(5)) == 3


def test_a_comparison_that_could_never_run_is_refused(make_rig, image):
    rig = make_rig(slots=1)
    with pytest.raises(BadInput, match="at most 1"):
        ask(rig, image, "mdpo", "sft")


def test_closing_fails_what_is_not_finished(make_rig, image):
    rig = make_rig()
    rig.model.gate.clear()
    running = ask(rig, image, "base")
    assert rig.model.busy.wait(5)
    waiting = ask(rig, image, "sft")
    closing = threading.Thread(target=rig.engine.close)
    closing.start()
    rig.model.gate.set()
    closing.join(5)
    for one in (running, waiting):
        with pytest.raises(Stopped, match="stopping"):
            one.result(5)
    assert not rig.engine.alive


def test_an_adapter_can_be_loaded_ahead_of_its_first_question(rig):
    (mdpo,) = adapters(rig, "mdpo")
    rig.engine.warm(mdpo).result(5)
    assert rig.registry.status("local/mdpo", "2" * 40).state == "resident"
    (other,) = adapters(rig, "other")
    with pytest.raises(WrongBase):
        rig.engine.warm(other).result(5)
