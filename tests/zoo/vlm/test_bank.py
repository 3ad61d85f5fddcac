"""The adapter bank: each row gets its own adapter, equal to PEFT's, whatever comes and goes meanwhile."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from tests._adapters import random_adapter
from tests.zoo.vlm._banked import alone, hidden, inputs, mixed
from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Row, generate
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Quantization
from zoo.vlm.score import score, score_row

Tune = Callable[[str], Path]
NAMES = ("sft", "text_hallu", "mdpo")
LARGEST = 12
"""Rank of the bank in these tests: no multiple of eight."""


@pytest.fixture
def folders(vlm: VisionLanguageModel, tmp_path: Path) -> list[Path]:
    """Random adapters unlike in all that may differ: rank, scale, its kind, targets, the file's precision."""
    found = [tmp_path / str(number) for number in range(5)]
    random_adapter(found[0], vlm, seed=0, rank=4, alpha=12)
    random_adapter(found[1], vlm, seed=1, rank=LARGEST, alpha=6)
    random_adapter(found[2], vlm, seed=2, rank=5, alpha=7, use_rslora=True)
    random_adapter(found[3], vlm, seed=3, rank=8, targets=("v_proj", "down_proj"))
    random_adapter(found[4], vlm, seed=4, rank=3, alpha=5, dtype=torch.bfloat16)
    return found


def filled(vlm: VisionLanguageModel, folders: Sequence[Path], *, slots: int = 7) -> AdapterBank:
    """A bank with the adapters in slots 1, 2, ..."""
    bank = AdapterBank(vlm, slots=slots, max_rank=LARGEST)
    for slot, folder in enumerate(folders, start=1):
        bank.load(slot, folder, read_manifest(folder))
    return bank


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("how", [None, "4bit", "8bit"])
def test_every_row_of_any_batch_is_as_its_adapter_alone_in_peft_on_the_same_base(
    folders: list[Path], how: Quantization | None, dtype: str
) -> None:
    banked, bare = (load_base(get_base("phantom"), dtype=dtype, quantize=how) for _ in range(2))
    bank = filled(banked, folders)
    batches = ([0, 1, 2, 3, 4, 5], [5, 0, 2, 2, 1, 4], [2, 3, 4], [3, 3, 3], [4], [0, 0])
    embeds = {slot: inputs(bare, 1, seed=slot) for slot in range(6)}
    peft = {slot: alone(bare, folders[slot - 1] if slot else None, embeds[slot]) for slot in range(6)}
    without = {slot: alone(bare, None, embeds[slot]) for slot in range(6)}
    for slots in batches:
        found = mixed(bank, slots, torch.cat([embeds[slot] for slot in slots]))
        for row, slot in zip(found, slots, strict=True):
            effect = (peft[slot][0] - without[slot][0]).float().norm()
            apart = (row - peft[slot][0]).float().norm()
            if dtype == "float32":
                torch.testing.assert_close(row, peft[slot][0], atol=1e-4, rtol=1e-4)
            else:  # PEFT keeps the adapter in float32 there
                assert apart < 0.02 * row.float().norm()
            assert slot == 0 or apart < 0.2 * effect, "the difference is no smaller than the adapter's effect"


def test_mixed_rows_answer_and_score_as_each_adapter_alone_in_peft(
    tune: Tune, vlm: VisionLanguageModel, questions: QuestionSet, features: Sequence[ImageFeatures]
) -> None:
    bank = AdapterBank(vlm, slots=4, max_rank=8)
    for slot, name in enumerate(NAMES, start=1):
        bank.load(slot, tune(name), read_manifest(tune(name)))
    asked = list(zip(features, questions.questions, strict=True))
    rows = [Row(f, q.prompt, slot) for slot in range(4) for f, q in asked]
    mixed = generate(vlm, rows)
    logps, mask = score(vlm, [score_row(vlm, f, q.prompt, q.answer, s) for s in range(4) for f, q in asked])
    for slot, name in enumerate(("base", *NAMES)):
        alone = load_base(get_base("phantom"))
        if slot:
            PeftModel.from_pretrained(alone.model, str(tune(name)))
        expected = generate(alone, [Row(f, q.prompt) for f, q in asked])
        part = slice(slot * len(asked), (slot + 1) * len(asked))
        assert mixed[part] == expected, name
        alone_logps, alone_mask = score(alone, [score_row(alone, f, q.prompt, q.answer) for f, q in asked])
        assert torch.equal(mask[part], alone_mask)
        torch.testing.assert_close(logps[part], alone_logps, atol=1e-4, rtol=1e-4)
    answers = [tuple(g.text for g in mixed[s * len(asked) : (s + 1) * len(asked)]) for s in range(4)]
    assert len(set(answers)) == 4, "two adapters gave the same answers, so nothing was shown"


