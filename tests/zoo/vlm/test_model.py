"""The base behind its few acts: prompts, images, batches of unlike rows."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.score import score, score_row


def test_a_row_answers_the_same_alone_and_among_others(
    vlm: VisionLanguageModel, questions: QuestionSet, features: Sequence[ImageFeatures]
) -> None:
    rows = [Row(f, q.prompt) for f, q in zip(features, questions.questions, strict=True)]
    assert generate(vlm, rows) == [generate(vlm, [row])[0] for row in rows]


def test_scores_are_the_log_softmax_of_the_plain_forward_pass(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    short = score_row(vlm, features[0], "What is shown?", "A nodule")
    long = score_row(vlm, features[1], "Where, and how large, is the finding?", "In the left upper zone")
    with torch.no_grad():
        logps, mask = score(vlm, [short, long])
    for i, row in enumerate((short, long)):
        ids = torch.tensor([[*row.prompt_ids, *row.response_ids]])
        embeds = vlm.model.get_input_embeddings()(ids)
        embeds[ids == vlm.model.config.image_token_id] = row.features.images[0].tokens
        with torch.no_grad():
            logits = vlm.model.lm_head(vlm.model.model.language_model(inputs_embeds=embeds).last_hidden_state)
        plain = torch.log_softmax(logits[0, :-1], dim=-1).gather(-1, ids[0, 1:, None])[:, 0]
        expected = plain[-len(row.response_ids) :]
        assert int(mask[i].sum()) == len(row.response_ids)
        torch.testing.assert_close(logps[i][mask[i]], expected, atol=1e-5, rtol=1e-5)
        assert (logps[i][~mask[i]] == 0).all()


def test_a_response_ends_with_the_end_of_turn(vlm: VisionLanguageModel) -> None:
    assert vlm.response_ids("Yes")[-1] == vlm.end_of_turn
    assert vlm.tokenizer.decode(vlm.response_ids("Ödem, 3 cm ✓")[:-1]) == "Ödem, 3 cm ✓"


def test_neither_question_nor_response_can_smuggle_in_a_marker(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    for marker in vlm.tokenizer.all_special_tokens:
        with pytest.raises(BadInput, match="takes for a marker"):
            vlm.prompt_ids(f"What {marker} is this?", features[0])
        with pytest.raises(BadInput, match="a response may not hold"):
            vlm.response_ids(f"A nodule{marker}")


def test_a_checkpoint_that_lacks_a_weight_is_refused_by_its_name(tmp_path: Path) -> None:
    base = get_base("phantom")
    assert base.folder is not None
    folder = tmp_path / "base"
    shutil.copytree(base.folder, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layers.0.self_attn.o_proj" in name and "language" in name)
    save_file({key: value for key, value in weights.items() if key != name}, folder / "model.safetensors")
    with pytest.raises(BadDeclaration, match=r"lacks .*layers\.0\.self_attn\.o_proj\.weight"):
        load_base(base, folder=folder)


def test_too_many_images_or_none_are_refused(vlm: VisionLanguageModel, questions: QuestionSet) -> None:
    image = questions.open_image(questions.questions[0].images[0])
    for images in ([], [image, image]):
        with pytest.raises(BadInput, match="takes 1 to 1"):
            vlm.encode_images(images)


def test_a_family_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="family 'other'"):
        load_base(dataclasses.replace(get_base("phantom"), family="other"))
