"""What is wrong with an original checkpoint, its tower or its small files is told before gigabytes are read,
and nothing of it is made good silently."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from tests._originals import NAMES, VISION, original_tensors, tiny_base, write_original
from zoo.bases import Base
from zoo.errors import BadInput
from zoo.hub_access import hub_api
from zoo.vlm.convert.checkpoint import convert_checkpoint

Tensors = dict[str, torch.Tensor]
START = "model.vision_tower.vision_tower."


@pytest.fixture(params=NAMES)
def base(request: pytest.FixtureRequest) -> Base:
    found: str = request.param
    return tiny_base(found)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"image_aspect_ratio": "square"},
            "image_aspect_ratio is 'square', .* is shown images padded to a sq",
        ),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True, .*: its head is its embedding"),
        ({"pad_token_id": -1}, r"config\.json: pad_token_id is -1, of \d+ tokens"),
        ({"eos_token_id": [2, "x"]}, r"config\.json: eos_token_id is \[2, 'x'\], of \d+ tokens"),
        ({"hidden_size": None}, "says what no model can be made of: "),
        ({"num_attention_heads": 0}, "says what no model can be made of: "),
        ({"hidden_act": "nothing"}, "says what no model can be made of: 'nothing'"),
    ],
)
def test_a_configuration_that_no_model_can_follow_is_refused(
    base: Base, tmp_path: Path, out: Path, said: dict[str, Any], message: str
) -> None:
    source = write_original(base, tmp_path / "original", config=said)
    with pytest.raises(BadInput, match=message):
        convert_checkpoint(base, str(source), out)
    assert not out.exists()


def test_a_lora_on_a_hub_is_to_be_fetched_first(
    base: Base, tmp_path: Path, out: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    api = hub_api(hub, None)
    (tmp_path / "adapter_config.json").write_text("{}")
    api.create_repo("me/lora")
    sha = api.upload_folder(repo_id="me/lora", folder_path=tmp_path).oid
    with pytest.raises(BadInput, match=f"me/lora@{sha} holds a LoRA") as told:
        convert_checkpoint(base, "me/lora", out)
    assert told.value.hint == "hf download me/lora --local-dir FOLDER, and convert that folder"


def _without(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.layers.1.mlp.up_proj.weight"], tensors["model.norm.weight"]


def _with(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.image_newline"] = torch.zeros(40)


def _turned(tensors: dict[str, torch.Tensor]) -> None:
    name = "model.mm_projector.0.weight"
    tensors[name] = tensors[name].T


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without, "original lacks model.layers.1.mlp.up_proj.weight and 1 more"),
        (_with, "holds a tensor that its layout does not have: model.image_newline"),
        (_turned, r"model.mm_projector.0.weight has the shape \(32, 40\); config.json says \(40, 32\)"),
    ],
)
def test_a_wrong_set_of_tensors_is_told_by_name_before_anything_is_written(
    base: Base, tmp_path: Path, out: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    tensors = original_tensors(base)
    change(tensors)
    source = write_original(base, tmp_path / "original", tensors)
    with pytest.raises(BadInput, match=message):
        convert_checkpoint(base, str(source), out)
    assert not out.exists()


def test_a_shard_that_is_cut_off_is_told_by_name(base: Base, tmp_path: Path, out: Path) -> None:
    source = write_original(base, tmp_path / "original")
    shard = source / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"a shard is not whole: model-00002-of-00003.safetensors"):
        convert_checkpoint(base, str(source), out)
    assert not out.exists()


def test_ids_that_a_configuration_leaves_open_are_the_declared_ones(
    base: Base, tmp_path: Path, out: Path
) -> None:
    nothing = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    source = write_original(base, tmp_path / "original", config=nothing)
    record = convert_checkpoint(base, str(source), out)
    assert record.differences == []
    found = json.loads((out / "config.json").read_bytes())["text_config"]
    assert {key: found[key] for key in nothing} == {key: base.config["text_config"][key] for key in nothing}


def test_a_prompt_begins_with_its_first_token_whatever_the_tokenizers_configuration_says(
    base: Base, tmp_path: Path, out: Path
) -> None:
    source = write_original(base, tmp_path / "original")
    (source / "tokenizer_config.json").unlink(missing_ok=True)
    convert_checkpoint(base, str(source), out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    talk = [{"role": "user", "content": [{"type": "text", "text": "Is it?"}]}]
    starts = {"llava-med-v1.5": "<s>[INST] Is it?", "huatuo-vision-7b": "<|user|>\nIs it?"}[base.name]
    assert tokenizer.apply_chat_template(talk, tokenize=False).startswith(starts)
    assert (tokenizer("a")["input_ids"][0] == 1) == (base.name == "llava-med-v1.5")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_tokenizers_configuration_that_cannot_be_read_is_told_first(
    base: Base, tmp_path: Path, out: Path, content: str
) -> None:
    source = write_original(base, tmp_path / "original")
    (source / "tokenizer_config.json").write_text(content)
    with pytest.raises(BadInput, match=r"tokenizer_config\.json is no JSON"):
        convert_checkpoint(base, str(source), out)
    assert not out.exists()


def _drop(tower: Tensors) -> None:
    del tower["vision_model.post_layernorm.weight"], tower["vision_model.post_layernorm.bias"]


def _deepen(tower: Tensors) -> None:
    tower["vision_model.encoder.layers.3.mlp.fc1.bias"] = torch.zeros(48)


def _narrow(tower: Tensors) -> None:
    tower["vision_model.embeddings.class_embedding"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, r"clip lacks model\.vision_tower\..*\.post_layernorm\.bias and 1 more"),
        (_deepen, r"clip holds what its config\.json does not say: .*layers\.3\.mlp\.fc1\.bias"),
        (_narrow, r"clip: .*class_embedding has the shape \(3,\), not \(32,\)"),
    ],
)
def test_a_tower_that_is_not_what_it_says_is_told_by_name(
    base: Base, tmp_path: Path, out: Path, change: Callable[[Tensors], None], message: str
) -> None:
    tensors = original_tensors(base)
    tower = {name.removeprefix(START): one for name, one in tensors.items() if name.startswith(START)}
    rest = {name: one for name, one in tensors.items() if not name.startswith(START)}
    change(tower)
    clip = _clip(tmp_path, tower)
    with pytest.raises(BadInput, match=message):
        convert_checkpoint(base, str(write_original(base, tmp_path / "o", rest)), out, tower=str(clip))
    assert not out.exists()


def test_a_tower_that_is_named_is_never_left_aside_silently(base: Base, tmp_path: Path, out: Path) -> None:
    clip = _clip(tmp_path, {"vision_model.x": torch.ones(1)})
    with pytest.raises(BadInput, match="the checkpoint holds a vision tower of its own") as told:
        convert_checkpoint(base, str(write_original(base, tmp_path / "o")), out, tower=str(clip))
    assert told.value.hint == "leave --tower away"
    assert not out.exists()


class _Harmful:
    def __reduce__(self) -> Any:
        return (print, ("code was run",))


def test_a_tower_whose_file_would_run_code_is_refused(base: Base, tmp_path: Path, capsys: Any) -> None:
    tensors = original_tensors(base)
    rest = {name: one for name, one in tensors.items() if "vision_tower" not in name}
    source = write_original(base, tmp_path / "original", rest)
    clip = tmp_path / "clip"
    clip.mkdir()
    (clip / "config.json").write_text(json.dumps({"model_type": "clip_vision_model", **VISION}))
    torch.save({"vision_model.x": _Harmful()}, clip / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"pytorch_model.bin holds more than tensors, or is not whole"):
        convert_checkpoint(base, str(source), tmp_path / "out", tower=str(clip))
    assert "code was run" not in capsys.readouterr().out


def _clip(tmp_path: Path, tensors: Tensors) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": VISION}))
    save_file(tensors, folder / "model.safetensors")
    return folder
