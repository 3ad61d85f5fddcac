"""The scorer with its batches, caches and masks against a plain computation, one row at a time, full logits.

The plain one runs the model from pixels and whole texts, without padding, and writes every loss out anew.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from tests._losses import loss_on
from training.cache import ReferenceCache
from training.data import PairSet
from training.objective import Objective
from training.pairs.report import PairReport
from training.scoring import BranchScorer, token_rewards, tokens_in
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.records import PreferencePair
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.features import FeatureCache
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.store import TensorStore

BASE = get_base("phantom")
SPEC = LoraSpec(r=4, alpha=8)
ASKED = "What does this scan show?"

LONG = PreferencePair(
    id="long",
    question_id="long",
    images=("0.png",),
    rejected_images=("1.png",),
    prompt=ASKED,
    chosen="There is a nodule in the left upper lobe.",
    rejected="There is a mass in the right lobe.",
    chosen_spans=((11, 17), (25, 35)),
    rejected_spans=((11, 15), (23, 28)),
    rewards=((11, 17, 1.5), (25, 29, -0.5)),
)
"""Its spans are "nodule", "left upper", and "mass", "right"; its rewards those of "nodule" and "left"."""
SHORT = PreferencePair(
    id="short",
    question_id="short",
    images=("2.png",),
    rejected_images=("3.png",),
    prompt="Is there a mass?",
    chosen="no",
    rejected="yes, there is",
    chosen_spans=((0, 2),),
    rejected_spans=((0, 3),),
    rewards=((0, 2, 0.25),),
)
SPANS = {
    LONG.chosen: [" nodule", " left", " upper"],
    LONG.rejected: [" mass", " right"],
    SHORT.chosen: ["no"],
    SHORT.rejected: ["y", "es"],
}
"""The tokens of each text's spans."""
REWARDS = {" nodule": 1.5, " left": -0.5, "no": 0.25}


class Plain:
    """Log-probs over the vocabulary of one response at a time, from pixels and texts."""

    def __init__(self, vlm: VisionLanguageModel, folder: Path) -> None:
        self.vlm, self.folder = vlm, folder
        self.processor: Any = AutoProcessor.from_pretrained(BASE.folder)

    def question(self, image: str, prompt: str) -> tuple[torch.Tensor, list[int]]:
        """(tokens, vocabulary) where the question's tokens are predicted, and these."""
        ids, table = self._run(image, prompt, [])
        image_token = self.vlm.model.config.image_token_id
        first = max(i for i, one in enumerate(ids) if one == image_token) + 1
        last = ids.index(self.processor.tokenizer.eos_token_id, first)
        return table[first - 1 : last - 1], ids[first:last]

    def response(self, image: str, prompt: str, text: str) -> tuple[torch.Tensor, list[int]]:
        """(tokens, vocabulary) where the response's tokens are predicted, and these, end of turn included."""
        tokenizer = self.processor.tokenizer
        own = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        ids, table = self._run(image, prompt, own)
        return table[len(ids) - len(own) - 1 : -1], own

    def words(self, ids: list[int]) -> list[str]:
        return [self.processor.tokenizer.decode([one]) for one in ids]

    def _run(self, image: str, prompt: str, own: list[int]) -> tuple[list[int], torch.Tensor]:
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        turn = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        inputs = self.processor(
            text=[turn], images=[Image.open(self.folder / image).convert("RGB")], return_tensors="pt"
        )
        ids = [*inputs["input_ids"][0].tolist(), *own]
        logits = self.vlm.model(input_ids=torch.tensor([ids]), pixel_values=inputs["pixel_values"]).logits[0]
        return ids, logits.log_softmax(dim=-1)


class Two:
    """The policy and its reference, both plain."""

    def __init__(self, policy: Plain, reference: Plain) -> None:
        self.policy, self._reference = policy, reference

    def tables(self, image: str, prompt: str, text: str) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        with torch.no_grad():
            reference, _ = self._reference.response(image, prompt, text)
        policy, ids = self.policy.response(image, prompt, text)
        return policy, reference, ids

    def ratio(self, image: str, pair: PreferencePair, text: str, *, spans: bool = False) -> torch.Tensor:
        """Sum of log pi - log ref over the response's tokens, or those of its spans."""
        policy, reference, ids = self.tables(image, pair.prompt, text)
        total = torch.zeros(())
        for row, (token, word) in enumerate(zip(ids, self.policy.words(ids), strict=True)):
            if not spans or word in SPANS[text]:
                total = total + policy[row, token] - reference[row, token]
        return total


def rank(margin: torch.Tensor) -> torch.Tensor:
    return torch.log1p(torch.exp(-0.1 * margin))


