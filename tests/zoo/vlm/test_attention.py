"""Attention maps: what a plain forward pass with eager attention gives, and a model left as it was."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.asking import question
from zoo.datasets import QuestionSet
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.attention import attention_map, image_attention, token_grid
from zoo.vlm.batch import pad_batch
from zoo.vlm.decode import Row
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel

PROMPT = "On which side is the nodule?"


def by_hand(vlm: VisionLanguageModel, features: ImageFeatures, layers: Sequence[int]) -> np.ndarray:
    """One forward pass over the whole prompt with eager attention from beginning to end."""
    ids = torch.tensor([vlm.prompt_ids(PROMPT, features)])
    is_image = ids[0] == vlm.model.config.image_token_id
    embeds = vlm.model.get_input_embeddings()(ids)
    embeds[0, is_image] = features.images[0].tokens
    vlm.model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = vlm.model.model.language_model(inputs_embeds=embeds, output_attentions=True).attentions
    vlm.model.set_attn_implementation("sdpa")
    heat = torch.stack([weights[i][0, :, -1, is_image].mean(0) for i in layers]).mean(0).reshape(8, 8)
    return (heat / heat.max()).numpy()


@pytest.mark.parametrize("layers", [None, [1], [0, 2]])
def test_the_map_is_that_of_a_plain_forward_pass_with_eager_attention(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures], layers: list[int] | None
) -> None:
    for image in features[:4]:
        heat = attention_map(vlm, image, PROMPT, layers=layers)
        assert heat.dtype == np.float32
        assert heat.max() == 1.0
        np.testing.assert_allclose(heat, by_hand(vlm, image, layers or [0, 1, 2]), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "shape"), [("llava", (2, 2)), ("qwen2.5-vl", (2, 3)), ("qwen3-vl", (2, 3)), ("gemma3", (3, 3))]
)
def test_in_every_family_the_map_is_that_of_a_plain_forward_pass(
    kind: str,
    shape: tuple[int, int],
    load_tiny: Callable[..., VisionLanguageModel],
    pictures: list[Image.Image],
) -> None:
    """An oblong picture; the whole model's own forward pass with eager attention, from its features."""
    vlm = load_tiny(kind)
    image = vlm.encode_images(pictures[:1])
    heat = attention_map(vlm, image, "w5 w6", layers=[1])
    ids = vlm.prompt_ids("w5 w6", image)
    batch = pad_batch(vlm, [ids], [image], side="left")
    vlm.model.model.language_model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = vlm.model.model(**batch.model_inputs(), use_cache=False, output_attentions=True).attentions
    is_image = torch.tensor(ids) == vlm.model.config.image_token_id
    expected = weights[1][0, :, -1, is_image].mean(0)
    assert heat.shape == shape
    np.testing.assert_allclose(heat.flatten(), (expected / expected.max()).numpy(), atol=1e-4)


def test_a_layer_that_does_not_see_the_image_is_refused(
    load_tiny: Callable[..., VisionLanguageModel], pictures: list[Image.Image]
) -> None:
    vlm = load_tiny("gemma3 narrow")
    with pytest.raises(BadDeclaration, match=r"layer \d of tiny sees \d+ of \d+ tokens back"):
        attention_map(vlm, vlm.encode_images(pictures[:1]), "w5 w6")


def test_another_image_and_another_question_give_another_map(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    first = attention_map(vlm, features[0], PROMPT)
    assert not np.allclose(first, attention_map(vlm, features[5], PROMPT), atol=1e-3)
    assert not np.allclose(first, attention_map(vlm, features[0], "What modality is this?"), atol=1e-3)


def test_the_model_keeps_its_own_attention_and_answers_as_before(
    vlm: VisionLanguageModel, questions: QuestionSet, features: Sequence[ImageFeatures]
) -> None:
    rows = [Row(f, q.prompt) for f, q in zip(features[:4], questions.questions, strict=False)]
    before = generate(vlm, rows)
    usual = vlm.model.model.language_model.config._attn_implementation
    attention_map(vlm, features[0], PROMPT)
    assert vlm.model.model.language_model.config._attn_implementation == usual
    assert generate(vlm, rows) == before
    with pytest.raises(BadInput, match=r"layers \[3\]: phantom has layers 0 to 2"):
        attention_map(vlm, features[0], PROMPT, layers=[3])
    with pytest.raises(BadInput, match="slot 2 is asked for and no adapter bank"):
        attention_map(vlm, features[0], PROMPT, slot=2)
    assert vlm.model.model.language_model.config._attn_implementation == usual


def test_tokens_that_are_no_square_are_refused(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    cut = dataclasses.replace(features[0], images=(EncodedImage(features[0].images[0].tokens[:60]),))
    with pytest.raises(BadDeclaration, match="60 tokens of an image, which is no square grid"):
        attention_map(vlm, cut, PROMPT)


@pytest.mark.parametrize("kind", ["llava", "qwen2.5-vl", "qwen3-vl", "gemma3"])
def test_of_several_images_each_has_its_part_of_a_plain_forward_pass(
    kind: str, load_tiny: Callable[..., VisionLanguageModel], pictures: list[Image.Image]
) -> None:
    vlm = load_tiny(kind)
    images = vlm.encode_images(pictures[:2])
    found = image_attention(vlm, images, question("w5 w6", images=2), layers=[1])
    ids = vlm.prompt_ids(question("w5 w6", images=2), images)
    batch = pad_batch(vlm, [ids], [images], side="left")
    vlm.model.model.language_model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = vlm.model.model(**batch.model_inputs(), use_cache=False, output_attentions=True).attentions
    is_image = torch.tensor(ids) == vlm.model.config.image_token_id
    expected = weights[1][0, :, -1, is_image].mean(0)
    assert [one.shape for one in found] == [(1, 1, *token_grid(vlm, image)) for image in images.images]
    np.testing.assert_allclose(np.concatenate([one.ravel() for one in found]), expected, atol=1e-5)
