"""Model families: what they load, how they read, and that transformers' own forward takes what they give."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from zoo.asking import Sampling
from zoo.bases import Base
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.features import FeatureCache
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.score import ScoreRow, score
from zoo.vlm.store import TensorStore

Load = Callable[..., VisionLanguageModel]
Logits = Callable[..., torch.Tensor]
Pictures = Sequence[Image.Image]
IMAGE = 6


@torch.no_grad()
def test_padded_rows_score_as_transformers_scores_each_alone(
    kind: str, load_tiny: Load, pictures: Pictures, plain_logits: Logits
) -> None:
    vlm = load_tiny(kind)
    shown = ([0], [1, 2])
    rows = []
    for numbers, prompt, response in zip(shown, ("w1", "w2 w3 w4"), ([9, 10, 11], [12]), strict=True):
        features = vlm.encode_images([pictures[number] for number in numbers])
        rows.append(ScoreRow(features, vlm.prompt_ids(prompt, features), response))
    found, mask = score(vlm, rows)
    for row, numbers, logps, own in zip(rows, shown, found, mask, strict=True):
        ids = [*row.prompt_ids, *row.response_ids]
        plain = plain_logits(vlm, [pictures[number] for number in numbers], ids).log_softmax(dim=-1)
        expected = plain[:-1].gather(-1, torch.tensor(ids[1:])[:, None])[len(row.prompt_ids) - 1 :, 0]
        torch.testing.assert_close(logps[own], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_greedy_answers_are_transformers_own_likeliest_tokens(
    kind: str, load_tiny: Load, pictures: Pictures, plain_logits: Logits
) -> None:
    vlm = load_tiny(kind)
    vlm.ends = frozenset()  # never said, so that no answer is short
    shown = ([0], [1, 2], [2])
    rows = [
        Row(
            vlm.encode_images([pictures[number] for number in numbers]),
            prompt,
            sampling=Sampling(max_tokens=8),
        )
        for numbers, prompt in zip(shown, ("w1", "w2 w3 w4 w5 w6 w7", "w9 w10"), strict=True)
    ]
    answers = generate(vlm, rows)
    for row, numbers, answer in zip(rows, shown, answers, strict=True):
        ids = list(vlm.prompt_ids(row.prompt, row.features))
        start = len(ids)
        while len(ids) < start + 8:
            ids.append(int(plain_logits(vlm, [pictures[n] for n in numbers], ids)[-1].argmax()))
        assert answer.tokens == 8
        assert answer.text == vlm.tokenizer.decode(ids[start:], skip_special_tokens=True).strip()


def test_qwen_places_an_image_by_its_patches_and_text_after_its_longer_side(
    load_tiny: Load, pictures: Pictures
) -> None:
    vlm = load_tiny("qwen2.5-vl")
    features = vlm.encode_images([pictures[0]])
    (image,) = features.images
    assert (image.grid, len(image)) == ((1, 4, 6), 6)
    ids = vlm.prompt_ids("w50", features)
    assert ids == [1, 10, *[IMAGE] * 6, 11, 57, 3, 8, 9]
    assert vlm.family.positions(vlm.model, ids, features.images).tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 7, 8, 9],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 8, 9],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 8, 9],
    ]


def test_gemma_sees_each_image_both_ways_and_by_itself(load_tiny: Load, pictures: Pictures) -> None:
    vlm = load_tiny("gemma3")
    features = vlm.encode_images(pictures[:2])
    ids = vlm.prompt_ids("w50", features)
    image = [4, *[IMAGE] * 9, 5]
    assert ids == [1, *image, *image, 57, 3, 8, 9]
    assert vlm.family.two_way(vlm.model, ids, features.images) == ((2, 11), (13, 22))
    assert vlm.family.two_way(vlm.model, [1, 57, 3], ()) == ()


def test_gemma_ends_its_turn_with_the_turns_end_and_the_others_with_the_texts(load_tiny: Load) -> None:
    assert load_tiny("gemma3").end_of_turn == 3
    assert [load_tiny(kind).end_of_turn for kind in ("llava", "qwen2.5-vl", "qwen3-vl")] == [2, 2, 2]


def test_every_special_token_of_the_tokenizer_is_refused_in_a_question(
    kind: str, load_tiny: Load, pictures: Pictures
) -> None:
    vlm = load_tiny(kind)
    features = vlm.encode_images([pictures[0]])
    for marker in ("<bos>", "<end_of_turn>", "<start_of_image>", "<|image_pad|>"):
        with pytest.raises(BadInput, match="takes for a marker"):
            vlm.prompt_ids(f"w1 {marker} w2", features)


def test_images_seen_together_are_as_if_seen_alone(kind: str, load_tiny: Load, pictures: Pictures) -> None:
    vlm = load_tiny(kind)
    for together, picture in zip(vlm.encode_batch(pictures), pictures, strict=True):
        (alone,) = vlm.encode_batch([picture])
        assert together.grid == alone.grid
        assert (
            len(together.deepstack)
            == len(alone.deepstack)
            == {"qwen3-vl": 2, "qwen3-vl deep": 3}.get(kind, 0)
        )
        torch.testing.assert_close(
            (together.tokens, *together.deepstack), (alone.tokens, *alone.deepstack), atol=1e-5, rtol=1e-5
        )


@torch.no_grad()
def test_features_from_the_cache_hold_grid_and_deep_layers(load_tiny: Load, pictures: Pictures) -> None:
    vlm = load_tiny("qwen3-vl")
    cache = FeatureCache(vlm, TensorStore())
    images = {"a": lambda: pictures[0], "b": lambda: pictures[1]}
    made = cache.of(images)
    kept = cache.of(dict.fromkeys(images, lambda: pytest.fail("an image was opened again")))
    for digest, image in kept.items():
        assert image.grid == made[digest].grid == {"a": (1, 4, 6), "b": (1, 4, 2)}[digest]
        assert len(image.deepstack) == 2
        for one, other in zip(image.deepstack, made[digest].deepstack, strict=True):
            assert torch.equal(one, other)
    features = ImageFeatures((kept["a"],))
    row = ScoreRow(features, vlm.prompt_ids("w1", features), [9, 10])
    fresh = ScoreRow(vlm.encode_images([pictures[0]]), row.prompt_ids, row.response_ids)
    torch.testing.assert_close(score(vlm, [row])[0], score(vlm, [fresh])[0], atol=1e-5, rtol=1e-5)


def test_a_family_loads_in_the_precision_asked_for(kind: str, load_tiny: Load, pictures: Pictures) -> None:
    vlm = load_tiny(kind, dtype="bfloat16")
    assert {parameter.dtype for parameter in vlm.model.parameters()} == {torch.bfloat16}
    assert vlm.encode_batch(pictures)[0].tokens.dtype == torch.bfloat16


@pytest.mark.parametrize("family", ["llava", "gemma3"])
def test_a_model_of_another_family_is_refused(family: str, load_tiny: Load) -> None:
    base = replace(load_tiny("qwen3-vl").base, family=family)
    with pytest.raises(BadDeclaration, match=f"is of the type 'qwen3_vl'; this family reads {family}"):
        load_base(base)


def test_gemma_text_has_one_length(load_tiny: Load, pictures: Pictures) -> None:
    vlm = load_tiny("gemma3")
    (image,) = vlm.encode_batch(pictures[:1])
    shorter = ImageFeatures((type(image)(image.tokens[:8]),))
    with pytest.raises(BadDeclaration, match="8 features of an image; its text has 9"):
        vlm.prompt_ids("w1", shorter)


@pytest.fixture
def copied(load_tiny: Load, tmp_path: Path) -> Callable[[str], Base]:
    """Call it with a kind for a tiny base in a folder of its own, whose files may be changed."""

    def copy(kind: str) -> Base:
        base = load_tiny(kind).base
        assert base.folder is not None
        shutil.copytree(base.folder, tmp_path / "base")
        return replace(base, folder=tmp_path / "base")

    return copy


def _without_template(folder: Path) -> str:
    """Take the chat template out of a folder's files; what it was."""
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    assert not any("chat_template" in path.read_text() for path in folder.glob("*.json"))
    return template


