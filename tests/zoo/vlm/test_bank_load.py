"""Loading an adapter: all checks on every load; what must not be served leaves its slot empty and zero."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests._adapters import random_adapter, write_weights
from tests.zoo.vlm._banked import alone, inputs, mixed
from zoo.bases import get_base
from zoo.errors import (
    BadAdapter,
    BrokenWeights,
    DigestMismatch,
    NoEffect,
    NotFinite,
    NotPlainLora,
    WrongBase,
    WrongTensors,
)
from zoo.manifest import CONFIG_NAME, WEIGHTS_NAME, AdapterManifest, read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import VisionLanguageModel, load_base

Tensors = dict[str, torch.Tensor]
FIRST_LAYER = "base_model.model.model.language_model.layers.0.self_attn.q_proj"


@pytest.fixture
def folder(vlm: VisionLanguageModel, tmp_path: Path) -> Path:
    """An adapter of random weights, to break."""
    random_adapter(tmp_path / "adapter", vlm, seed=0, rank=4, alpha=8)
    return tmp_path / "adapter"


def change_weights(folder: Path, change: Callable[[Tensors], object]) -> AdapterManifest:
    """Change an adapter's tensors; the manifest then states the new digest, so that only they are wrong."""
    weights = load_file(folder / WEIGHTS_NAME)
    change(weights)
    return write_weights(folder, weights, read_manifest(folder))


def change_bytes(folder: Path, change: Callable[[bytes], bytes]) -> AdapterManifest:
    """The same for the file's bytes."""
    path = folder / WEIGHTS_NAME
    path.write_bytes(change(path.read_bytes()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return read_manifest(folder).model_copy(update={"weights_sha256": digest})


def assert_refused(
    vlm: VisionLanguageModel, folder: Path, manifest: AdapterManifest, error: type[BadAdapter], words: str
) -> None:
    """A load into a slot beside a taken one fails so, and nothing of the bank is other than before."""
    sound, after = (random_adapter(folder.parent / f"rank {r}", vlm, seed=r, rank=r) for r in (6, 8))
    bank = AdapterBank(vlm, slots=4, max_rank=8)
    bank.load(2, folder.parent / "rank 6", sound)
    before, resident = [tensor.clone() for tensor in vlm.model.buffers()], dict(bank.resident)
    with pytest.raises(error, match=words) as refused:
        bank.load(1, folder, manifest)
    assert type(refused.value) is error
    assert bank.resident == resident == {0: "", 2: sound.weights_sha256}
    assert all(torch.equal(*pair) for pair in zip(vlm.model.buffers(), before, strict=True))
    bank.load(1, folder.parent / "rank 8", after)
    assert not torch.allclose(*mixed(bank, [1, 0], inputs(vlm, 1).repeat(2, 1, 1)), atol=1e-2)


def _drop_one(weights: Tensors) -> None:
    del weights[f"{FIRST_LAYER}.lora_B.weight"]


def _add_one(weights: Tensors) -> None:
    weights["base_model.model.lm_head.lora_A.weight"] = torch.zeros(2, 2)


def _misshape(weights: Tensors) -> None:
    name = f"{FIRST_LAYER}.lora_A.weight"
    weights[name] = weights[name][:, :-1].contiguous()


def _poison(place: int, letter: str, value: float) -> Callable[[Tensors], None]:
    """Put a value at the end of the first or the last layer's A or B."""

    def poison(weights: Tensors) -> None:
        name = sorted(name for name in weights if f".lora_{letter}." in name)[place]
        weights[name][-1, -1] = value

    return poison


def _silence(letter: str) -> Callable[[Tensors], None]:
    """Zero all A or all B."""

    def silence(weights: Tensors) -> None:
        for name, tensor in weights.items():
            if f".lora_{letter}." in name:
                tensor.zero_()

    return silence


def _part(weights: Tensors) -> None:
    """A of one half of the layers and B of the other."""
    for number, name in enumerate(sorted(weights)):
        if number % 4 in (0, 3):
            weights[name].zero_()


def _retype(weights: Tensors) -> None:
    weights[f"{FIRST_LAYER}.lora_A.weight"] = weights[f"{FIRST_LAYER}.lora_A.weight"].double()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_drop_one, WrongTensors, "lacks .*q_proj.lora_B.* \\(1 missing, 0 extra\\)"),
        (_add_one, WrongTensors, "unknown tensor .*lm_head.* \\(0 missing, 1 extra\\)"),
        (_misshape, WrongTensors, "q_proj.lora_A.weight has the shape"),
        (_retype, BrokenWeights, "q_proj.lora_A.weight holds 'F64'"),
        (_poison(0, "A", NAN), NotFinite, "lora_A.weight holds a value that is not finite"),
        (_poison(-1, "B", NAN), NotFinite, "layers.2.*lora_B.weight holds a value that is not finite"),
        (_poison(-1, "B", INF), NotFinite, "layers.2.*lora_B.weight holds a value that is not finite"),
        (_poison(-1, "A", -INF), NotFinite, "layers.2.*lora_A.weight holds a value that is not finite"),
        (_poison(-1, "B", 3e38), NotFinite, "lora_B.weight holds .* not finite in torch.float32"),
        (_silence("B"), NoEffect, "changes nothing"),
        (_silence("A"), NoEffect, "changes nothing"),
        (_part, NoEffect, "changes nothing"),
    ],
)
def test_wrong_weights_are_refused_and_leave_everything_as_it_was(
    folder: Path,
    vlm: VisionLanguageModel,
    change: Callable[[Tensors], object],
    error: type[BadAdapter],
    words: str,
) -> None:
    assert_refused(vlm, folder, change_weights(folder, change), error, words)