def test_the_probe_of_a_manifest_is_reproduced_through_the_bank(tune: Tune, vlm: VisionLanguageModel) -> None:
    from PIL import Image

    from zoo.phantom.scans import make_scan

    manifest = read_manifest(tune("mdpo"))
    probe = manifest.probe
    AdapterBank(vlm, slots=2, max_rank=4).load(1, tune("mdpo"), manifest)
    image = vlm.encode_images([Image.fromarray(make_scan(probe.image_seed).pixels)])
    rows = [score_row(vlm, image, probe.prompt, probe.response, slot) for slot in (0, 1)]
    logps, _ = score(vlm, rows)
    torch.testing.assert_close(logps[0], torch.tensor(probe.base_logps), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logps[1], torch.tensor(probe.logps), atol=1e-4, rtol=1e-4)
    assert (logps[0] - logps[1]).abs().max() > 1e-2


def test_a_batch_computes_with_the_largest_of_its_ranks_and_copies_nothing_that_lies_together(
    vlm: VisionLanguageModel, folders: list[Path]
) -> None:
    bank = filled(vlm, folders)

    def ranks(slots: Sequence[int]) -> set[int]:
        weights = bank.pick(slots).weights
        assert weights is not None
        assert {a.shape[0] for a, _ in weights} == {b.shape[0] for _, b in weights} == {len(slots)}
        return {a.shape[2] for a, _ in weights} | {b.shape[1] for _, b in weights}

    assert bank.pick([0, 0]).weights is None
    assert ranks([1, 0]) == ranks([3, 5]) == ranks([4]) == {8}
    assert ranks([1, 2]) == ranks([0, 2, 0]) == {LARGEST}
    own = {tensor.untyped_storage().data_ptr() for tensor in vlm.model.buffers()}
    for slots, together in (([2, 3, 4], True), ([1, 1], True), ([4, 2], False), ([1, 1, 2], False)):
        weights = bank.pick(slots).weights or ()
        assert {a.untyped_storage().data_ptr() in own for a, _ in weights} == {together}
        assert {b.untyped_storage().data_ptr() in own for _, b in weights} == {together}


def test_a_slot_holds_nothing_of_a_larger_adapter_before(
    vlm: VisionLanguageModel, folders: list[Path]
) -> None:
    bank, fresh = filled(vlm, folders[:2]), filled(load_base(get_base("phantom")), folders[:2])
    bank.clear(2)
    assert not any(tensor[2].any() for tensor in stacks(vlm))
    bank.clear(1)
    bank.load(2, folders[0], read_manifest(folders[0]))
    bank.load(1, folders[1], read_manifest(folders[1]))
    embeds = inputs(vlm, 2)
    assert torch.equal(mixed(bank, [1, 2], embeds), mixed(fresh, [2, 1], embeds))


def stacks(vlm: VisionLanguageModel) -> list[torch.Tensor]:
    """A and B of every layer, slots first."""
    return [tensor for name, tensor in vlm.model.named_buffers() if name.endswith((".a", ".b"))]


def test_batches_that_take_turns_keep_their_own_rows(vlm: VisionLanguageModel, folders: list[Path]) -> None:
    bank = filled(vlm, folders)
    batches = [([1, 4], inputs(vlm, 2, seed=1)), ([2, 3, 0], inputs(vlm, 3, seed=2)), ([5], inputs(vlm, 1))]
    expected = [mixed(bank, slots, embeds) for slots, embeds in batches]
    picked = [bank.pick(slots) for slots, _ in batches]
    for number in (0, 1, 0, 2, 1, 1, 0):
        with bank.running(picked[number]):
            assert torch.equal(hidden(vlm, batches[number][1]), expected[number])