@pytest.mark.parametrize("name", ["chat_template.json", "chat_template.jinja"])
def test_a_template_is_read_from_either_file(
    name: str, kind: str, copied: Callable[[str], Base], load_tiny: Load, pictures: Pictures
) -> None:
    base = copied(kind)
    assert base.folder is not None
    template = _without_template(base.folder)
    text = json.dumps({"chat_template": template}) if name.endswith("json") else template
    (base.folder / name).write_text(text)
    vlm, plain = load_base(base, device="cpu", dtype="float32"), load_tiny(kind)
    features = vlm.encode_images(pictures[:1])
    assert vlm.prompt_ids("w50", features) == plain.prompt_ids("w50", features)


def test_the_bases_own_template_goes_before_its_files_and_without_any_it_is_refused(
    kind: str, copied: Callable[[str], Base], pictures: Pictures
) -> None:
    base = copied(kind)
    assert base.folder is not None
    marker = "<start_of_image>" if kind.startswith("gemma3") else "<|image_pad|>"
    vlm = load_base(replace(base, template=f"w7 {marker} w8"), device="cpu", dtype="float32")
    ids = vlm.prompt_ids("w50", vlm.encode_images(pictures[:1]))
    assert (ids[0], ids[-1], 57 in ids) == (14, 15, False)
    _without_template(base.folder)
    with pytest.raises(BadDeclaration, match="base has no chat template, and tiny declares none"):
        load_base(base, device="cpu")