def test_a_nan_at_either_end_of_any_tensor_is_found(folder: Path, vlm: VisionLanguageModel) -> None:
    bank, sound = AdapterBank(vlm, slots=2, max_rank=4), load_file(folder / WEIGHTS_NAME)
    assert len(sound) == 42
    for number, (name, tensor) in enumerate(sound.items()):
        broken = tensor.clone()
        broken.view(-1)[-(number % 2)] = NAN
        manifest = write_weights(folder, sound | {name: broken}, read_manifest(folder))
        with pytest.raises(NotFinite, match=name):
            bank.load(1, folder, manifest)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_what_overflows_or_vanishes_in_the_bases_precision_is_refused(
    folder: Path, tmp_path: Path, dtype: str
) -> None:
    largest = torch.finfo(getattr(torch, dtype)).max
    vlm = load_base(get_base("phantom"), dtype=dtype)
    manifest = change_weights(folder, _poison(-1, "B", 0.75 * largest))  # which the scale of 2 takes beyond
    assert_refused(vlm, folder, manifest, NotFinite, f"lora_B.weight .* not finite in torch.{dtype}")


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_file_that_was_cut_off_is_refused_though_its_digest_is_stated(
    folder: Path, vlm: VisionLanguageModel, size: int
) -> None:
    manifest = change_bytes(folder, lambda content: content[:size])
    assert_refused(vlm, folder, manifest, BrokenWeights, "not a readable safetensors file")


def test_a_file_larger_than_any_adapter_is_refused_unread(folder: Path, vlm: VisionLanguageModel) -> None:
    manifest = read_manifest(folder)
    with (folder / WEIGHTS_NAME).open("r+b") as file:
        file.truncate(2**40)  # which takes no room on the disk
    assert_refused(vlm, folder, manifest, BrokenWeights, "1099511627776 bytes, and no adapter")


