"""Original checkpoints become ones that transformers reads: the same numbers, the same logits."""

import json
import multiprocessing
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file, save_file
from tqdm import tqdm
from transformers import AutoProcessor, AutoTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests._originals import (
    IMAGE_TOKENS,
    NAMES,
    VISION,
    original_tensors,
    reference_logits,
    tiny_base,
    write_original,
)
from zoo.bases import Base, get_base
from zoo.cli.convert import convert
from zoo.errors import BadInput
from zoo.hub_access import hub_api
from zoo.licences import redistributable
from zoo.vlm.checkpoint import check_checkpoint
from zoo.vlm.convert import checkpoint
from zoo.vlm.convert.checkpoint import convert_checkpoint
from zoo.vlm.convert.record import read_record
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.shards import sha256_of

QUESTION = "Is there the mass?"
SMALL = 20_000


@pytest.fixture(params=[*NAMES, "llava-med++"])
def base(request: pytest.FixtureRequest) -> Base:
    found: str = request.param
    return tiny_base(found)


@pytest.fixture
def source(base: Base, tmp_path: Path) -> Path:
    return write_original(base, tmp_path / "original")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _loaded(base: Base, folder: Path) -> VisionLanguageModel:
    return load_base(replace(base, folder=folder, revision="a" * 40), device="cpu", dtype="float32")


