"""LoRA folders of LLaVA's original code become adapters that act as they did there."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file, save_file

from tests._originals import original_config, original_tensors, reference_logits, tiny_base, write_original
from tests.zoo.vlm._banked import alone, inputs, mixed
from training.variants import variants
from zoo.bases import Base, known_base
from zoo.cli.convert import _VARIANT, convert
from zoo.errors import BadAdapter, BadInput
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.convert.adapter import convert_adapter
from zoo.vlm.convert.checkpoint import convert_checkpoint
from zoo.vlm.convert.record import read_record
from zoo.vlm.model import load_base

RANK, ALPHA = 4, 8
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PROJECTOR = ("0.weight", "0.bias", "2.weight", "2.bias")
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """LLaVA-Med, tiny and converted; its original lies beside it."""
    folder = tmp_path_factory.mktemp("base")
    original = tiny_base("llava-med-v1.5")
    write_original(original, folder / "original")
    record = convert_checkpoint(original, str(folder / "original"), folder / "converted")
    return replace(original, folder=folder / "converted", revision=record.revision)


def _lora(*, default: str = "") -> Tensors:
    torch.manual_seed(1)
    found = {}
    for name, tensor in original_tensors(tiny_base("llava-med-v1.5")).items():
        layer = name.removesuffix(".weight")
        if name.startswith("model.layers.") and layer.endswith(TARGETS):
            rows, columns = tensor.shape
            key = f"base_model.model.{layer}"
            found[f"{key}.lora_A{default}.weight"] = torch.randn(RANK, columns) * 0.2
            found[f"{key}.lora_B{default}.weight"] = torch.randn(rows, RANK) * 0.2
    return found


def _projector(*, change: float = 0.0) -> Tensors:
    """As the original trainer names it."""
    own = original_tensors(tiny_base("llava-med-v1.5"))
    return {
        f"base_model.model.model.mm_projector.{name}": own[f"model.mm_projector.{name}"] + change
        for name in PROJECTOR
    }


def _write(
    folder: Path,
    tensors: Tensors,
    *,
    pickled: bool = False,
    said: dict[str, Any] | None = None,
    beside: Tensors | None = None,
) -> Path:
    """What LLaVA's trainer leaves."""
    folder.mkdir()
    config = {
        "base_model_name_or_path": "/private/llava-med-v1.5-mistral-7b",
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.05,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps({**config, **(said or {})}))
    whole = {**original_config(tiny_base("llava-med-v1.5")), "model_type": "llava_llama"}
    (folder / "config.json").write_text(json.dumps(whole))
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 30, "num_train_epochs": 3}))
    if pickled:
        torch.save(tensors, folder / "adapter_model.bin")
    else:
        save_file(tensors, folder / "adapter_model.safetensors")
    if beside is not None:
        torch.save(beside, folder / "non_lora_trainables.bin")
    return folder


def _logits_merged(base: Base, folder: Path, lora: Tensors, ids: list[int], change: float) -> torch.Tensor:
    """Those of the original code, which adds the LoRA to the weights and loads the projector."""
    merged = {name: tensor.float() for name, tensor in original_tensors(base).items()}
    for name in lora:
        if ".lora_A." in name:
            layer = f"{name.removeprefix('base_model.model.').partition('.lora_')[0]}.weight"
            merged[layer] = merged[layer] + ALPHA / RANK * lora[name.replace("lora_A", "lora_B")] @ lora[name]
    for name in PROJECTOR:
        new = original_tensors(base)[f"model.mm_projector.{name}"] + change
        merged[f"model.mm_projector.{name}"] = new.float()
    write_original(base, folder, merged)
    image = base.tokens["<image>"]
    start, end = ids.index(image), len(ids) - ids[::-1].index(image)
    return reference_logits(base, folder, PIXELS, ids[:start], ids[end:])


