"""What the caches give is what the model says, and the model is asked once by all that ask the same."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from tests._losses import loss_on
from training.cache import ReferenceCache
from training.data import PairSet
from training.pairs.report import PairReport
from training.scoring import BranchScorer
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.records import PreferencePair
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.store import Tensors, TensorStore

SPEC = LoraSpec(r=4, alpha=8)
ASKED = {"prompt": "What does this scan show?", "chosen_spans": ((11, 17),), "rejected_spans": ((11, 15),)}
TEXTS = [
    ("There is a nodule in the left upper lobe.", "There is a mass."),
    ("There is no nodule.", "There is one cyst in the right lobe."),
]
PAIRS = tuple(
    PreferencePair(
        id=str(number),
        question_id=str(number),
        images=(f"{number}.png",),
        rejected_images=(f"{number + 2}.png",),
        chosen=chosen,
        rejected=rejected,
        **ASKED,  # type: ignore[arg-type]
    )
    for number, (chosen, rejected) in enumerate(TEXTS)
)
RESPONSES = 4
"""Chosen and rejected of two pairs."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Two pairs with all that any objective here reads."""
    where = tmp_path_factory.mktemp("pairs")
    questions = load_questions("phantom", "train", limit=40)
    for number, name in enumerate(list(dict.fromkeys(q.images[0] for q in questions.questions))[:4]):
        questions.open_image(name).convert("RGB").save(where / f"{number}.png")
    return PairSet(where, PairReport.__new__(PairReport), PAIRS)


class Counting(TensorStore):
    """A store that counts what is made because it was not there."""

    made: Counter[str]

    def put(self, found: Mapping[str, Tensors]) -> None:
        self.made = getattr(self, "made", Counter())
        for tensors in found.values():
            self.made[next(name for name in ("logps", "hidden", "tokens") if name in tensors)] += 1
        super().put(found)

    def told(self) -> tuple[int, int, int]:
        """Responses whose log-probs the reference gave, those whose hidden states it gave, images seen; since
        this was last asked."""
        made, self.made = getattr(self, "made", Counter()), Counter()
        return made["logps"], made["hidden"], made["tokens"]


class Asking:
    """One variant's scorer on a store."""

    def __init__(self, vlm: VisionLanguageModel, data: PairSet, variant: str, store: Counting) -> None:
        self.objective, self.store = get_variant(variant).objective, store
        self.scorer = BranchScorer(
            vlm,
            data,
            self.objective,
            features=FeatureCache(vlm, store),
            references=ReferenceCache(store, "base"),
        )

    def step(self, lora: TrainableLora) -> list[torch.Tensor]:
        """The losses of both pairs, and the gradients of their mean."""
        loss = loss_on(self.objective, self.scorer, [0, 1], lora)
        gradients = torch.autograd.grad(loss.mean(), lora.parameters)
        return [loss.detach(), *gradients]


def moved_lora(vlm: VisionLanguageModel) -> TrainableLora:
    """A policy that is not its reference."""
    lora = TrainableLora(vlm, SPEC, seed=0)
    torch.manual_seed(1)
    lora.restore({name: one + 0.2 * torch.randn_like(one) for name, one in lora.state().items()})
    return lora


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", ["fire_mpo", "mdpo", "rrpo"])
def test_losses_and_gradients_are_the_same_to_the_bit_with_any_cache(
    variant: str, dtype: str, data: PairSet, tmp_path: Path
) -> None:
    vlm = load_base(get_base("phantom"), dtype=dtype)
    lora = moved_lora(vlm)
    absent = Asking(vlm, data, variant, Counting(memory_bytes=0))
    plain = absent.step(lora)
    made = absent.store.told()
    absent.step(lora)
    assert absent.store.told() == made
    cold = Asking(vlm, data, variant, Counting(tmp_path / "cache"))
    on_disk = Asking(vlm, data, variant, Counting(tmp_path / "cache", memory_bytes=0))
    for asking in (cold, cold, on_disk):
        for found, expected in zip(asking.step(lora), plain, strict=True):
            assert torch.equal(found, expected)
    assert any(gradient.norm() > 1e-3 for gradient in plain[1:])
    assert cold.store.told() == made
    assert on_disk.store.told() == (0, 0, 0)
    assert made[0] > 0
    assert made[2] > 0


def test_what_is_kept_is_had_without_a_run_of_the_model(
    data: PairSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the policy's own likeliest tokens are read, which are asked for at each step."""
    vlm = load_base(get_base("phantom"))
    lora = moved_lora(vlm)
    asking = Asking(vlm, data, "povid", Counting())
    asking.step(lora)

    def refused(*_: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr("training.scoring.predict", refused)
    known = asking.scorer.kept([0, 1], lora)
    assert sorted(known.features) == ["0.png", "1.png", "2.png", "3.png"]
    assert len(known.reference) == sum(asking.store.told()[:2]) > 0
    with pytest.raises(AssertionError, match="the model was run"):
        asking.scorer.prepare([0, 1], lora)


def test_variants_that_ask_the_same_ask_the_reference_once(data: PairSet) -> None:
    vlm, store = load_base(get_base("phantom")), Counting()
    lora = moved_lora(vlm)
    made = []
    for variant in ("text_hallu", "text_hallu_nll", "text_hallu"):
        Asking(vlm, data, variant, store).step(lora)
        made.append(store.told())
    assert made == [(RESPONSES, 0, 2), (0, 0, 0), (0, 0, 0)]


def test_hidden_states_come_with_the_log_probs_of_their_responses(data: PairSet) -> None:
    """A variant that reads them leaves nothing to ask for one that does not; the other way round, only the
    chosen responses, of which they are read, are run again, and the rejected images are new."""
    vlm = load_base(get_base("phantom"))
    lora = moved_lora(vlm)

    def made(*variants: str) -> list[tuple[int, int, int]]:
        store, found = Counting(), []
        for variant in variants:
            Asking(vlm, data, variant, store).step(lora)
            found.append(store.told())
        return found

    assert made("fire_mpo", "text_hallu", "fire_mpo") == [(2 * RESPONSES, 2, 4), (0, 0, 0), (0, 0, 0)]
    assert made("text_hallu", "fire_mpo") == [(RESPONSES, 0, 2), (RESPONSES, 2, 2)]


def test_a_key_tells_apart_all_that_decides_an_answer_and_gives_no_text_away() -> None:
    cache, other = (
        ReferenceCache(TensorStore(), name) for name in ("base@1 float32 base", "base@1 bfloat16 base")
    )
    asked = (["image"], "Is there a mass?", "yes", [1, 2])
    keys = [
        cache.key(*asked),
        other.key(*asked),
        cache.key(["other"], *asked[1:]),
        cache.key(["image", "other"], *asked[1:]),
        cache.key(["image"], "Is there a mass", "?yes", [1, 2]),
        cache.key(["image"], "Is there a mass?", "no", [1, 2]),
        cache.key(["image"], "Is there a mass?", "yes", [12]),
        cache.key(["image"], "Is there a mass?", "yes"),
    ]
    assert len(set(keys)) == len(keys)
    assert cache.key(*asked) == ReferenceCache(TensorStore(), "base@1 float32 base").key(*asked)
    assert not any(word in key for key in keys for word in ("mass", "yes", "base@1"))
