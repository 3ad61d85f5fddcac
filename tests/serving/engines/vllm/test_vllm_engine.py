import dataclasses
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from safetensors.torch import load_file

from serving.core.engine import Work
from zoo.asking import Sampling, question
from zoo.errors import BadAdapter, BadDeclaration, BadInput, DigestMismatch, EngineFailed, Stopped
from zoo.vlm.weights import target_layers


@pytest.fixture
def three(rig):
    return [rig.adapter(name, seed=seed) for seed, name in enumerate(("sft", "dpo", "mdpo"), 1)]


def test_each_adapter_answers_for_itself_under_a_name_that_bears_its_digest(rig, three):
    engine = rig.open()
    pieces = []
    done = rig.submit(engine, None, *three, on_piece=pieces.append).done.result(60)
    assert [one.text for one in done] == ["the base", "sft 1", "dpo 2", "mdpo 3"]
    assert {one.finish for one in done} == {"stop"}
    for row, one in enumerate(done):
        assert "".join(piece.text for piece in pieces if piece.row == row) == one.text
        assert one.prompt_tokens == len(rig.outline.ids("Q"))
    asked = [body["model"] for body in rig.fake.bodies if body.get("stream")]
    digests = [one.id.digest for one in three]
    assert sorted(name.partition("@")[2].partition("#")[0] for name in asked) == sorted(["", *digests])


def test_the_base_is_asked_as_an_adapter_of_zeros_for_vllm_gives_a_row_without_one_the_last(rig, three):
    engine = rig.open()
    for _ in range(2):
        assert rig.ask(engine, *three, None) == ["sft 1", "dpo 2", "mdpo 3", "the base"]
    asked = [body["model"] for body in rig.fake.bodies if body.get("stream")]
    assert rig.fake.alias not in asked
    zeros = load_file(Path(rig.fake.loads[0]["lora_path"], "adapter_model.safetensors"))
    assert len(zeros) == 2 * len(target_layers(rig.outline.vlm))
    assert not any(one.any() for one in zeros.values())


def test_a_question_leaves_no_number_to_the_checkpoints_own_file(rig):
    rig.ask(rig.open(), None)
    body = rig.fake.bodies[-1]
    said = {
        key: body[key] for key in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed")
    }
    assert said == {
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "seed": 0,
    }
    assert body["stop_token_ids"] == sorted(rig.outline.vlm.ends)
    assert body["logit_bias"] == {str(token): -100.0 for token in rig.outline.vlm.unsaid}


def test_an_adapter_that_vllm_takes_and_does_not_apply_is_refused_and_its_name_taken_away(rig, three):
    engine = rig.open()
    rig.fake.blind = True
    with pytest.raises(BadAdapter, match=r"its probe's log-probs are 2\.1 .*from the base's they are 0"):
        engine.warm(three[0]).result(60)
    assert len(rig.fake.names) == 1  # the base's
    rig.fake.blind = False
    assert rig.ask(engine, three[0]) == ["sft 1"]


def test_an_adapter_whose_probe_is_as_the_bases_cannot_be_seen_to_be_applied(rig):
    with pytest.raises(BadAdapter, match="cannot be seen"):
        rig.open().warm(rig.adapter("faint", seed=0, apart=0.0005)).result(60)


def test_an_adapter_without_a_probe_is_refused(rig):
    with pytest.raises(BadAdapter, match="has no probe") as error:
        rig.open().warm(rig.adapter("converted", seed=1, probe=False)).result(60)
    assert error.value.hint == "serve it with --engine embedded"
    assert len(rig.fake.loads) == 1  # the base's


def test_another_base_under_vllm_is_found_by_the_first_probe(rig, three):
    engine = rig.open()
    rig.fake.said[""] = ("the base", [one + 0.01 for one in rig.base_log_probs])
    with pytest.raises(
        EngineFailed, match=r"vLLM's base is not phantom@.* in float32: .* 0\.01 from its own"
    ):
        engine.warm(three[0]).result(60)