@pytest.mark.parametrize("place", [-1, -300_000])
def test_other_bytes_than_the_manifest_states_are_refused(
    folder: Path, vlm: VisionLanguageModel, place: int
) -> None:
    manifest = read_manifest(folder)
    path = folder / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[max(place, 8 - len(content) // 2)] ^= 1
    path.write_bytes(content)
    assert_refused(vlm, folder, manifest, DigestMismatch, "sha256 is .*, and zoo.json says")


def test_other_bytes_are_what_is_wrong_even_where_they_hold_a_nan(
    folder: Path, vlm: VisionLanguageModel
) -> None:
    manifest = read_manifest(folder)
    change_weights(folder, _poison(0, "A", NAN))
    assert_refused(vlm, folder, manifest, DigestMismatch, "sha256 is .*, and zoo.json says")


@pytest.mark.parametrize("alpha", [0, 8])
def test_an_adapter_without_effect_is_loaded_only_if_its_manifest_says_that_it_has_none(
    folder: Path, vlm: VisionLanguageModel, alpha: int
) -> None:
    manifest = change_weights(folder, _silence("B") if alpha else lambda weights: None)
    config = folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": alpha}))
    manifest = manifest.model_copy(update={"lora": manifest.lora.model_copy(update={"alpha": alpha})})
    bank = AdapterBank(vlm, slots=2, max_rank=8)
    with pytest.raises(NoEffect, match="changes nothing"):
        bank.load(1, folder, manifest)
    bank.load(1, folder, manifest.model_copy(update={"no_effect_expected": True}))
    embeds = inputs(vlm, 1).repeat(2, 1, 1)
    with_it, without = mixed(bank, [1, 0], embeds)
    torch.testing.assert_close(with_it, without, atol=1e-5, rtol=1e-5)


def test_bytes_that_were_read_before_load_without_the_files_and_are_checked_again(
    folder: Path, vlm: VisionLanguageModel
) -> None:
    bank, manifest = AdapterBank(vlm, slots=4, max_rank=8), read_manifest(folder)
    content = bank.read(folder)
    bank.load(1, folder, manifest)
    (folder / WEIGHTS_NAME).unlink()
    (folder / CONFIG_NAME).unlink()
    bank.load(2, folder, manifest, content=content)
    one, other = mixed(bank, [1, 2], inputs(vlm, 1).repeat(2, 1, 1))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    content.weights[-1] ^= 1
    with pytest.raises(DigestMismatch, match="sha256"):
        bank.load(3, folder, manifest, content=content)
    with pytest.raises(BadAdapter, match=r"adapter_config\.json: cannot be read"):
        bank.read(folder)


@pytest.mark.parametrize("key", ["name", "revision"])
def test_an_adapter_of_another_base_or_revision_is_refused(
    folder: Path, vlm: VisionLanguageModel, key: str
) -> None:
    manifest = read_manifest(folder)
    other = manifest.model_copy(update={"base": manifest.base.model_copy(update={key: "other"})})
    assert_refused(vlm, folder, other, WrongBase, "this adapter is for .*other")


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        ("use_dora", True, NotPlainLora, "use_dora is set"),
        ("modules_to_save", ["lm_head"], NotPlainLora, "modules_to_save is set"),
        ("lora_alpha", 99, BadAdapter, "lora_alpha"),
        ("alora_invocation_tokens", [1, 2], NotPlainLora, "alora_invocation_tokens is set"),
        ("a_feature_of_tomorrow", 1, NotPlainLora, "a_feature_of_tomorrow is set"),
        ("lora_bias", True, NotPlainLora, "lora_bias is set"),
        ("layers_to_transform", [0], NotPlainLora, "layers_to_transform is set"),
        ("alpha_pattern", {"q_proj": 8}, NotPlainLora, "alpha_pattern is set"),
        ("rank_pattern", {"q_proj": 8}, NotPlainLora, "rank_pattern is set"),
        ("init_lora_weights", "pissa", NotPlainLora, "may change the base's own weights"),
        ("layers_to_transform", 0, NotPlainLora, "layers_to_transform is set"),
        ("lora_bias", 0.0, NotPlainLora, "lora_bias is set"),
        ("lora_alpha", 10**400, BadAdapter, "r, lora_alpha, use_rslora are"),
        (
            "target_modules",
            ["q_proj"],
            BadAdapter,
            "does not take in model.*k_proj, and zoo.json takes it in",
        ),
        ("target_modules", ["self_attn"], BadAdapter, "does not take in model.*q_proj"),
        ("target_modules", "q_proj|v_proj", BadAdapter, "does not take in model.*q_proj"),
        ("target_modules", None, BadAdapter, "neither a list of names nor a pattern"),
        ("target_modules", "(", BadAdapter, "is no pattern"),
        ("target_modules", "(.+)+!", BadAdapter, "a pattern that may take long"),
        ("target_modules", "(?x)(.+) +!", BadAdapter, "a pattern that may take long"),
        ("target_modules", "(.|..)" * 20, BadAdapter, "a pattern that may take long"),
        ("target_modules", ".*.*.*.*.*.*!", BadAdapter, "a pattern that may take long"),
        ("peft_type", "IA3", NotPlainLora, "only plain LoRA"),
        ("bias", "all", NotPlainLora, "only plain LoRA"),
    ],
)
def test_a_configuration_that_the_bank_cannot_hold_is_refused_by_name(
    folder: Path, vlm: VisionLanguageModel, key: str, value: object, error: type[BadAdapter], words: str
) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert_refused(vlm, folder, read_manifest(folder), error, words)