def test_a_tensor_that_its_model_does_not_have_is_refused(copied: Callable[[str], Base]) -> None:
    base = copied("qwen3-vl")
    assert base.folder is not None
    tensors = load_file(base.folder / "model.safetensors")
    tensors |= {f"model.language_model.layers.{n}.extra.weight": torch.ones(1) for n in (9, 8)}
    save_file(tensors, base.folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BadDeclaration, match=r"has model\.language_model\.layers\.8\.extra\.weight, .* one of 2$"
    ):
        load_base(base, device="cpu")


def test_weights_in_a_pickle_are_not_read(copied: Callable[[str], Base]) -> None:
    base = copied("llava")
    assert base.folder is not None
    torch.save(load_file(base.folder / "model.safetensors"), base.folder / "pytorch_model.bin")
    (base.folder / "model.safetensors").unlink()
    with pytest.raises(BadDeclaration, match="base has no weights in safetensors"):
        load_base(base, device="cpu")


def test_a_tokenizer_without_a_token_that_matters_or_with_the_image_elsewhere_is_refused(
    copied: Callable[[str], Base],
) -> None:
    base = copied("llava")
    assert base.folder is not None
    with pytest.raises(BadDeclaration, match="the tokenizer of tiny lacks the token"):
        load_base(replace(base, ends=("<eos>", "<|im_end|>")), device="cpu")
    with pytest.raises(BadDeclaration, match="the tokenizer of tiny lacks the token '<unk>'"):
        load_base(replace(base, tokens={"<unk>": 0}), device="cpu")
    config = json.loads((base.folder / "config.json").read_text())
    config["image_token_index"] = 9
    (base.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadDeclaration, match=r"has '<\|image_pad\|>' at 6, its config\.json at 9"):
        load_base(base, device="cpu")


def test_the_first_end_of_a_base_is_trained_on_and_all_of_them_end_an_answer(
    copied: Callable[[str], Base],
) -> None:
    vlm = load_base(replace(copied("llava"), ends=("<end_of_turn>", "<eos>")), device="cpu")
    assert (vlm.end_of_turn, vlm.ends, vlm.response_ids("w50")) == (3, {2, 3}, [57, 3])


@pytest.mark.parametrize("kind", ["qwen3-vl", "gemma3"])
def test_many_large_images_go_through_the_tower_a_few_at_a_time(
    kind: str, load_tiny: Load, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, sizes = load_tiny(kind), list[int]()
    encode = vlm.family.encode
    monkeypatch.setattr(
        vlm.family,
        "encode",
        lambda model, processor, some: sizes.append(len(some)) or encode(model, processor, some),
    )
    found = vlm.encode_batch([*pictures] * 6)
    assert (len(found), sizes) == (18, [8, 8, 2])
    torch.testing.assert_close(found[0].tokens, found[15].tokens, atol=1e-5, rtol=1e-5)
    assert vlm.encode_batch([]) == []