def test_a_vllm_that_reads_questions_otherwise_is_refused_at_the_start_and_later(rig, three):
    engine = rig.open()
    rig.fake.more_words = 1
    with pytest.raises(EngineFailed, match="reads a question otherwise than phantom was taught"):
        rig.ask(engine, None)
    with pytest.raises(EngineFailed, match="reads a question otherwise than phantom was taught"):
        rig.open()


def test_vllm_reads_an_adapter_again_and_what_changed_in_the_hubs_folder_is_not_what_it_reads(rig, three):
    rig.fake.keeps = 1
    engine = rig.open()
    assert rig.ask(engine, *three) == ["sft 1", "dpo 2", "mdpo 3"]
    (three[0].folder / "adapter_model.safetensors").write_bytes(
        (three[1].folder / "adapter_model.safetensors").read_bytes()
    )
    for _ in range(2):
        assert rig.ask(engine, *three) == ["sft 1", "dpo 2", "mdpo 3"]


def test_a_published_anew_adapter_shares_neither_name_nor_folder_with_the_one_before(rig):
    engine = rig.open()
    before, after = rig.adapter("sft", seed=1), rig.adapter("sft", seed=2)
    assert rig.ask(engine, before, after) == ["sft 1", "sft 2"]
    assert len({one["lora_name"] for one in rig.fake.loads}) == 1 + 2
    assert len({one["lora_path"] for one in rig.fake.loads}) == 1 + 2
    assert not any(one.get("load_inplace") for one in rig.fake.loads)


def test_the_same_weights_under_another_configuration_lie_in_another_folder(rig):
    engine = rig.open()
    one = rig.adapter("sft", seed=1)
    engine.warm(one).result(60)
    lora = one.manifest.lora.model_copy(update={"alpha": one.manifest.lora.alpha * 2})
    config = one.folder / "adapter_config.json"
    config.write_text(
        config.read_text().replace(f'"lora_alpha": {one.manifest.lora.alpha}', f'"lora_alpha": {lora.alpha}')
    )
    manifest = one.manifest.model_copy(update={"lora": lora})
    engine.warm(
        dataclasses.replace(one, id=dataclasses.replace(one.id, sha="f" * 40), manifest=manifest)
    ).result(60)
    assert len({load["lora_path"] for load in rig.fake.loads}) == 1 + 2


def test_a_new_process_is_noticed_and_what_it_lacks_is_loaded_and_proved_there(rig, three):
    engine = rig.open()
    assert rig.ask(engine, *three) == ["sft 1", "dpo 2", "mdpo 3"]
    rig.fake.restart()
    assert rig.ask(engine, None, *three) == ["the base", "sft 1", "dpo 2", "mdpo 3"]
    assert len(rig.fake.names) == 1 + 3


def test_a_new_process_on_another_base_answers_nothing_not_even_as_the_base(rig, three):
    engine = rig.open()
    assert rig.ask(engine, three[0]) == ["sft 1"]
    rig.fake.restart()
    rig.fake.said[""] = ("another base", [one - 1 for one in rig.base_log_probs])
    with pytest.raises(EngineFailed, match="vLLM's base is not phantom"):
        rig.ask(engine, None)


def test_a_name_that_somebody_unloaded_is_loaded_anew(rig, three):
    engine = rig.open()
    assert rig.ask(engine, three[0]) == ["sft 1"]
    rig.fake.names.clear()
    assert rig.ask(engine, None, three[0]) == ["the base", "sft 1"]
    assert len(rig.fake.loads) == 4


def test_a_copy_that_another_program_changed_is_never_shown_to_a_new_process(rig, three):
    engine = rig.open()
    assert rig.ask(engine, three[0]) == ["sft 1"]
    rig.fake.restart()
    copy = rig.fake.loads[-1]["lora_path"]
    weights = Path(copy, "adapter_model.safetensors")
    weights.chmod(0o644)
    weights.write_bytes((three[1].folder / "adapter_model.safetensors").read_bytes())
    with pytest.raises(DigestMismatch, match="was changed by another program"):
        rig.ask(engine, three[0])


