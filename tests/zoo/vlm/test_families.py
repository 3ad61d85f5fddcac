"""Model families: what they load, how they read, and that transformers' own forward takes what they give."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from PIL import Image

from zoo.asking import Sampling
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
    vlm.end_of_turn = -1  # never said, so that no answer is short
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