@pytest.mark.parametrize(
    "change",
    [
        {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]},
        {"target_modules": r"^(?!.*visual).*(?:[qkvo]|gate|up|down)_proj.*"},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": "orthogonal", "layers_to_transform": None, "exclude_modules": []},
    ],
)
def test_what_peft_takes_for_the_same_adapter_is_loaded(
    folder: Path, vlm: VisionLanguageModel, change: dict[str, object]
) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    embeds = inputs(vlm, 1)
    wanted = alone(load_base(get_base("phantom")), folder, embeds)
    bank = AdapterBank(vlm, slots=2, max_rank=8)
    bank.load(1, folder, read_manifest(folder))
    torch.testing.assert_close(mixed(bank, [1], embeds), wanted)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a JSON object"),
        ("[" * 200_000, "cannot be read"),
        ("\xff", "cannot be read"),
        ('{"peft_type": "LORA"}' + " " * 2**20, "more than 1048576 bytes"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(
    folder: Path, vlm: VisionLanguageModel, text: str, words: str
) -> None:
    (folder / "adapter_config.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadAdapter, match=words):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, read_manifest(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"alpha": 10**400}, "lora_alpha is beyond 1000000"), ({"targets": []}, "names no LoRA target")],
)
def test_a_manifest_beyond_all_bounds_is_refused_by_name(
    folder: Path, vlm: VisionLanguageModel, change: dict[str, object], words: str
) -> None:
    manifest, path = read_manifest(folder), folder / "adapter_config.json"
    manifest = manifest.model_copy(update={"lora": manifest.lora.model_copy(update=change)})
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_alpha": manifest.lora.alpha}))
    with pytest.raises(BadAdapter, match=words):
        AdapterBank(vlm, slots=2, max_rank=8).load(1, folder, manifest)


def test_pickled_weights_and_ranks_above_the_banks_are_refused(
    folder: Path, vlm: VisionLanguageModel
) -> None:
    with pytest.raises(BadAdapter, match="rank 4 is above the bank's 2") as told:
        AdapterBank(vlm, slots=2, max_rank=2).load(1, folder, read_manifest(folder))
    assert told.value.hint == "MEDZOO_MAX_RANK=4 medzoo serve"
    (folder / WEIGHTS_NAME).rename(folder / "adapter_model.bin")
    with pytest.raises(BadAdapter, match="safetensors only"):
        AdapterBank(load_base(get_base("phantom")), slots=2).load(1, folder, read_manifest(folder))


def test_a_slot_that_could_not_be_emptied_is_emptied_before_it_is_filled_again(
    vlm: VisionLanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the larger rank that lay there nothing is left for a batch of ranks that large."""
    large, small = (random_adapter(tmp_path / f"rank {r}", vlm, seed=r, rank=r) for r in (8, 2))
    bank = AdapterBank(vlm, slots=3, max_rank=8)
    bank.load(1, tmp_path / "rank 8", large)
    bank.load(2, tmp_path / "rank 8", large)
    with monkeypatch.context() as broken:
        broken.setattr(torch.Tensor, "zero_", lambda tensor: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bank.clear(1)
    assert 1 not in bank.resident
    bank.load(1, tmp_path / "rank 2", small)
    embeds = inputs(vlm, 1).repeat(2, 1, 1)
    wanted = alone(load_base(get_base("phantom")), tmp_path / "rank 2", embeds[:1])
    torch.testing.assert_close(mixed(bank, [1, 2], embeds)[:1], wanted)
