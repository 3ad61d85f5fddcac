"""The token ids that each base was taught with, from its real tokenizer and its own template.

LLaVA-Med's and Qwen's vocabularies come from packages. Gemma's no package carries: its test is skipped unless
a folder is given (`tests/_real_tokenizers.py`). What Huatuo's training put behind an answer is not published,
so only its prompts are held to its code.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Gemma3ImageProcessorPil, Gemma3Processor

from tests._real_tokenizers import QWEN2, QWEN2_VL, QWEN_PLAIN, given, llava_med, qwen
from zoo.asking import Turn, question
from zoo.bases import Base, known_base
from zoo.discovery import declared
from zoo.vlm import families
from zoo.vlm.conversation import conversation_text
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families import Family
from zoo.vlm.model import VisionLanguageModel

ONE = question("Is it normal?")
TALK = (*ONE, Turn("assistant", "No."), Turn("user", "Which side?"))


def ids(base: Base, tokenizer: Any, turns: Sequence[Turn], *images: int) -> list[int]:
    """Token ids of turns with images of so many tokens, up to where the answer begins."""
    family = declared(families.__name__, families.__path__, "FAMILY", Family)[base.family]
    processor: Any = SimpleNamespace(
        tokenizer=tokenizer,
        image_token="<image>",
        apply_chat_template=lambda said, **settings: tokenizer.apply_chat_template(
            said, chat_template=base.template, **settings
        ),
    )
    if base.family == "gemma3":
        processor = Gemma3Processor(
            image_processor=Gemma3ImageProcessorPil(),
            tokenizer=tokenizer,
            image_seq_length=256,
            chat_template=base.template,
        )
    features = [EncodedImage(torch.zeros(tokens, 1)) for tokens in images]
    text = conversation_text(family, processor, turns, features, base=base.name)
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def response(base: Base, tokenizer: Any, text: str) -> list[int]:
    """The ids of a response as the model's own method makes them."""
    vlm: Any = SimpleNamespace(
        base=base,
        tokenizer=tokenizer,
        end_of_turn=tokenizer.convert_tokens_to_ids(base.ends[0]),
        _refuse_markers=lambda what, text: None,
    )
    return VisionLanguageModel.response_ids(vlm, text)


def test_llava_meds_question_is_600_ids_in_the_order_of_its_own_code(tmp_path: Path) -> None:
    base, tokenizer = known_base("llava-med-v1.5"), llava_med(tmp_path)
    found = ids(base, tokenizer, question("Is there evidence of an aortic aneurysm?"), 576)
    asked = [28705, 13, 2301, 736, 5566, 302, 396, 264, 419, 294, 396, 7093, 846, 28719, 28804]
    assert found == [1, 733, 16289, 28793, 28705, *[32000] * 576, *asked, 733, 28748, 16289, 28793]
    assert len(found) == 600
    assert response(base, tokenizer, "No") == [1770, 28705, 2]


def test_llava_meds_next_question_follows_the_answer_in_the_form_of_training(tmp_path: Path) -> None:
    base, tokenizer = known_base("llava-med-v1.5"), llava_med(tmp_path)
    first = [1, 733, 16289, 28793, 28705, 32000, 28705, 13, 2301, 378, 4123, 28804, 733, 28748, 16289, 28793]
    answer = [1770, 28723, 28705, 2]
    assert ids(base, tokenizer, ONE, 1) == first
    assert response(base, tokenizer, "No.") == answer
    following = [733, 16289, 28793, 9595, 2081, 28804, 733, 28748, 16289, 28793]
    assert ids(base, tokenizer, TALK, 1) == [*first, *answer, *following]


@pytest.fixture(scope="module")
def qwen2() -> Any:
    """Of HuatuoGPT-Vision-7B: Qwen2's, with the image token on a row that it leaves free."""
    return qwen((*QWEN2, "<image>"))


@pytest.fixture(scope="module")
def qwen3() -> Any:
    """Of Qwen3-VL; Qwen2.5-VL's lacks the last four tokens."""
    return qwen(QWEN2_VL, QWEN_PLAIN)


@pytest.mark.slow
def test_huatuos_turns_are_plain_text_and_its_answers_end_with_the_texts_end(qwen2: Any) -> None:
    base = known_base("huatuo-vision-7b")
    assert {token: qwen2.convert_tokens_to_ids(token) for token in base.tokens} == base.tokens
    user, assistant = [27, 91, 872, 91, 397], [27, 91, 77091, 91, 397]
    image = [151646] * 576 + [198]
    asked = [3872, 432, 4622, 5267, *assistant]
    assert ids(base, qwen2, question("Is it normal?", images=2), 576, 576) == [*user, *image, *image, *asked]
    following = [2753, 13, 715, *user, 23085, 3108, 5267, *assistant]
    assert ids(base, qwen2, TALK, 576) == [*user, *image, *asked, *following]
    assert response(base, qwen2, "No.") == [2753, 13, 151643]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("qwen3-vl-4b", []),
        (
            "huatuo-vision-7b-qwen2.5vl",
            [151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198],
        ),
    ],
)
def test_qwens_turns_are_its_special_tokens_and_answers_end_with_the_turns_end(
    name: str, system: list[int], qwen3: Any
) -> None:
    base = known_base(name)
    assert {token: qwen3.convert_tokens_to_ids(token) for token in base.tokens} == base.tokens
    image = [151652, *[151655] * 5, 151653]
    user, assistant = [151644, 872, 198], [151644, 77091, 198]
    first = [*system, *user, *image, 3872, 432, 4622, 30, 151645, 198, *assistant]
    assert ids(base, qwen3, ONE, 5) == first
    assert response(base, qwen3, "No.") == [2753, 13, 151645]
    following = [198, *user, 23085, 3108, 30, 151645, 198, *assistant]
    assert ids(base, qwen3, TALK, 5) == [*first, 2753, 13, 151645, *following]
    several = ids(base, qwen3, question("Is it normal?", images=2), 5, 5)
    assert several == [*system, *user, *image, *image, *first[len(system) + len(user) + len(image) :]]


@pytest.mark.slow
def test_each_of_qwens_markers_is_one_token_and_so_refused(qwen3: Any) -> None:
    base = known_base("qwen3-vl-4b")
    steering = {str(token) for token in qwen3.added_tokens_decoder.values() if not token.special}
    assert steering == set(base.markers)


def test_gemmas_lines_and_images_are_the_ids_of_its_own_processor() -> None:
    base, tokenizer = known_base("medgemma-4b"), given("medgemma-4b")
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in base.tokens} == base.tokens
    image = [255999, *[262144] * 256, 256000]
    asked = tokenizer("Is it normal?", add_special_tokens=False)["input_ids"]
    end = [106, 107, 105, 4368, 107]
    assert ids(base, tokenizer, ONE, 256) == [2, 105, 2364, 109, *image, 108, *asked, *end]
    several = [2, 105, 2364, 109, *image, 110, *image, 108, *asked, *end]
    assert ids(base, tokenizer, question("Is it normal?", images=2), 256, 256) == several
    said = response(base, tokenizer, "No.")
    assert said[-1] == 106
    following = [107, 105, 2364, 107, *tokenizer("Which side?", add_special_tokens=False)["input_ids"], *end]
    first = ids(base, tokenizer, ONE, 256)
    assert ids(base, tokenizer, TALK, 256) == [*first, *said, *following]