PIXELS = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("pickled", "change"), [(False, None), (True, 0.0), (False, 0.5)])
def test_logits_are_those_of_the_original_code_with_the_adapter(
    base: Base, tmp_path: Path, pickled: bool, change: float | None
) -> None:
    lora = _lora(default=".default" if pickled else "")
    beside = None if change is None else _projector(change=change)
    source = _write(tmp_path / "source", lora, pickled=pickled, beside=beside)
    out, copy = tmp_path / "out", tmp_path / "copy"
    manifest = convert_adapter(base, source, out, variant="mmedpo", projector_base=copy)
    assert copy.exists() == bool(change)
    assert (manifest.base.revision == base.revision) == (not change)
    used = replace(base, folder=copy, revision=manifest.base.revision) if change else base

    vlm = load_base(used, device="cpu", dtype="float32")
    features = vlm.encode_images([Image.new("RGB", (60, 50))])
    ids = vlm.prompt_ids("Is there the mass?", features)
    expected = _logits_merged(base, tmp_path / "merged", _lora(), ids, change or 0.0)
    embeds = inputs(vlm, 1)
    through_peft = alone(vlm, out, embeds)
    model = PeftModel.from_pretrained(load_base(used, device="cpu", dtype="float32").model, str(out))
    with torch.no_grad():
        found = model(input_ids=torch.tensor([ids]), pixel_values=PIXELS).logits[0]
    torch.testing.assert_close(found[:, : expected.shape[1]], expected, atol=1e-4, rtol=1e-4)

    bank = AdapterBank(load_base(used, device="cpu", dtype="float32"), slots=2, max_rank=RANK)
    bank.load(1, out, manifest)
    torch.testing.assert_close(mixed(bank, [1], embeds), through_peft, atol=1e-4, rtol=1e-4)


