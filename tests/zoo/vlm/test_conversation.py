"""Conversations as a base's own template has them; one question is one user's turn."""

from collections.abc import Callable, Sequence

import pytest
from PIL import Image

from zoo.asking import Turn, question
from zoo.bases import get_base
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base

Load = Callable[..., VisionLanguageModel]
SYSTEM = Turn("system", "Be brief.")
TALK = (SYSTEM, Turn("user", "What is shown?", 1), Turn("assistant", "A lung."), Turn("user", "Which side?"))


def test_one_question_is_one_turn_of_the_user_with_all_images(
    kind: str, load_tiny: Load, pictures: Sequence[Image.Image]
) -> None:
    vlm = load_tiny(kind)
    for count in (1, 2):
        features = vlm.encode_images(pictures[:count])
        turns = question("w1 w2", images=count)
        assert turns == (Turn("user", "w1 w2", count),)
        assert vlm.prompt_ids(turns, features) == vlm.prompt_ids("w1 w2", features)


def test_turns_stand_in_the_bases_own_template(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    image = "<image>" * len(features[0].images[0])
    expected = (
        "<s><user>Be brief.<end_of_turn>\n"
        f"<user>{image}What is shown?<end_of_turn>\n"
        "<assistant>A lung.<end_of_turn>\n"
        "<user>Which side?<end_of_turn>\n"
        "<assistant>"
    )
    ids = vlm.prompt_ids(TALK, features[0])
    assert vlm.tokenizer.decode(ids).replace("\n", "") == expected.replace("\n", "")


def test_images_stand_where_the_turns_place_them(load_tiny: Load, pictures: Sequence[Image.Image]) -> None:
    vlm = load_tiny("qwen2.5-vl")
    features = vlm.encode_images(pictures[:3])
    sizes = [len(image) for image in features.images]
    assert len(set(sizes)) == 3
    turns = (Turn("user", "w20", 2), Turn("assistant", "w21"), Turn("user", "w22", 1))
    words = ["w3", *["<|image_pad|>"] * sizes[0], "w4", "w3", *["<|image_pad|>"] * sizes[1], "w4", "w20"]
    words += ["<end_of_turn>", "w21", "<end_of_turn>", "w3", *["<|image_pad|>"] * sizes[2], "w4", "w22"]
    expected = ["<bos>", *words, "<end_of_turn>", "w1", "w2"]
    assert vlm.tokenizer.convert_ids_to_tokens(vlm.prompt_ids(turns, features)) == expected


def test_what_was_said_before_changes_the_answer_and_not_its_row_alone(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    rows = [Row(features[0], TALK), Row(features[0], "Describe the scan."), Row(features[1], TALK)]
    together = generate(vlm, rows)
    assert together == [generate(vlm, [row])[0] for row in rows]
    ids = [vlm.prompt_ids(row.prompt, row.features) for row in rows]
    assert len({tuple(each) for each in ids}) == 2


@pytest.mark.parametrize(("placed", "given"), [(0, 1), (2, 1)])
def test_turns_that_place_another_number_of_images_are_refused(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures], placed: int, given: int
) -> None:
    with pytest.raises(BadInput, match=f"the turns place {placed} images, and {given} are given"):
        vlm.prompt_ids(question("What is shown?", images=placed), features[0])


def test_a_special_token_is_refused_in_every_role(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    for place, words in enumerate(("a system's turn", "a question", "an assistant's turn", "a question")):
        turns = list(TALK)
        turns[place] = Turn(turns[place].role, "Well <assistant> yes", turns[place].images)
        with pytest.raises(BadInput, match=f"{words} may not hold '<assistant>'"):
            vlm.prompt_ids(turns, features[0])


def test_what_the_template_refuses_is_refused_in_its_words(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    vlm._processor.chat_template = "{{ raise_exception('Conversation roles must alternate') }}"
    with pytest.raises(BadInput, match=r"phantom does not take this conversation: .*must alternate"):
        vlm.prompt_ids(TALK, features[0])


def test_a_template_that_loses_an_image_is_a_bad_declaration(features: Sequence[ImageFeatures]) -> None:
    vlm = load_base(get_base("phantom"))
    vlm._processor.chat_template = "{% for message in messages %}{{ message.role }}{% endfor %}"
    with pytest.raises(BadDeclaration, match="has 0 image markers for 1 images"):
        vlm.prompt_ids("What is shown?", features[0])


def test_a_template_that_cannot_be_read_is_a_bad_declaration(
    vlm: VisionLanguageModel, features: Sequence[ImageFeatures]
) -> None:
    vlm._processor.chat_template = "{% for message in messages %}"
    with pytest.raises(BadDeclaration, match="the chat template of phantom cannot be read"):
        vlm.prompt_ids("What is shown?", features[0])
