"""The engine on the phantom base: what many are told at once is what each adapter says alone."""

from pathlib import Path

import numpy as np
import pytest
from peft import PeftModel
from PIL import Image

from serving.core.engine import OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.engines.banked import BankedModel
from serving.engines.embedded import EmbeddedEngine
from tests._adapters import random_adapter
from zoo.asking import Sampling, question
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.evaluation.grounding import GENERAL
from zoo.vlm.attention import layer_attention
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import load_base

NAMES = ("a", "b", "c")
ASKED = ("base a", "b", "c base a", "base", "b c")
GREEDY, SAMPLED = Sampling(max_tokens=12), Sampling(max_tokens=12, temperature=0.8, seed=5)


def adapter(folder: Path, seed: int) -> OnDisk:
    manifest = random_adapter(folder, load_base(get_base("phantom")), seed=seed, rank=4 + seed, spread=0.2)
    return OnDisk(AdapterId(f"local/{folder.name}", "0" * 40, manifest.weights_sha256), folder, manifest)


def test_what_many_are_told_through_few_slots_is_what_each_adapter_says_alone(tmp_path):
    on_disk = {name: adapter(tmp_path / name, seed) for seed, name in enumerate(NAMES)}
    questions = load_questions("phantom", "test", limit=6)
    asked = [(q.prompt, questions.open_image(q.images[0])) for q in questions.questions]
    alone = load_base(get_base("phantom"))
    bank = AdapterBank(alone, slots=4, max_rank=8)
    slots = {"base": 0, **{name: slot for slot, name in enumerate(NAMES, start=1)}}
    for name in NAMES:
        bank.load(slots[name], on_disk[name].folder, on_disk[name].manifest)

    model = BankedModel(load_base(get_base("phantom")), slots=2, max_rank=8, max_rows=8)
    engine = EmbeddedEngine(model, Registry(slots=2), slots=2, max_rows=8, max_waiting_rows=500)
    tickets, expected = [], []
    for number in range(3 * len(asked)):
        text, image = asked[number % len(asked)]
        names = ASKED[number % len(ASKED)].split()
        sampling = SAMPLED if number % 2 else GREEDY
        adapters = tuple(on_disk.get(name) for name in names)
        work = Work(images=(image,), turns=question(text), adapters=adapters, sampling=sampling)
        tickets.append(engine.submit(work))
        features = alone.encode_images([image])
        rows = [Row(features, question(text), slots[name], sampling) for name in names]
        expected.append([(one.text, one.tokens) for one in generate(alone, rows)])
    said = [[(one.text, one.tokens) for one in ticket.done.result(60)] for ticket in tickets]
    engine.close()
    assert said == expected
    assert len({text for answers in expected for text, _ in answers}) > 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What is <image> shown?", "a question may not hold '<image>'"),
        ("\U0001fac1" * 2000, r"the prompt has \d+ tokens.* and 64 more.* phantom takes 2048 together"),
    ],
)
def test_a_question_that_the_base_cannot_be_asked_is_refused_by_name(text, words):
    questions = load_questions("phantom", "test", limit=1)
    image = questions.open_image(questions.questions[0].images[0])
    model = BankedModel(load_base(get_base("phantom")), slots=1, max_rank=4)
    engine = EmbeddedEngine(model, Registry(slots=1), slots=1)
    work = Work(images=(image,), turns=question(text), adapters=(None,), sampling=Sampling())
    with pytest.raises(BadInput, match=words):
        engine.submit(work).done.result(60)
    engine.close()


def merged_attention(folder: Path | None, image: Image.Image, asked: str) -> np.ndarray:
    """The base's attention by layer with an adapter added into its own weights by PEFT, and no bank."""
    vlm = load_base(get_base("phantom"))
    if folder is not None:
        vlm.model = PeftModel.from_pretrained(vlm.model, str(folder)).merge_and_unload()
    return layer_attention(vlm, vlm.encode_images([image]), asked)[0]


def test_where_each_looks_is_where_it_looks_alone_with_its_weights_merged(tmp_path):
    on_disk = [None, *(adapter(tmp_path / name, seed) for seed, name in enumerate("ab"))]
    questions = load_questions("phantom", "test", limit=1)
    asked, image = questions.questions[0].prompt, questions.open_image(questions.questions[0].images[0])
    large = image.resize((96, 160))
    model = BankedModel(load_base(get_base("phantom")), slots=2, max_rank=8)
    engine = EmbeddedEngine(model, Registry(slots=2), slots=2)
    work = Work(images=(large,), turns=question(asked), adapters=tuple(on_disk), sampling=GREEDY)
    before = engine.submit(work).done.result(60)
    looks = engine.look(work).result(60)
    again = engine.submit(work).done.result(60)
    engine.close()
    assert [one.text for one in again] == [one.text for one in before]
    for one, look in zip(on_disk, looks, strict=True):
        folder = one and one.folder
        own, general = (
            merged_attention(folder, large, text).mean(axis=0, dtype=np.float64) for text in (asked, GENERAL)
        )
        floor = 0.03 * general.mean()
        expected = (own + floor) / (general + floor)
        (only,) = look.maps
        assert look.peak == pytest.approx(expected.max(), rel=1e-4)
        assert (only.values.shape, only.values.dtype) == ((8, 8), np.float32)
        np.testing.assert_allclose(only.values, expected / expected.max(), atol=1e-4)
        np.testing.assert_allclose(only.box, (0, 0, 1, 1), atol=0.01)
    assert np.abs(looks[0].maps[0].values - looks[1].maps[0].values).max() > 0.01
