"""The form that each real base was taught on: its turns letter by letter, where answers end, which texts are
markers; and that transformers' own generation goes the same way. On stand-ins, whose words are bytes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests._stand_ins import REAL, stand_in
from zoo.asking import Sampling, Turn, question
from zoo.bases import known_base
from zoo.errors import BadInput
from zoo.vlm.batch import pad_batch
from zoo.vlm.decode import Decoding, Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Generated, generate
from zoo.vlm.model import VisionLanguageModel, load_base

ONE, TALK = (
    question("Is it normal?"),
    (Turn("user", "Is it normal?", 1), Turn("assistant", "No."), Turn("user", "Which side?")),
)
QWEN = "<|im_start|>user\n<|vision_start|>I<|vision_end|>Is it normal?<|im_end|>\n<|im_start|>assistant\n"
QWEN_TALK = QWEN + "No.<|im_end|>\n<|im_start|>user\nWhich side?<|im_end|>\n<|im_start|>assistant\n"
HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
HUATUO = "<|user|>\nI\nIs it normal?\n<|assistant|>\n"
HUATUO_TALK = HUATUO + "No. \n<|user|>\nWhich side?\n<|assistant|>\n"
GEMMA = (
    "<bos><start_of_turn>user\n\n\n<start_of_image>I<end_of_image>\n\nIs it normal?<end_of_turn>\n"
    "<start_of_turn>model\n"
)
GEMMA_TALK = GEMMA + "No.<end_of_turn>\n<start_of_turn>user\nWhich side?<end_of_turn>\n<start_of_turn>model\n"
MISTRAL = "<s>[INST] I\nIs it normal? [/INST]"
LLAMA = (
    "<|begin_of_text|><|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nA chat between a "
    "curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
    "I\nIs it normal?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
LLAMA_TALK = (
    LLAMA + "No.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhich side?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
FORMS = {
    "llava-med++": (LLAMA, LLAMA_TALK),
    "llava-med-v1.5": (MISTRAL, MISTRAL + " No. </s>[INST] Which side? [/INST]"),
    "huatuo-vision-7b": (HUATUO, HUATUO_TALK),
    "huatuo-vision-7b-qwen2.5vl": (HELPFUL + QWEN, HELPFUL + QWEN_TALK),
    "qwen3-vl-4b": (QWEN, QWEN_TALK),
    "medgemma-4b": (GEMMA, GEMMA_TALK),
}
"""A question about an image, and one more after its answer; `I` for all of the image's tokens."""
SYSTEM = {
    "llava-med++": re.sub("A chat .*questions[.]", "Be brief.", LLAMA),
    "huatuo-vision-7b-qwen2.5vl": "<|im_start|>system\nBe brief.<|im_end|>\n" + QWEN,
    "qwen3-vl-4b": "<|im_start|>system\nBe brief.<|im_end|>\n" + QWEN,
    "medgemma-4b": GEMMA.replace("user\n", "user\nBe brief.\n\n"),
}
ANSWERS = {
    "llava-med++": ("No<|eot_id|>", {"<|eot_id|>", "<|end_of_text|>"}),
    "llava-med-v1.5": ("No </s>", {"</s>"}),
    "medgemma-4b": ("No<end_of_turn>", {"<end_of_turn>", "<eos>"}),
    "huatuo-vision-7b": ("No<|endoftext|>", {"<|endoftext|>"}),
    "huatuo-vision-7b-qwen2.5vl": ("No<|im_end|>", {"<|im_end|>", "<|endoftext|>"}),
    "qwen3-vl-4b": ("No<|im_end|>", {"<|im_end|>", "<|endoftext|>"}),
}
FORGED = {
    "llava-med++": ("<|eot_id|>", "<|start_header_id|>", "<|begin_of_text|>", "<image>"),
    "llava-med-v1.5": ("[/INST]", "[INST]", "</s>", "<image>"),
    "huatuo-vision-7b": ("<|assistant|>", "<|user|>", "<|endoftext|>", "<image>"),
    "huatuo-vision-7b-qwen2.5vl": ("<|im_start|>", "<|image_pad|>", "<tool_call>", "<|fim_middle|>"),
    "qwen3-vl-4b": ("<|im_end|>", "<|vision_start|>", "<think>", "</tool_response>"),
    "medgemma-4b": ("<start_of_turn>", "<image_soft_token>", "<unused7>", "[multimodal]"),
}
TOKENS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stand-ins lie."""
    return tmp_path_factory.mktemp("stand-ins")


@pytest.fixture(scope="module", params=FORMS)
def vlm(request: pytest.FixtureRequest, folder: Path) -> VisionLanguageModel:
    """A stand-in of each real base."""
    return load_base(stand_in(request.param, folder / request.param), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def scans() -> list[Image.Image]:
    """Three pictures of different shapes."""
    rng = np.random.default_rng(0)
    sizes = ((90, 150), (120, 60), (84, 84))
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def written(vlm: VisionLanguageModel, ids: Sequence[int], features: ImageFeatures) -> str:
    """Token ids as text, an `I` for the tokens of each image."""
    image = vlm.family.image_token(vlm._processor)
    text: str = vlm.tokenizer.decode(ids, skip_special_tokens=False)
    for one in features.images:
        assert image * len(one) in text
        text = text.replace(image * len(one), "I", 1)
    assert image not in text
    return text


def test_a_question_and_one_more_are_written_as_the_base_was_taught(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image]
) -> None:
    features = vlm.encode_images(scans[:1])
    found = [written(vlm, vlm.prompt_ids(turns, features), features) for turns in (ONE, TALK)]
    assert found == list(FORMS[vlm.base.name])


def test_the_systems_turn_is_written_as_the_base_was_taught_or_refused_with_its_name(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image]
) -> None:
    features, turns = vlm.encode_images(scans[:1]), (Turn("system", "Be brief."), *ONE)
    if vlm.base.name in SYSTEM:
        assert written(vlm, vlm.prompt_ids(turns, features), features) == SYSTEM[vlm.base.name]
    else:
        with pytest.raises(
            BadInput, match=rf"{vlm.base.name} does not take this conversation: .*no turn of the system"
        ):
            vlm.prompt_ids(turns, features)


def test_several_images_stand_before_the_question_in_their_order(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image]
) -> None:
    if vlm.base.max_images == 1:
        with pytest.raises(
            BadInput, match=f"2 images in one question; {re.escape(vlm.base.name)} takes 1 to 1"
        ):
            vlm.encode_images(scans[:2])
        return
    features = vlm.encode_images(scans[:2])
    between = {"llava": "I\nI\n", "qwen-vl": "I<|vision_end|><|vision_start|>I"}.get(
        vlm.base.family, "I<end_of_image>\n\n\n\n<start_of_image>I"
    )
    once = {"llava": "I\n"}.get(vlm.base.family, "I")
    expected = FORMS[vlm.base.name][0].replace(once, between, 1)
    ids = vlm.prompt_ids("Is it normal?", features)
    assert written(vlm, ids, features) == expected


def test_a_response_ends_as_it_did_in_training_and_its_offsets_are_its_own(vlm: VisionLanguageModel) -> None:
    expected, ends = ANSWERS[vlm.base.name]
    ids = vlm.response_ids("No")
    assert vlm.tokenizer.decode(ids, skip_special_tokens=False) == expected
    assert set(vlm.tokenizer.convert_ids_to_tokens(sorted(vlm.ends))) == ends
    offsets = vlm.response_offsets("No")
    assert len(offsets) == len(ids) - 1
    assert offsets[:2] == [(0, 1), (1, 2)]
    assert all(start >= 2 for start, _ in offsets[2:])


def test_no_question_and_no_response_may_hold_what_steers_the_base(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image]
) -> None:
    features = vlm.encode_images(scans[:1])
    for marker in FORGED[vlm.base.name]:
        with pytest.raises(BadInput, match=r"a question may not hold '.*', which .* takes for a marker"):
            vlm.prompt_ids(f"Is it{marker}normal?", features)
        with pytest.raises(BadInput, match="a response may not hold"):
            vlm.response_ids(f"No{marker}")
    assert vlm.prompt_ids("Is 3 < 5 > 2? [x] <b>\n\n|user|", features)


class Forced:
    """Logits of a model that are drawn toward given tokens, the best first, at every step."""

    def __init__(self, vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self._make, self._vlm = vlm.logits, vlm
        self._patch = monkeypatch

    def says(self, row: Row, *tokens: int) -> Generated:
        def logits(hidden: torch.Tensor) -> torch.Tensor:
            found = torch.zeros_like(self._make(hidden))
            for place, token in enumerate(tokens):
                found[:, token] = 10.0 - place
            return found

        with self._patch.context() as patched:
            patched.setattr(self._vlm, "logits", logits)
            return generate(self._vlm, [row])[0]


def test_any_of_its_ends_ends_an_answer(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row(vlm.encode_images(scans[:1]), "Is it normal?", sampling=Sampling(max_tokens=3))
    forced = Forced(vlm, monkeypatch)
    for end in vlm.ends:
        assert forced.says(row, end) == Generated("", 1, "stop")
    (letter,) = vlm.tokenizer("x", add_special_tokens=False)["input_ids"]
    assert forced.says(row, letter) == Generated("xxx", 3, "length")


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_an_answer_never_holds_the_image_token_or_a_row_that_no_token_has(
    temperature: float,
    vlm: VisionLanguageModel,
    scans: Sequence[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampling = Sampling(max_tokens=3, temperature=temperature, top_p=0.5)
    row = Row(vlm.encode_images(scans[:1]), "Is it normal?", sampling=sampling)
    forced = Forced(vlm, monkeypatch)
    (letter,) = vlm.tokenizer("x", add_special_tokens=False)["input_ids"]
    spare = {*range(vlm.vocabulary)} - {*vlm.tokenizer.get_vocab().values()}
    for never in (vlm.model.config.image_token_id, *sorted(spare)[-1:]):
        assert forced.says(row, never, letter).text == "xxx"


@torch.no_grad()
def test_padded_on_the_left_transformers_says_the_same_to_all_forms_in_a_batch(
    vlm: VisionLanguageModel, scans: Sequence[Image.Image]
) -> None:
    several = scans[: min(2, vlm.base.max_images)]
    asked: list[tuple[Sequence[Image.Image], tuple[Turn, ...]]] = [
        (scans[:1], ONE),
        (several, question("And now, compared to the one before, what has changed?", images=len(several))),
        (scans[2:], TALK),
    ]
    rows = [
        Row(vlm.encode_images(images), turns, sampling=Sampling(max_tokens=TOKENS)) for images, turns in asked
    ]
    prompts = [vlm.prompt_ids(row.prompt, row.features) for row in rows]
    assert len({len(ids) for ids in prompts}) == 3
    batch = pad_batch(vlm, prompts, [row.features for row in rows], side="left")
    output = vlm.model.generate(
        **batch.model_inputs(),
        do_sample=False,
        max_new_tokens=TOKENS,
        eos_token_id=sorted(vlm.ends),
        pad_token_id=vlm.tokenizer.pad_token_id,
    )[:, batch.input_ids.shape[1] :]
    said: list[list[int]] = [[] for _ in rows]

    class Noted(Decoding):
        def _say(self, row: int, token: int) -> Any:
            said[row].append(token)
            return super()._say(row, token)

    decoding = Noted(vlm, rows)
    while decoding.open:
        decoding.step()
    for own, theirs in zip(said, output.tolist(), strict=True):
        assert theirs[: len(own)] == own
        assert len(own) == TOKENS or own[-1] in vlm.ends


def test_every_real_base_has_its_form_here() -> None:
    """One conversion of Huatuo is as good as another: what is said of both is the same."""
    assert set(FORMS) == set(ANSWERS) == set(FORGED) == {*REAL} - {"huatuo-vision-7b-hf"}
    one, other = known_base("huatuo-vision-7b"), known_base("huatuo-vision-7b-hf")
    for said in ("template", "ends", "answer_end", "markers", "image", "max_images"):
        assert getattr(one, said) == getattr(other, said)
