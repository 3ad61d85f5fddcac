"""The promise of a comparison: whatever mix of adapters a batch holds, each says to the token what it says
alone through plain PEFT and transformers' own generation."""

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from tests._adapters import random_adapter
from zoo.asking import Piece, Sampling
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Decoding, Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Quantization

TUNED = ("sft", "text_hallu", "mdpo")
DRAWN = 5
ADAPTERS = len(TUNED) + DRAWN
QUESTIONS = 6
TOKENS = 10

Answers = dict[tuple[int, int], list[int]]
"""By slot and question, the tokens of an answer."""


class Tokens(Decoding):
    """Answers whose tokens are noted."""

    def __init__(self, vlm: VisionLanguageModel, rows: Sequence[Row]) -> None:
        super().__init__(vlm, rows)
        self.said: list[list[int]] = [[] for _ in rows]

    def _say(self, row: int, token: int) -> Piece | None:
        self.said[row].append(token)
        return super()._say(row, token)


@pytest.fixture(scope="module")
def folders(tune: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Adapters that were tuned, and random ones of several ranks that say much else."""
    made, bare = tmp_path_factory.mktemp("drawn"), load_base(get_base("phantom"))
    drawn = [made / str(number) for number in range(DRAWN)]
    for number, folder in enumerate(drawn):
        random_adapter(folder, bare, seed=number, rank=2 + 3 * number, spread=0.2, use_rslora=number == 2)
    return [*map(tune, TUNED), *drawn]


@pytest.fixture(scope="module")
def asked() -> QuestionSet:
    return load_questions("phantom", "test", limit=QUESTIONS)


def encode(vlm: VisionLanguageModel, asked: QuestionSet) -> list[ImageFeatures]:
    return [vlm.encode_images([asked.open_image(q.images[0])]) for q in asked.questions]


def banked(folders: Sequence[Path], **settings: Any) -> VisionLanguageModel:
    """The base with every adapter in its slot, from 1 on."""
    vlm = load_base(get_base("phantom"), **settings)
    bank = AdapterBank(vlm, slots=len(folders) + 1, max_rank=16)
    for slot, folder in enumerate(folders, start=1):
        bank.load(slot, folder, read_manifest(folder))
    return vlm


@torch.no_grad()
def alone(folder: Path | None, asked: QuestionSet) -> list[list[int]]:
    """The answers of an adapter, or of the base, as PEFT and transformers give them, one at a time."""
    vlm = load_base(get_base("phantom"))
    model: Any = vlm.model if folder is None else PeftModel.from_pretrained(vlm.model, str(folder))
    found = []
    for question, features in zip(asked.questions, encode(vlm, asked), strict=True):
        ids = torch.tensor([vlm.prompt_ids(question.prompt, features)])
        pixels = vlm.image_processor(images=asked.open_image(question.images[0]), return_tensors="pt")
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels["pixel_values"],
            do_sample=False,
            max_new_tokens=TOKENS,
            eos_token_id=vlm.end_of_turn,
            pad_token_id=vlm.tokenizer.pad_token_id,
        )
        found.append(output[0, ids.shape[1] :].tolist())
    return found


def check(
    vlm: VisionLanguageModel,
    asked: QuestionSet,
    features: Sequence[ImageFeatures],
    expected: Answers,
    mixes: Sequence[Sequence[int]],
    *,
    at_once: int = 1,
) -> None:
    """Every mix of slots, put one question, or a question each, says what is expected; so many in a batch."""
    wanted = [
        [(slot, (number + (place if number % 2 else 0)) % QUESTIONS) for place, slot in enumerate(mix)]
        for number, mix in enumerate(mixes)
    ]
    for start in range(0, len(wanted), at_once):
        batch = [one for mix in wanted[start : start + at_once] for one in mix]
        rows = [
            Row(features[n], asked.questions[n].prompt, slot, Sampling(max_tokens=TOKENS))
            for slot, n in batch
        ]
        decoding = Tokens(vlm, rows)
        while decoding.open:
            decoding.step()
        assert decoding.said == [expected[one] for one in batch], batch


@pytest.fixture(scope="module")
def expected(folders: list[Path], asked: QuestionSet) -> Answers:
    found = {
        (slot, number): tokens
        for slot, folder in enumerate([None, *folders])
        for number, tokens in enumerate(alone(folder, asked))
    }
    different = {tuple(found[slot, 0]) for slot in range(ADAPTERS + 1)}
    assert len(different) >= ADAPTERS - 2, "many say the same"
    return found


@pytest.mark.parametrize("at_once", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_every_mix_of_adapters_says_what_each_says_alone_in_peft(
    at_once: int, folders: list[Path], asked: QuestionSet, expected: Answers
) -> None:
    """Each mix in a batch of its own, and several beside each other in a larger one."""
    vlm = banked(folders)
    mixes = [mix for size in range(1, 9) for mix in combinations(range(ADAPTERS + 1), size)]
    assert len(mixes) == 510
    check(vlm, asked, encode(vlm, asked), expected, mixes, at_once=at_once)


def test_mixes_in_which_adapters_come_again_say_what_each_says_alone_in_peft(
    folders: list[Path], asked: QuestionSet, expected: Answers
) -> None:
    vlm, rng = banked(folders), random.Random(0)
    mixes = [tuple(rng.choices(range(ADAPTERS + 1), k=rng.randint(2, 8))) for _ in range(60)]
    check(vlm, asked, encode(vlm, asked), expected, mixes)


@pytest.mark.parametrize(
    ("dtype", "quantize"),
    [("bfloat16", None), ("float32", "4bit"), ("float32", "8bit"), ("bfloat16", "4bit")],
)
def test_a_mix_says_what_each_says_alone_in_the_same_precision(
    dtype: str, quantize: Quantization | None, folders: list[Path], asked: QuestionSet
) -> None:
    """Of tuned adapters, whose likeliest tokens lie further apart than the precision rounds."""
    vlm = banked(folders[: len(TUNED)], dtype=dtype, quantize=quantize)
    features = encode(vlm, asked)
    said: Answers = {}
    for slot in range(len(TUNED) + 1):
        for number, question in enumerate(asked.questions):
            row = Row(features[number], question.prompt, slot, Sampling(max_tokens=TOKENS))
            decoding = Tokens(vlm, [row])
            while decoding.open:
                decoding.step()
            (said[slot, number],) = decoding.said
    rng = random.Random(0)
    mixes = [tuple(rng.choices(range(len(TUNED) + 1), k=rng.randint(2, 8))) for _ in range(20)]
    check(vlm, asked, features, said, mixes)
