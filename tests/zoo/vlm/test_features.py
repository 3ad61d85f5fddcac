"""An image is seen once for all who ask with the same eyes, and what they get is what the eyes gave."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from zoo.datasets import QuestionSet
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.features import AT_ONCE, FeatureCache
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.store import TensorStore


class Eyes:
    """A model that sees in an image its width alone, and notes how many it is shown at once."""

    def __init__(self, **changes: str) -> None:
        self.identity = changes.get("identity", "base@1 float32")
        self.image_processor = SimpleNamespace(to_json_string=lambda: changes.get("settings", "{}"))
        self.device = torch.device("cpu")
        self.shown: list[int] = []

    def encode_batch(self, images: Sequence[Image.Image]) -> list[EncodedImage]:
        self.shown.append(len(images))
        return [EncodedImage(torch.full((2, 3), float(image.width))) for image in images]


def image(width: int) -> Callable[[], Image.Image]:
    return lambda: Image.new("L", (width, 1))


def refused() -> Image.Image:
    raise AssertionError("an image was opened that need not be seen")


def cache(eyes: Any, store: TensorStore) -> FeatureCache:
    return FeatureCache(eyes, store)


def test_an_image_is_opened_and_seen_once_by_all_that_share_a_store(tmp_path: Path) -> None:
    eyes, late = Eyes(), Eyes()
    first = cache(eyes, TensorStore(tmp_path / "cache"))
    first.of({"a": image(1), "b": image(2)})
    found = first.of({"b": refused, "c": image(3)})
    assert {digest: one.tokens[0, 0].item() for digest, one in found.items()} == {"b": 2.0, "c": 3.0}
    assert eyes.shown == [2, 1]
    later = cache(late, TensorStore(tmp_path / "cache"))
    found = later.of(dict.fromkeys("abc", refused))
    assert [found[digest].tokens.tolist() for digest in "abc"] == [[[n] * 3] * 2 for n in (1.0, 2.0, 3.0)]
    assert late.shown == []


@pytest.mark.parametrize("changes", [{"identity": "base@1 bfloat16"}, {"settings": '{"size": 336}'}])
def test_other_eyes_see_for_themselves(changes: dict[str, str]) -> None:
    store = TensorStore()
    cache(Eyes(), store).of({"a": image(1)})
    other = Eyes(**changes)
    cache(other, store).of({"a": image(1)})
    assert other.shown == [1]


def test_many_images_are_opened_a_bounded_number_at_once() -> None:
    eyes = Eyes()
    many = {str(number): image(number + 1) for number in range(2 * AT_ONCE + 1)}
    found = cache(eyes, TensorStore()).of(many)
    assert eyes.shown == [AT_ONCE, AT_ONCE, 1]
    assert {digest: one.tokens[0, 0].item() for digest, one in found.items()} == {
        str(number): number + 1.0 for number in range(2 * AT_ONCE + 1)
    }


def test_places_and_all_layers_come_back_in_order() -> None:
    seen = EncodedImage(
        torch.ones(2, 3).bfloat16(),
        grid=(1, 4, 2),
        deepstack=tuple(torch.full((2, 3), float(layer)) for layer in range(12)),
    )
    eyes = Eyes()
    eyes.encode_batch = lambda images: [seen]  # type: ignore[method-assign]
    features = cache(eyes, TensorStore())
    features.of({"a": image(1)})
    found = features.of({"a": refused})["a"]
    assert found.grid == (1, 4, 2)
    assert found.tokens.dtype == torch.bfloat16
    assert [layer[0, 0].item() for layer in found.deepstack] == [float(layer) for layer in range(12)]


def test_a_base_gets_from_the_disk_what_its_tower_says_to_the_bit(
    vlm: VisionLanguageModel, questions: QuestionSet, tmp_path: Path
) -> None:
    names = list(dict.fromkeys(q.images[0] for q in questions.questions))[:3]
    opened = {name: lambda name=name: questions.open_image(name) for name in names}
    FeatureCache(vlm, TensorStore(tmp_path / "cache")).of(opened)
    found = FeatureCache(vlm, TensorStore(tmp_path / "cache")).of(dict.fromkeys(names, refused))
    for name, one in zip(names, vlm.encode_batch([open_() for open_ in opened.values()]), strict=True):
        assert torch.equal(found[name].tokens, one.tokens)
    vlm.base = replace(vlm.base, revision="f" * 40)
    with pytest.raises(AssertionError, match="need not be seen"):
        FeatureCache(vlm, TensorStore(tmp_path / "cache")).of(dict.fromkeys(names, refused))
