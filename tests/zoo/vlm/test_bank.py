"""The adapter bank: each row gets its own adapter, equal to PEFT's; what must not be served is refused."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.errors import BadAdapter, BadInput, DigestMismatch, NoEffect, WrongBase
from zoo.manifest import WEIGHTS_NAME, AdapterManifest, read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Row, generate
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.score import score, score_row

Tune = Callable[[str], Path]
NAMES = ("sft", "text_hallu", "mdpo")
FIRST_LAYER = "base_model.model.model.language_model.layers.0.self_attn.q_proj"


@pytest.fixture
def folder(tune: Tune, tmp_path: Path) -> Path:
    """A copy of an adapter, to break."""
    return Path(shutil.copytree(tune("sft"), tmp_path / "adapter"))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> AdapterManifest:
    """Change an adapter's tensors; the manifest then states the new digest, so that only they are wrong."""
    import hashlib

    weights = load_file(folder / WEIGHTS_NAME)
    change(weights)
    save_file(weights, folder / WEIGHTS_NAME)
    digest = hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()
    return read_manifest(folder).model_copy(update={"weights_sha256": digest})


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


def _drop_one(weights: dict[str, torch.Tensor]) -> None:
    del weights[f"{FIRST_LAYER}.lora_B.weight"]


def _add_one(weights: dict[str, torch.Tensor]) -> None:
    weights["base_model.model.lm_head.lora_A.weight"] = torch.zeros(2, 2)


def _misshape(weights: dict[str, torch.Tensor]) -> None:
    name = f"{FIRST_LAYER}.lora_A.weight"
    weights[name] = weights[name][:, :-1].contiguous()


def _poison(weights: dict[str, torch.Tensor]) -> None:
    weights[f"{FIRST_LAYER}.lora_A.weight"][0, 0] = float("nan")


def _silence(weights: dict[str, torch.Tensor]) -> None:
    for name, tensor in weights.items():
        if ".lora_B." in name:
            tensor.zero_()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_drop_one, BadAdapter, "lacks .*q_proj.lora_B"),
        (_add_one, BadAdapter, "unknown tensor .*lm_head"),
        (_misshape, BadAdapter, "has the shape"),
        (_poison, BadAdapter, "not finite"),
        (_silence, NoEffect, "changes nothing"),
    ],
)
def test_wrong_weights_are_refused_and_leave_the_slot_empty(
    folder: Path,
    vlm: VisionLanguageModel,
    change: Callable[[dict[str, torch.Tensor]], object],
    error: type[BadAdapter],
    words: str,
) -> None:
    manifest = change_weights(folder, change)
    bank = AdapterBank(vlm, slots=2, max_rank=8)
    with pytest.raises(error, match=words):
        bank.load(1, folder, manifest)
    assert bank.resident == {0: ""}


def test_other_bytes_than_the_manifest_states_are_refused(folder: Path, vlm: VisionLanguageModel) -> None:
    manifest = read_manifest(folder)
    change_weights(folder, lambda weights: weights[f"{FIRST_LAYER}.lora_B.weight"].mul_(2))
    with pytest.raises(DigestMismatch, match="sha256"):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, manifest)


@pytest.mark.parametrize("key", ["name", "revision"])
def test_an_adapter_of_another_base_or_revision_is_refused(
    folder: Path, vlm: VisionLanguageModel, key: str
) -> None:
    manifest = read_manifest(folder)
    other = manifest.model_copy(update={"base": manifest.base.model_copy(update={key: "other"})})
    with pytest.raises(WrongBase, match="other"):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, other)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("use_dora", True, "use_dora is set"),
        ("modules_to_save", ["lm_head"], "modules_to_save is set"),
        ("lora_alpha", 99, "lora_alpha"),
        ("alora_invocation_tokens", [1, 2], "alora_invocation_tokens is set"),
        ("a_feature_of_tomorrow", 1, "a_feature_of_tomorrow is set"),
        ("rank_pattern", {"q_proj": 8}, "rank_pattern is set"),
        ("init_lora_weights", "pissa", "the base was changed"),
        ("peft_type", "IA3", "only plain LoRA"),
        ("bias", "all", "only plain LoRA"),
    ],
)
def test_a_configuration_that_the_bank_cannot_hold_is_refused_by_name(
    folder: Path, vlm: VisionLanguageModel, key: str, value: object, words: str
) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(BadAdapter, match=words):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, read_manifest(folder))


def test_a_configuration_that_is_no_object_is_refused(folder: Path, vlm: VisionLanguageModel) -> None:
    (folder / "adapter_config.json").write_text("[]")
    with pytest.raises(BadAdapter, match="not a JSON object"):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, read_manifest(folder))


def test_pickled_weights_and_ranks_above_the_banks_are_refused(
    folder: Path, vlm: VisionLanguageModel
) -> None:
    with pytest.raises(BadAdapter, match="rank 4 is above the bank's 2"):
        AdapterBank(vlm, slots=2, max_rank=2).load(1, folder, read_manifest(folder))
    (folder / WEIGHTS_NAME).rename(folder / "adapter_model.bin")
    with pytest.raises(BadAdapter, match="safetensors only"):
        AdapterBank(load_base(get_base("phantom")), slots=2).load(1, folder, read_manifest(folder))