@pytest.mark.parametrize("prompt", ["fails", "cut", "silent"])
def test_a_stream_that_fails_ends_early_or_stays_silent_is_no_answer(rig, three, prompt):
    engine = rig.open()
    with pytest.raises(EngineFailed, match="vLLM was lost while it answered"):
        rig.ask(engine, *three, prompt=prompt)


def test_a_long_silence_of_a_vllm_that_is_well_is_waited_for_and_leaving_ends_it_there(rig, three):
    engine = rig.open()
    begun = threading.Event()
    ticket = rig.submit(engine, three[0], prompt="silent but well", on_piece=lambda piece: begun.set())
    assert begun.wait(60)
    while rig.fake.looks.acquire(blocking=False):
        pass
    assert all(rig.fake.looks.acquire(timeout=60) for _ in range(5))
    assert not ticket.done.done()
    ticket.cancel()
    assert rig.fake.left.wait(60)
    with pytest.raises(CancelledError):
        ticket.done.result(0)
    assert rig.ask(engine, three[0]) == ["sft 1"]


def test_one_comparison_that_fails_leaves_those_beside_it_theirs(rig, three):
    engine = rig.open()
    tickets = [
        rig.submit(engine, one, prompt=prompt) for one, prompt in zip(three, ("Q", "cut", "Q"), strict=True)
    ]
    assert tickets[0].done.result(60)[0].text == "sft 1"
    with pytest.raises(EngineFailed):
        tickets[1].done.result(60)
    assert tickets[2].done.result(60)[0].text == "mdpo 3"


def test_an_answer_under_another_name_is_withheld(rig, three):
    engine = rig.open()
    rig.fake.echo = "another"
    with pytest.raises(EngineFailed, match="vLLM answered as 'another'"):
        rig.ask(engine, three[0])


def test_while_vllm_is_away_nothing_is_taken_on_and_it_comes_back_by_itself(rig, three, monkeypatch):
    monkeypatch.setattr("serving.engines.vllm.model.HEALTH_EVERY_S", 0.01)
    engine = rig.open()
    rig.fake.well = False
    while engine.alive:
        rig.fake.left.wait(0.01)
    with pytest.raises(Stopped, match="does not answer"):
        rig.ask(engine, None)
    rig.fake.well = True
    while not engine.alive:
        rig.fake.left.wait(0.01)
    assert rig.ask(engine, None) == ["the base"]


def test_where_it_looks_vllm_does_not_tell(rig):
    work = Work(images=(rig.outline.image,), turns=question("Q"), adapters=(None,), sampling=Sampling())
    with pytest.raises(BadDeclaration, match="does not tell where an adapter looks"):
        rig.open().look(work).result(60)


def test_a_marker_in_a_question_never_reaches_vllm(rig):
    engine = rig.open()
    before = len(rig.fake.bodies)
    with pytest.raises(BadInput, match="takes for a marker"):
        rig.ask(engine, None, prompt="What is <image> here?")
    assert len(rig.fake.bodies) == before


def test_more_adapters_than_slots_take_turns_and_leave_no_name_behind(rig, three):
    engine = rig.open(slots=1)
    for _ in range(2):
        for one, text in zip(three, ("sft 1", "dpo 2", "mdpo 3"), strict=True):
            assert rig.ask(engine, one) == [text]
    assert len(rig.fake.names) == 1 + 1


def test_too_few_adapters_at_once_in_vllm_are_told(rig):
    rig.fake.keeps = 2
    rig.open(slots=4)
    assert rig.log == [
        "vLLM runs 2 adapters at once, and the slots and the base are 5: what is beyond waits there; "
        "start it with --max-loras 5"
    ]


def test_at_its_end_it_leaves_no_name_whose_files_are_gone(rig, three):
    engine = rig.open()
    rig.ask(engine, None, *three)
    engine.close()
    assert rig.fake.names == {}
    assert not any(Path(one["lora_path"]).exists() for one in rig.fake.loads)
