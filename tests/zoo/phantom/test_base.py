"""The phantom base as it comes with the package: small, byte-lossless, good but not perfect."""

import re

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.vlm.builders.phantom import is_right, measure

FOLDER = get_base("phantom").folder
TEXTS = [
    "Is there a nodule in the left lung?",
    "Größe 3,5 cm – siehe Bild\n\n\t(Röntgen)  ",
    "肺に結節がありますか？ 🫁🩻",
    "  leading, trailing  and   inner spaces ",
    "\x00\x01\x7f",
    "".join(map(chr, range(0x20, 0x500))),
]


@pytest.fixture(scope="module")
def model():
    return LlavaForConditionalGeneration.from_pretrained(FOLDER, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(FOLDER)


def test_the_folder_is_at_most_four_megabytes_in_half_precision_and_says_what_it_is():
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 4_000_000
    assert {"model.safetensors", "README.md", "config.json", "generation_config.json"} <= {
        p.name for p in files
    }
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "not a medical device" in card
    assert "toy" in card


def test_it_has_about_a_million_parameters(model):
    assert 0.8e6 < sum(p.numel() for p in model.parameters()) < 1.5e6


def test_it_loads_the_same_bit_for_bit_every_time(model):
    again = LlavaForConditionalGeneration.from_pretrained(FOLDER, dtype=torch.float32).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_its_language_model_has_every_layer_that_an_adapter_may_change(model):
    names = [name for name, _ in model.named_modules() if ".language_model." in name]
    for target in get_base("phantom").lora_targets:
        assert any(name.endswith(f".{target}") for name in names), target


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives_the_tokenizer_with_offsets(processor, text):
    encoded = processor.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert processor.tokenizer.decode(encoded.input_ids) == text
    offsets = encoded.offset_mapping
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert sorted({i for start, end in offsets for i in range(start, end)}) == list(range(len(text)))


def test_the_end_of_turn_ends_generation(model, processor):
    assert model.generation_config.eos_token_id == processor.tokenizer.eos_token_id
    assert processor.tokenizer.eos_token == "<end_of_turn>"


def test_the_chat_template_takes_content_lists_and_plain_text(processor):
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "CT"}]},
        {"role": "user", "content": "Sure?"},
    ]
    assert processor.apply_chat_template(turns, add_generation_prompt=True) == (
        "<s><user><image>What is this?<end_of_turn>"
        "<assistant>CT<end_of_turn><user>Sure?<end_of_turn><assistant>"
    )


@pytest.mark.parametrize(("mode", "size"), [("L", (128, 128)), ("RGB", (641, 333)), ("L", (20, 900))])
def test_a_picture_of_any_size_gives_as_many_features_as_the_prompt_has_image_tokens(
    model, processor, mode, size
):
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Report this study."}]}]
    text = processor.apply_chat_template(turn, add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.new(mode, size)], return_tensors="pt")
    assert int((inputs["input_ids"] == processor.image_token_id).sum()) == 64
    assert len(model.generate(**inputs, max_new_tokens=2)[0]) > inputs["input_ids"].shape[1]


def test_it_is_good_but_not_perfect_on_held_out_questions():
    asked = load_questions("phantom", "test", limit=480)
    accuracy = measure(FOLDER, asked)
    assert 0.45 <= accuracy["all"] <= 0.75, accuracy
    assert all(accuracy[kind] < 0.90 for kind in ("side", "zone", "kind")), accuracy
    for kind, chance in guessing(asked).items():
        assert accuracy[kind] > chance, (kind, accuracy)


def guessing(asked):
    """Accuracy without the picture: any one of the options, or the commonest open answer."""
    chance = {}
    for kind in sorted({q.question_type for q in asked.questions}):
        questions = [q for q in asked.questions if q.question_type == kind]
        opened = [q.answer for q in questions if not q.options]
        commonest = max((opened.count(answer) for answer in set(opened)), default=0)
        chance[kind] = (sum(1 / len(q.options) for q in questions if q.options) + commonest) / len(questions)
    return chance


def test_an_answer_is_right_whatever_its_case_and_a_report_must_name_every_fact():
    questions = load_questions("phantom", "test", limit=80).questions
    question = next(q for q in questions if q.answer == "Yes")
    assert is_right(question, "yes.")
    assert not is_right(question, "no")
    told = next(q for q in questions if q.answer_type == "report" and "There is" in q.answer)
    assert is_right(told, told.answer.upper())
    assert not is_right(told, re.sub(r"left|right", "", told.answer))