def _padded(picture: Image.Image) -> Image.Image:
    """As LLaVA's own code does: a square of the mean colour with the picture in its middle."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def test_logits_are_those_of_the_original_architecture(base: Base, source: Path, out: Path) -> None:
    convert_checkpoint(base, str(source), out, max_bytes=SMALL)
    vlm = _loaded(base, out)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (61, 90, 3), dtype=np.uint8))
    features = vlm.encode_images([picture])
    ids = vlm.prompt_ids(QUESTION, features)
    image = base.tokens["<image>"]
    start = ids.index(image)
    before, after = ids[:start], ids[start + IMAGE_TOKENS :]
    assert ids[start : start + IMAGE_TOKENS] == [image] * IMAGE_TOKENS
    assert image not in (*before, *after)

    side = 56 * base.scales
    plain = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pixels = plain(images=[_padded(picture)], return_tensors="pt")["pixel_values"]
    expected = reference_logits(base, source, pixels, before, after)
    given = torch.tensor([ids])
    with torch.no_grad():
        inputs = vlm.family.padded_inputs(vlm.model, given, torch.ones_like(given), features.images)
        found = vlm.model(**inputs).logits[0]

    torch.testing.assert_close(found[:, : expected.shape[1]], expected, atol=1e-4, rtol=1e-4)
    added = found[:, expected.shape[1] :]
    assert added.shape[1] == (1 if base.name == "llava-med-v1.5" else 0)
    assert not added.any()


def test_every_number_is_there_once_unchanged(base: Base, source: Path, out: Path) -> None:
    record = convert_checkpoint(base, str(source), out, max_bytes=SMALL)
    found: dict[str, torch.Tensor] = {}
    for shard in record.shards:
        assert (out / shard).stat().st_size < SMALL + 20_000
        found |= load_file(out / shard)
    assert len(record.shards) > 3
    tensors = original_tensors(base)
    assert len(found) == record.tensors == len(tensors)
    for name, tensor in tensors.items():
        new = found.pop(_converted(name))
        assert new.dtype == torch.bfloat16
        assert torch.equal(new[: len(tensor)], tensor), name
        assert len(new) - len(tensor) == (name in GROWING and base.name == "llava-med-v1.5")
        assert not new[len(tensor) :].any()
    assert not found


GROWING = ("model.embed_tokens.weight", "lm_head.weight")


def _converted(name: str) -> str:
    for old, new in (
        ("model.vision_tower.vision_tower.vision_model.", "vision_tower.vision_model."),
        ("model.mm_projector.0.", "multi_modal_projector.linear_1."),
        ("model.mm_projector.2.", "multi_modal_projector.linear_2."),
        ("model.", "language_model.model."),
        ("lm_head.", "language_model.lm_head."),
    ):
        if name.startswith(old):
            return new + name.removeprefix(old)
    raise AssertionError(name)


def test_what_was_converted_is_what_its_base_says(base: Base, source: Path, out: Path) -> None:
    convert_checkpoint(base, str(source), out, max_bytes=SMALL)
    faults = [fault for check in check_checkpoint(base, out) for fault in check.faults]
    assert faults == []
    config = json.loads((out / "config.json").read_bytes())
    text = base.config["text_config"]
    assert config["vision_config"] == VISION
    assert {key: config["text_config"][key] for key in text} == text
    assert json.loads((out / "generation_config.json").read_bytes()) == {
        "bos_token_id": text["bos_token_id"],
        "eos_token_id": [base.tokens[end] for end in base.ends],
        "pad_token_id": text["pad_token_id"],
    }
    processor = AutoProcessor.from_pretrained(out)
    assert (processor.patch_size, processor.vision_feature_select_strategy) == (14, "default")
    assert (processor.num_additional_image_tokens, processor.image_processor.do_pad) == (1, True)
    assert processor.chat_template == base.template


def test_the_tokenizer_gives_the_same_ids_after_it_was_saved_again(
    base: Base, source: Path, out: Path, tmp_path: Path
) -> None:
    convert_checkpoint(base, str(source), out)
    text = "[INST] <image>\nIs there the mass? [/INST]"
    first = AutoTokenizer.from_pretrained(out)
    said = json.loads((out / "tokenizer_config.json").read_bytes())
    assert said["tokenizer_class"] == "PreTrainedTokenizerFast"  # Llama's own loses the blank behind <image>
    first.save_pretrained(tmp_path / "again")
    second = AutoTokenizer.from_pretrained(tmp_path / "again")
    ids = first(text)["input_ids"]
    assert second(text)["input_ids"] == ids
    assert ids[0] == (1 if base.name == "llava-med-v1.5" else ids[0])
    after = ids[ids.index(base.tokens["<image>"]) + 1 :]
    blank = first.convert_tokens_to_ids("▁")
    assert (after[0] == blank) == (base.name == "llava-med-v1.5")


def _convert_until(base: Base, source: Path, out: Path, fatal: float) -> None:
    """In a process that kills itself after that part of the bytes, or behind all of them."""

    def kill(*about: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    class Kills(tqdm):  # type: ignore[type-arg]
        def update(self, n: float | None = 1) -> bool | None:
            return kill() if self.n > fatal * self.total else super().update(n)

    checkpoint.tqdm, checkpoint.write_settings = Kills, kill
    convert_checkpoint(base, str(source), out, max_bytes=SMALL)


@pytest.mark.parametrize(
    ("base", "fatal"),
    [("llava-med-v1.5", 0.1), ("huatuo-vision-7b", 0.5), ("llava-med-v1.5", 0.95), ("huatuo-vision-7b", 2)],
    indirect=["base"],
)
def test_a_run_that_was_killed_goes_on_to_the_same_folder(
    base: Base, source: Path, tmp_path: Path, fatal: float
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    child = multiprocessing.get_context("fork").Process(
        target=_convert_until, args=(base, source, stopped, fatal)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert stopped.exists() == (fatal > 0.4)  # the source is hashed first
    if stopped.exists():
        assert not (stopped / "config.json").exists()
        with pytest.raises(BadInput, match="is unfinished"):
            _loaded(base, stopped)
        with pytest.raises(BadInput, match="is unfinished"):
            check_checkpoint(base, stopped)
    for out in (whole, stopped):
        convert_checkpoint(base, str(source), out, max_bytes=SMALL)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_the_bar_ends_full(base: Base, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = []

    class Noted(tqdm):  # type: ignore[type-arg]
        def close(self) -> None:
            bars.append((self.desc, self.n, self.total))
            super().close()

    monkeypatch.setattr(checkpoint, "tqdm", Noted)
    convert_checkpoint(base, str(source), out, max_bytes=SMALL)
    read, written = (sum(path.stat().st_size for path in at.glob("*.safetensors")) for at in (source, out))
    total = read + 2 * written
    assert dict.fromkeys(bars) == {("out (read, write, check)", total, total): None}


def test_what_is_there_already_is_left_as_it_is(base: Base, source: Path, out: Path, capsys: Any) -> None:
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(BadInput, match="out is not empty"):
        convert_checkpoint(base, str(source), out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert capsys.readouterr().err == ""  # nothing was read before


@pytest.mark.parametrize("where", ["in place", "moved", "gone"])
def test_what_is_finished_is_said_to_be_and_of_what(
    base: Base, source: Path, out: Path, where: str, capsys: Any
) -> None:
    record = convert_checkpoint(base, str(source), out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    if where == "moved":
        source = source.rename(source.with_name("moved"))
    elif where == "gone":
        shutil.rmtree(source)
    lines: list[str] = []
    assert convert_checkpoint(base, str(source), out, max_bytes=SMALL, say=lines.append) == record
    said = f"{out} is finished already: {base.name}@{record.revision}, converted from {record.source}"
    assert lines == [said]
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_finished_folder_of_something_else_is_refused_by_what_it_holds(
    base: Base, source: Path, out: Path
) -> None:
    record = convert_checkpoint(base, str(source), out)
    holds = f"{out} holds a finished conversion of {source} to {base.name}@{record.revision}"
    other = write_original(base, out.with_name("other"), config={"rope_theta": 10000.0})
    for what, options in ((other, {}), (source, {"tower": str(source)})):
        with pytest.raises(BadInput) as refused:
            convert_checkpoint(base, str(what), out, **options)
        assert (refused.value.message, refused.value.hint) == (holds, "choose a new folder")
    (out / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="out was finished and is no longer whole: no weights"):
        convert_checkpoint(base, str(source), out)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"model_type": "llava"},
            r"model_type is 'llava'; the original .* is 'llava_\w+'\n  next: it is not to be .* --at FOLDER",
        ),
        ({"mm_hidden_size": 64}, "mm_hidden_size is 64, .*: the tower gives (32|96) numbers for a patch"),
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear'"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end is True"),
        ({"mm_vision_select_layer": -1}, "mm_vision_select_layer is -1"),
        ({"mm_vision_select_feature": "cls_patch"}, "mm_vision_select_feature is 'cls_patch'"),
        ({"mm_patch_merge_type": "spatial_unpad"}, "mm_patch_merge_type is 'spatial_unpad'"),
        ({"image_aspect_ratio": "anyres_max_9"}, "image_aspect_ratio is 'anyres_max_9'"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling is"),
        ({"vocab_size": 100}, r"the vocabulary has 100 rows, and <image> of .* is row \d+"),
    ],
)
def test_what_the_converted_model_would_not_do_is_refused_by_name(
    base: Base, tmp_path: Path, out: Path, said: dict[str, Any], message: str
) -> None:
    source = write_original(base, tmp_path / "original", config=said)
    with pytest.raises(BadInput, match=message):
        convert_checkpoint(base, str(source), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("llava-med-v1.5", {"s2": True}, "s2 is True, .*: its tower sees an image at several scales"),
        ("llava-med++", {"s2": None}, r"s2 is None, .*: the tower of .* sees an image at 3 scales"),
        ("llava-med++", {"s2_scales": "56,112"}, "s2_scales is '56,112', .* on the scales 56,112,168"),
    ],
)
def test_a_tower_is_converted_at_the_scales_of_its_base_alone(
    name: str, tmp_path: Path, out: Path, said: dict[str, Any], message: str
) -> None:
    source = write_original(tiny_base(name), tmp_path / "original", config=said)
    with pytest.raises(BadInput, match=message):
        convert_checkpoint(tiny_base(name), str(source), out)
    assert not out.exists()


def test_tables_that_follow_from_the_configuration_are_named_as_left_out(
    base: Base, tmp_path: Path, out: Path
) -> None:
    tensors = original_tensors(base)
    more = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(5),
        "model.vision_tower.vision_tower.vision_model.embeddings.position_ids": torch.arange(17),
    }
    source = write_original(base, tmp_path / "original", {**tensors, **more})
    record = convert_checkpoint(base, str(source), out)
    assert record.dropped == sorted(more)
    assert record.tensors == len(tensors)


def test_a_tokenizer_of_other_ids_is_refused(base: Base, source: Path, out: Path) -> None:
    token = base.ends[0]
    other = replace(base, tokens={**base.tokens, token: 7})
    with pytest.raises(BadInput, match=f"{re.escape(token)} is {base.tokens[token]}; .* has it as 7"):
        convert_checkpoint(other, str(source), out)


def test_published_digests_prove_the_commit_and_nothing_else_does(
    base: Base, source: Path, tmp_path: Path
) -> None:
    files = {path.name: sha256_of(path) for path in source.glob("*.safetensors")}
    proven = convert_checkpoint(replace(base, files=files), str(source), tmp_path / "a")
    assert (proven.proven, proven.revision) == (True, base.revision)

    other = convert_checkpoint(base, str(source), tmp_path / "b")
    assert not other.proven
    assert other.revision != base.revision
    assert re.fullmatch("[0-9a-f]{40}", other.revision)

    said = write_original(base, tmp_path / "said", config={"rope_theta": 10000.0})
    third = convert_checkpoint(replace(base, files=files), str(said), tmp_path / "c")
    assert not third.proven
    theta = base.config["text_config"]["rope_parameters"]["rope_theta"]
    assert third.differences == [f"text_config.rope_parameters.rope_theta is 10000.0, declared is {theta}"]
    assert len({proven.revision, other.revision, third.revision}) == 3


@pytest.mark.parametrize("kind", ["pickle", "safetensors"])
def test_a_checkpoint_without_a_tower_takes_the_one_that_is_named(
    base: Base, tmp_path: Path, out: Path, kind: str
) -> None:
    tensors = original_tensors(base)
    start = "model.vision_tower.vision_tower."
    tower = {name.removeprefix(start): one for name, one in tensors.items() if name.startswith(start)}
    rest = {name: one for name, one in tensors.items() if not name.startswith(start)}
    source = write_original(base, tmp_path / "original", rest)
    clip = tmp_path / "clip"
    clip.mkdir()
    (clip / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": VISION}))
    whole = {**tower, "text_model.final_layer_norm.bias": torch.ones(3)}
    if kind == "pickle":
        torch.save(whole, clip / "pytorch_model.bin")
    else:
        save_file(whole, clip / "model.safetensors")
    lines: list[str] = []
    record = convert_checkpoint(base, str(source), out, tower=str(clip), say=lines.append)
    assert lines == [f"the checkpoint holds no vision tower; it is taken from {clip}"]
    assert (record.tower, record.proven) == (str(clip), False)
    assert list(record.tower_files) == ["pytorch_model.bin" if kind == "pickle" else "model.safetensors"]
    found = load_file(out / "model.safetensors")
    for name, tensor in tensors.items():
        assert torch.equal(found[_converted(name)][: len(tensor)], tensor), name


def test_a_repo_is_brought_at_its_commit_which_the_hub_proves(
    base: Base, source: Path, out: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    api = hub_api(hub, None)
    api.create_repo(base.repo)
    within = "".join(base.subfolders[-1:])
    place = f"{base.repo}/{within}".rstrip("/")
    sha = api.upload_folder(repo_id=base.repo, folder_path=source, path_in_repo=within or None).oid
    lines: list[str] = []
    record = convert_checkpoint(replace(base, revision=sha), place, out, say=lines.append)
    one_of_several = bool(within)  # so the commit does not tell which
    assert (record.source, record.proven) == (f"{place}@{sha}", not one_of_several)
    assert (record.revision == sha) != one_of_several
    assert [line.partition(" GB ")[2].partition(" into ")[0] for line in lines] == [f"come from {hub}"]
    monkeypatch.setattr(checkpoint, "model_files", lambda said: pytest.fail("the Hub was asked"))
    for said in (place, f"{place}@{sha}"):  # once it is finished
        assert convert_checkpoint(replace(base, revision=sha), said, out) == record
    monkeypatch.undo()
    again = convert_checkpoint(base, str(source), out.with_name("local"))
    assert again.shards == record.shards


def test_the_card_says_whether_the_weights_may_be_passed_on(base: Base, source: Path, out: Path) -> None:
    convert_checkpoint(base, str(source), out)
    card = (out / "README.md").read_text()
    private = "These weights stay on this machine: that licence is not known to let them be passed on."
    assert (private in card) == (base.name != "huatuo-vision-7b")
    stated = ModelCard(card).data
    assert redistributable(stated.license_name) == (base.name == "huatuo-vision-7b")


def test_of_a_repo_with_several_copies_one_is_to_be_named(out: Path) -> None:
    base = tiny_base("llava-med++")
    with pytest.raises(BadInput, match=r"several copies of .*: PathVQA, SLAKE, VQA-RAD") as refused:
        convert_checkpoint(base, base.repo, out)
    assert refused.value.hint == f"choose one: {base.repo}/VQA-RAD"


def test_converting_makes_the_folder_the_base_until_it_is_forgotten(
    base: Base, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.bases.known_base", lambda name: base)
    arguments = [str(source), "--base", base.name, "--out", str(out)]
    result = CliRunner().invoke(convert, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    record = read_record(out)
    assert record is not None
    assert f"base      {base.name}@{record.revision}\n" in result.stdout
    assert f"  next: medzoo serve --base {base.name}\n" in result.stdout
    written = (out / "config.json").stat().st_mtime_ns
    again = CliRunner().invoke(convert, arguments, catch_exceptions=False)
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    assert f"{out} is finished already: {base.name}@{record.revision}, " in again.stderr
    assert (out / "config.json").stat().st_mtime_ns == written
    monkeypatch.undo()
    kept = get_base(base.name)
    assert (kept.folder, kept.revision) == (out.resolve(), record.revision)
