"""The asker: in the requests' order, an image encoded once for all its samples, named by what answers."""

from dataclasses import replace

import pytest
from PIL import Image

from training.pairs.step import Policy, Request
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.vlm.ask import Asker
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel


@pytest.fixture
def requests(questions: QuestionSet) -> list[Request]:
    return [
        Request(question_id=q.id, images=[questions.open_image(q.images[0])], prompt=q.prompt, seed=n)
        for n, q in enumerate(questions.questions)
    ]


def test_an_asker_is_a_policy(vlm: VisionLanguageModel) -> None:
    policy: Policy = Asker(vlm)
    assert policy.name == vlm.base.pinned
    assert policy.can_judge is False
    able = VisionLanguageModel.__new__(VisionLanguageModel)
    able.__dict__ = {**vlm.__dict__, "base": replace(vlm.base, can_judge=True)}
    assert Asker(able).can_judge is True


def test_greedy_answers_are_those_of_generate_in_order(
    vlm: VisionLanguageModel, requests: list[Request]
) -> None:
    many = [*requests, *requests, *requests]  # more than one batch
    texts = Asker(vlm).answers(many)
    rows = [Row(vlm.encode_images(r.images), r.prompt) for r in requests]
    assert texts == [g.text for g in generate(vlm, rows)] * 3


def test_n_samples_encode_the_image_once_and_come_again(
    vlm: VisionLanguageModel, requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = vlm.encode_batch

    def counted(images: list[Image.Image]) -> object:
        seen.append(len(images))
        return encode(images)

    monkeypatch.setattr(vlm, "encode_batch", counted)
    first = Asker(vlm).samples(requests, n=20, temperature=1.2)
    assert sum(seen) == len(requests)
    assert [len(texts) for texts in first] == [20] * len(requests)
    assert any(len(set(texts)) > 1 for texts in first)
    assert Asker(vlm).samples(requests, n=20, temperature=1.2) == first
    reseeded = [replace(request, seed=request.seed + 1000) for request in requests]
    assert Asker(vlm).samples(reseeded, n=20, temperature=1.2) != first


def test_no_samples_and_no_temperature_are_refused(vlm: VisionLanguageModel, requests: list[Request]) -> None:
    for n, temperature in ((0, 1.0), (2, 0.0)):
        with pytest.raises(BadInput, match="must be above 0"):
            Asker(vlm).samples(requests, n=n, temperature=temperature)


def test_attention_is_a_map_of_each_requests_first_image(
    vlm: VisionLanguageModel, requests: list[Request]
) -> None:
    maps = Asker(vlm).attention(requests[:3])
    assert len(maps) == 3
    assert all(heat.ndim == 2 and 0 <= heat.min() <= heat.max() <= 1 for heat in maps)


def test_an_adapters_answers_bear_its_digest_and_an_empty_slot_is_refused(vlm: VisionLanguageModel) -> None:
    with pytest.raises(BadInput, match="slot 1 holds no adapter"):
        Asker(vlm, 1)
    bank = AdapterBank(vlm, slots=3, max_rank=4)
    bank.resident[1] = "ab" * 32
    assert Asker(vlm, 1).name == f"{vlm.base.pinned}+abababababab"
    assert Asker(vlm, name="other").name == "other"
    with pytest.raises(BadInput, match="slot 2 holds no adapter"):
        Asker(vlm, 2)