def test_no_layer_of_the_tower_gets_a_part_and_no_path_is_trusted(base: Base, tmp_path: Path) -> None:
    source, out = _write(tmp_path / "source", _lora()), tmp_path / "out"
    manifest = convert_adapter(base, source, out, variant="mmedpo")
    config = json.loads((out / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "microsoft/llava-med-v1.5-mistral-7b"
    assert len(load_file(out / "adapter_model.safetensors")) == len(_lora()) == 3 * 7 * 2
    layers = [name for name, _ in load_base(base, device="cpu", dtype="float32").model.named_modules()]
    taken = [name for name in layers if re.fullmatch(config["target_modules"], name)]
    assert len(taken) == 3 * 7
    assert all(name.startswith("model.language_model.layers.") for name in taken)
    assert manifest == read_manifest(out)
    assert (manifest.variant.name, manifest.lora.r, manifest.lora.alpha) == ("mmedpo", RANK, ALPHA)
    assert (manifest.training.steps, manifest.training.epochs) == (30, 3)
    assert manifest.license == "llava-med-terms and unknown"
    assert "Its folder holds no projector" in manifest.variant.departures[-1]
    assert {path.name for path in out.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "zoo.json",
    }


def test_the_copy_of_the_base_is_it_but_for_the_projector(base: Base, tmp_path: Path) -> None:
    source, copy = _write(tmp_path / "source", _lora(), beside=_projector(change=0.5)), tmp_path / "copy"
    manifest = convert_adapter(base, source, tmp_path / "a", variant="x", projector_base=copy)
    again = convert_adapter(base, source, tmp_path / "b", variant="x", projector_base=copy)
    assert again.base == manifest.base
    assert base.folder is not None
    own = load_file(base.folder / "model.safetensors")
    new = load_file(copy / "model.safetensors")
    changed = {name for name in own if not torch.equal(own[name], new[name])}
    assert own.keys() == new.keys()
    assert changed == {
        f"multi_modal_projector.linear_{n}.{kind}" for n in (1, 2) for kind in ("weight", "bias")
    }
    record = read_record(copy)
    assert record is not None
    assert (record.revision, record.proven, len(record.projector)) == (manifest.base.revision, False, 4)
    assert "The projector is another one, which was trained beside a LoRA" in (copy / "README.md").read_text()


def test_a_projector_of_its_own_is_never_left_out_silently(base: Base, tmp_path: Path) -> None:
    source = _write(tmp_path / "source", _lora(), beside=_projector(change=0.5))
    with pytest.raises(
        BadInput, match=r"is not that of llava-med-v1\.5: without it the answers are another"
    ) as told:
        convert_adapter(base, source, tmp_path / "out", variant="x")
    assert told.value.hint == "--projector-base FOLDER writes a copy of the base with it"
    assert not (tmp_path / "out").exists()


class _Harmful:
    def __reduce__(self) -> Any:
        return (print, ("code was run",))


def _dropped(tensors: Tensors) -> None:
    tensors.pop("base_model.model.model.layers.1.mlp.up_proj.lora_B.weight")


def _of_the_tower(tensors: Tensors) -> None:
    tensors["base_model.model.model.vision_tower.layers.0.q_proj.lora_A.weight"] = torch.ones(4, 4)


def _misshapen(tensors: Tensors) -> None:
    tensors["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"] = torch.ones(4, 7)


def _without_effect(tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        if "lora_B" in name:
            tensor.zero_()


@pytest.mark.parametrize(
    ("change", "said", "message"),
    [
        (_dropped, {}, r"lacks .*layers\.1\.mlp\.up_proj\.lora_B\.weight"),
        (_of_the_tower, {}, "holds what is no LoRA on the language model: .*vision_tower"),
        (_misshapen, {}, r"lora_A\.weight has the shape \(4, 7\), not \(4, 40\)"),
        (_without_effect, {}, "this adapter changes nothing"),
        (lambda tensors: None, {"use_dora": True}, "use_dora is set"),
        (lambda tensors: None, {"modules_to_save": ["lm_head"]}, "modules_to_save is set"),
        (lambda tensors: None, {"r": 8}, "has the shape"),
    ],
)
def test_what_cannot_be_served_is_not_written(
    base: Base, tmp_path: Path, change: Callable[[Tensors], None], said: dict[str, Any], message: str
) -> None:
    tensors = _lora()
    change(tensors)
    source = _write(tmp_path / "source", tensors, said=said)
    with pytest.raises((BadInput, BadAdapter), match=message):
        convert_adapter(base, source, tmp_path / "out", variant="x")
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


@pytest.mark.parametrize("name", ["adapter_model.bin", "non_lora_trainables.bin"])
def test_no_code_in_a_file_is_run(base: Base, tmp_path: Path, name: str, capsys: Any) -> None:
    source = _write(tmp_path / "source", _lora(), pickled=True, beside=_projector())
    torch.save({"x": _Harmful()}, source / name)
    with pytest.raises(BadInput, match=f"{name} holds more than tensors"):
        convert_adapter(base, source, tmp_path / "out", variant="x")
    assert "code was run" not in capsys.readouterr().out


def test_another_architecture_is_refused_by_its_own_configuration(base: Base, tmp_path: Path) -> None:
    source = _write(tmp_path / "source", _lora())
    told = json.loads((source / "config.json").read_bytes())
    (source / "config.json").write_text(json.dumps({**told, "s2": True, "mm_hidden_size": 96}))
    with pytest.raises(BadInput, match="s2 is True, which cannot be converted"):
        convert_adapter(base, source, tmp_path / "out", variant="x")


@pytest.mark.parametrize("name", ["phantom", "qwen3-vl-4b", "medgemma-4b"])
def test_a_base_of_another_kind_is_refused_by_name(tmp_path: Path, name: str) -> None:
    other = replace(known_base(name), revision="a" * 40)
    with pytest.raises(BadInput, match=f"original code, and {name} is no base of that code"):
        convert_adapter(other, _write(tmp_path / "source", _lora()), tmp_path / "out", variant="x")


def test_a_place_where_nothing_can_be_written_is_told(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.bases.known_base", lambda name: base)
    source, file = _write(tmp_path / "source", _lora()), tmp_path / "file"
    file.touch()
    for places in (["--out", f"{file}/a"], ["--out", str(tmp_path / "a"), "--projector-base", f"{file}/b"]):
        arguments = [str(source), "--base", base.name, "--variant", "x", *places]
        told = CliRunner().invoke(convert, arguments).exception
        assert isinstance(told, BadInput), told
        assert str(told).startswith(f"--out {file}/")


@pytest.mark.parametrize("name", ["base", "MMedPO", "../x", "my variant", "2dpo", "a" * 97, "mmedpo\n"])
def test_a_word_that_no_variant_could_be_called_is_refused(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("zoo.bases.known_base", lambda name: base)
    arguments = [str(_write(tmp_path / "source", _lora())), "--base", base.name, "--out", str(tmp_path / "a")]
    refused = CliRunner().invoke(convert, [*arguments, "--variant", name]).exception
    assert isinstance(refused, BadInput)
    assert refused.message == f"--variant {name[:80]!r} is no name of a variant"
    assert not (tmp_path / "a").exists()


def test_every_variant_that_is_declared_can_be_named() -> None:
    assert len(variants()) > 20
    assert [name for name in variants() if not _VARIANT.fullmatch(name)] == []


def test_the_verb_tells_an_adapter_from_a_checkpoint(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.bases.known_base", lambda name: base)
    source = _write(tmp_path / "source", _lora())
    arguments = [str(source), "--base", base.name, "--out", str(tmp_path / "out")]
    without = CliRunner().invoke(convert, arguments)
    assert isinstance(without.exception, BadInput)
    assert without.exception.hint == "name what trained it: --variant mmedpo"
    result = CliRunner().invoke(convert, [*arguments, "--variant", "mmedpo"], catch_exceptions=False)
    assert f"adapter  mmedpo on {base.name}, rank 4, down_proj, gate_proj" in result.stdout
    assert f"base     {base.name}@{base.revision}\n" in result.stdout