def kl(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """KL(one || other) of two distributions as log-probs."""
    return sum((a.exp() * (a - b) for a, b in zip(one, other, strict=True)), torch.zeros(()))


def dpo(two: Two, pair: PreferencePair, *, spans: bool = False) -> torch.Tensor:
    image, rejected = pair.images[0], pair.rejected or ""
    return rank(
        two.ratio(image, pair, pair.chosen, spans=spans) - two.ratio(image, pair, rejected, spans=spans)
    )


def fire_mpo(two: Two, pair: PreferencePair) -> torch.Tensor:
    loss = dpo(two, pair, spans=True)
    if pair.rejected_images:
        noised = pair.rejected_images[0]
        right, wrong = (
            two.ratio(noised, pair, text, spans=True) for text in (pair.chosen, pair.rejected or "")
        )
        loss = loss + 0.1 * rank(wrong - right)
    policy, reference, ids = two.tables(pair.images[0], pair.prompt, pair.chosen)
    for row, word in enumerate(two.policy.words(ids)):
        if word in SPANS[pair.chosen]:
            both = 0.5 * kl(reference[row], policy[row]) + 0.5 * kl(policy[row], reference[row])
            loss = loss + 0.01 * both
    return loss


def rrpo(two: Two, pair: PreferencePair) -> torch.Tensor:
    policy, reference, _ = two.tables(pair.images[0], pair.prompt, pair.chosen)
    near = sum((kl(r, p) for r, p in zip(reference, policy, strict=True)), torch.zeros(()))
    return dpo(two, pair, spans=True) + 0.01 * near


def povid(two: Two, pair: PreferencePair) -> torch.Tensor:
    assert pair.rejected_images
    noised, _ = two.policy.response(pair.rejected_images[0], pair.prompt, pair.chosen)
    policy, reference, _ = two.tables(pair.images[0], pair.prompt, pair.chosen)
    z = [int(row.argmax()) for row in noised]
    own = sum((policy[t, token] - reference[t, token] for t, token in enumerate(z)), torch.zeros(()))
    over_z = rank(two.ratio(pair.images[0], pair, pair.chosen) - own)
    return 0.5 * over_z + 0.5 * dpo(two, pair)


def stllava_stage_1(two: Two, pair: PreferencePair) -> torch.Tensor:
    found = torch.zeros(())
    for table, ids in (
        two.policy.response(pair.images[0], pair.prompt, pair.chosen),
        two.policy.question(pair.images[0], pair.prompt),
    ):
        found = found - sum((table[row, token] for row, token in enumerate(ids)), torch.zeros(())) / len(ids)
    return found


def fisao_style(two: Two, pair: PreferencePair) -> torch.Tensor:
    policy, reference, ids = two.tables(pair.images[0], pair.prompt, pair.chosen)
    loss = torch.zeros(())
    for row, (token, word) in enumerate(zip(ids, two.policy.words(ids), strict=True)):
        loss = loss - REWARDS.get(word, 0.0) * policy[row, token] / len(ids)
        loss = loss + 0.01 * kl(policy[row], reference[row])
    return loss


WEIGHTS = {"text low": 0.75, "text high": 1.25, "image low": 0.75, "image middle": 1.0, "image high": 1.25}
"""Text scores 0.2 and 0.8 lie one standard deviation from their mean, so 1 -+ 0.316, clipped; image scores
0.1, 0.5 and 0.9 lie -1.22, 0 and 1.22 of theirs."""


def mmedpo(two: Two, pair: PreferencePair) -> torch.Tensor:
    image = (pair.rejected_images or pair.images)[0]
    chosen = two.ratio(pair.images[0], pair, pair.chosen)
    return WEIGHTS[pair.id] * rank(chosen - two.ratio(image, pair, pair.rejected or pair.chosen))


TEXT, IMAGE = replace(LONG, rejected_images=None), replace(SHORT, rejected=None, rejected_spans=None)
BOTH_KINDS = (
    replace(TEXT, id="text low", weight=0.2),
    replace(IMAGE, id="image middle", weight=0.5),
    replace(IMAGE, id="image low", weight=0.1, chosen="a mass in the left lung"),
    replace(TEXT, id="text high", weight=0.8, chosen="no"),
    replace(IMAGE, id="image high", weight=0.9),
)
NO_IMAGE = (TEXT, replace(SHORT, rejected_images=None))
ALL = (LONG, SHORT, replace(SHORT, id="no image", rejected_images=None))
SAME = (LONG, replace(LONG, id="same", rejected="no"), replace(SHORT, rejected=""))

CASES = [
    pytest.param("fire_mpo", ALL, fire_mpo, id="fire_mpo"),
    pytest.param("fire_mpo", NO_IMAGE, fire_mpo, id="fire_mpo where no pair has a rejected image"),
    pytest.param("rrpo", (LONG, SHORT), rrpo, id="rrpo"),
    pytest.param("mask_dpo", (LONG, SHORT), partial(dpo, spans=True), id="mask_dpo"),
    pytest.param("text_hallu", SAME, dpo, id="text_hallu where pairs share a prompt, and an answer is empty"),
    pytest.param("povid", (LONG, SHORT), povid, id="povid"),
    pytest.param("stllava_med", (LONG, SHORT), stllava_stage_1, id="stllava_med stage 1"),
    pytest.param("fisao_style", (LONG, SHORT), fisao_style, id="fisao_style"),
    pytest.param("mmedpo", BOTH_KINDS, mmedpo, id="mmedpo with both kinds of pairs"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of different scans."""
    where = tmp_path_factory.mktemp("pairs")
    questions = load_questions("phantom", "train", limit=40)
    for number, name in enumerate(dict.fromkeys(q.images[0] for q in questions.questions)):
        if number < 4:
            questions.open_image(name).convert("RGB").save(where / f"{number}.png")
    return where


def pair_set(folder: Path, pairs: tuple[PreferencePair, ...]) -> PairSet:
    return PairSet(folder, PairReport.__new__(PairReport), pairs)


def away(vlm: VisionLanguageModel, seed: int) -> dict[str, torch.Tensor]:
    """Tensors of a LoRA that changes what the model says."""
    lora = TrainableLora(vlm, SPEC, seed=seed)
    torch.manual_seed(seed)
    found = {name: tensor + 0.2 * torch.randn_like(tensor) for name, tensor in lora.state().items()}
    lora.remove()
    return found


def objective_of(name: str) -> Objective:
    variant = get_variant(name)
    return (variant.earlier[0] if name == "stllava_med" else variant).objective


@pytest.mark.parametrize("begins", ["base", "adapter"])
@pytest.mark.parametrize(("name", "pairs", "plain"), CASES)
def test_loss_and_gradient_equal_a_plain_computation_from_full_logits(
    name: str,
    pairs: tuple[PreferencePair, ...],
    plain: Callable[[Two, PreferencePair], torch.Tensor],
    begins: str,
    folder: Path,
) -> None:
    """In batches of another order than the pairs', the policy away from its reference."""
    vlm = load_base(BASE)
    start = away(vlm, 1) if begins == "adapter" else None
    moved = away(vlm, 2)
    lora = TrainableLora(vlm, SPEC, seed=0, start=start)
    scorer = BranchScorer(
        vlm,
        pair_set(folder, pairs),
        objective_of(name),
        features=FeatureCache(vlm, TensorStore()),
        references=ReferenceCache(TensorStore(), begins),
    )
    lora.restore(moved)
    order = [len(pairs) - 1, *range(len(pairs) - 1)]
    ours = loss_on(objective_of(name), scorer, order, lora)
    ours.mean().backward()
    gradients = [parameter.grad for parameter in lora.parameters]
    for parameter in lora.parameters:
        parameter.grad = None

    other = load_base(BASE)
    if start is not None:
        TrainableLora(other, SPEC, seed=0, start=start)
    two = Two(Plain(vlm, folder), Plain(other, folder))
    expected = torch.stack([plain(two, pairs[number]) for number in order])
    expected.mean().backward()
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    assert expected.unique().numel() == len(pairs)  # another order would show
    for parameter, gradient in zip(lora.parameters, gradients, strict=True):
        assert gradient is not None
        assert parameter.grad is not None
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-5)
    assert any(gradient.norm() > 1e-2 for gradient in gradients if gradient is not None)


def test_a_token_counts_where_it_touches_a_span_and_no_neighbour_does() -> None:
    """Offsets may include the blank before a word; a span that ends there does not touch the word."""
    offsets = [(0, 3), (3, 8), (8, 9), (9, 12)]
    assert tokens_in(offsets, [(4, 8)]) == [False, True, False, False]
    assert tokens_in(offsets, [(0, 3), (7, 10)]) == [True, True, True, True]
    assert tokens_in(offsets, []) == [False] * 4
    assert token_rewards(offsets, [(4, 8, 2.0), (7, 12, -1.0)]) == [0.0, 2.0, -1.0, -1.0]


@pytest.mark.parametrize("question", [ASKED, "a", "user?"])
def test_a_question_is_found_in_its_turn_even_where_its_words_are_the_templates(question: str) -> None:
    vlm = load_base(BASE)
    features = ImageFeatures((EncodedImage(torch.zeros(3, vlm.model.config.text_config.hidden_size)),))
    ids = vlm.prompt_ids(question, features)
    start, end = vlm.question_place(question, features)
    assert vlm.tokenizer.decode(ids[start:end]) == question
    assert ids[start - 1] == vlm.model.config.image_token_id


def test_a_question_without_words_is_refused() -> None:
    vlm = load_base(BASE)
    features = ImageFeatures((EncodedImage(torch.zeros(3, vlm.model.config.text_config.hidden_size)),))
    with pytest.raises(BadInput, match="cannot be told apart"):
        vlm.question_place(" ", features)