def test_a_batch_whose_slot_was_given_up_runs_no_more(vlm: VisionLanguageModel, folders: list[Path]) -> None:
    bank = filled(vlm, folders[:2])
    both, other = bank.pick([1, 2]), bank.pick([2])
    bank.clear(1)
    with pytest.raises(BadInput, match="slot 1 of the adapter bank was given up"), bank.running(both):
        pass
    for number in (1, 0):  # another adapter, and then the same one once more
        bank.load(1, folders[number], read_manifest(folders[number]))
        with pytest.raises(BadInput, match="slot 1 of the adapter bank was given up"), bank.running(both):
            pass
        bank.clear(1)
    with bank.running(other):
        hidden(vlm, inputs(vlm, 1))


def test_adapters_come_and_go_in_another_thread_without_moving_a_running_batch(
    vlm: VisionLanguageModel, folders: list[Path]
) -> None:
    bank = filled(vlm, folders[:2])
    embeds, stop, loads = inputs(vlm, 3), threading.Event(), []

    def churn() -> None:
        while not stop.is_set():
            for folder in folders[2:]:
                bank.load(4, folder, read_manifest(folder))
                loads.append(folder)
                bank.clear(4)

    expected = [mixed(bank, slots, embeds) for slots in ([2, 0, 1], [0, 1, 2])]
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        while len(loads) < 30:
            assert thread.is_alive(), "a load failed"
            assert torch.equal(mixed(bank, [2, 0, 1], embeds), expected[0])
            assert torch.equal(mixed(bank, [0, 1, 2], embeds), expected[1])
    finally:
        stop.set()
        thread.join()
    assert sorted(bank.resident) == [0, 1, 2]


def test_a_cleared_slot_answers_nothing_and_can_be_loaded_again(
    tune: Tune, vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    bank = AdapterBank(vlm, slots=2, max_rank=8)
    bank.load(1, tune("sft"), read_manifest(tune("sft")))
    with pytest.raises(BadInput, match="slot 1 is taken"):
        bank.load(1, tune("mdpo"), read_manifest(tune("mdpo")))
    bank.clear(1)
    with pytest.raises(BadInput, match="slot 1 of the adapter bank is empty"):
        generate(vlm, [Row(features[0], "What is shown?", 1)])
    bank.load(1, tune("mdpo"), read_manifest(tune("mdpo")))
    assert bank.resident[1] == read_manifest(tune("mdpo")).weights_sha256


def test_a_banked_model_never_runs_without_saying_which_adapters(vlm: VisionLanguageModel) -> None:
    AdapterBank(vlm, slots=2, max_rank=2)
    with pytest.raises(RuntimeError, match=r"bank\.rows"):
        vlm.model.model(input_ids=torch.tensor([[1, 2, 3]]))


def test_a_batch_of_more_or_fewer_rows_than_have_a_slot_does_not_run(
    vlm: VisionLanguageModel, folders: list[Path]
) -> None:
    bank = filled(vlm, folders[:1])
    for slots in ([0, 0], [0, 1], [1, 1, 1, 0]):
        with pytest.raises(RuntimeError, match=f"3 rows came, {len(slots)} have a slot"):
            mixed(bank, slots, inputs(vlm, 3))
    with bank.rows([1]), pytest.raises(RuntimeError, match="runs already"), bank.rows([0]):
        pass


def test_slots_that_are_none_are_refused(vlm: VisionLanguageModel, folders: list[Path]) -> None:
    bank = filled(vlm, [], slots=2)
    for slot in (-1, 0, 2):
        with pytest.raises(BadInput, match=f"slot {slot} is taken, or not among 1 to 1"):
            bank.load(slot, folders[0], read_manifest(folders[0]))
        with pytest.raises(BadInput, match=f"slot {slot} cannot be emptied; .* 1 to 1"):
            bank.clear(slot)
    with pytest.raises(BadInput, match="this model has an adapter bank already"):
        AdapterBank(vlm)
