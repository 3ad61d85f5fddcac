"""Sampled answers: by each row's own seed, and by the probabilities they claim."""

from collections.abc import Sequence

import pytest
import torch

from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import Row, _Dice, generate
from zoo.vlm.model import VisionLanguageModel


@pytest.fixture
def rows(questions: QuestionSet, features: Sequence[ImageFeatures]) -> list[Row]:
    return [
        Row(f, q.prompt, seed=n) for n, (f, q) in enumerate(zip(features, questions.questions, strict=True))
    ]


def test_the_same_batch_and_seeds_give_the_same_samples_and_other_seeds_others(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    first = generate(vlm, rows, temperature=1.5)
    assert generate(vlm, rows, temperature=1.5) == first
    others = [Row(row.features, row.prompt, seed=row.seed + 100) for row in rows]
    assert generate(vlm, others, temperature=1.5) != first


def test_a_rows_sample_does_not_depend_on_the_rows_beside_it(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    together = generate(vlm, rows, temperature=1.5)
    alone = [generate(vlm, [row], temperature=1.5)[0] for row in rows]
    assert (
        sum(a == b for a, b in zip(together, alone, strict=True)) >= len(rows) - 1
    )  # the last digits differ
    assert generate(vlm, rows[::-1], temperature=1.5)[::-1] == together


def test_greedy_answers_read_no_seed_and_a_low_temperature_comes_to_them(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    greedy = generate(vlm, rows)
    assert generate(vlm, [Row(row.features, row.prompt) for row in rows]) == greedy
    assert generate(vlm, rows, temperature=1e-4) == greedy


def test_many_draws_come_to_the_probabilities_that_temperature_makes() -> None:
    """Log-odds ln 4 at temperature 2 are ln 2: probabilities 2/3 and 1/3."""
    scores = torch.tensor([[4.0, 1.0]]).log().repeat(6000, 1)
    drawn = _Dice(range(6000), temperature=2.0, top_p=1.0)(torch.empty(0), scores).argmax(dim=-1)
    assert drawn.float().mean().item() == pytest.approx(1 / 3, abs=0.02)


def test_top_p_keeps_the_fewest_tokens_that_hold_its_share() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.4]]).log().repeat(500, 1)
    for top_p, kept in ((0.45, {1}), (0.6, {1, 2}), (0.95, {0, 1, 2})):
        drawn = _Dice(range(500), temperature=1.0, top_p=top_p)(torch.empty(0), scores).argmax(dim=-1)
        assert set(drawn.tolist()) == kept


@pytest.mark.parametrize("numbers", [{"temperature": -1.0}, {"temperature": 1.0, "top_p": 0.0}])
def test_numbers_that_mean_nothing_are_refused(
    vlm: VisionLanguageModel, rows: list[Row], numbers: dict[str, float]
) -> None:
    with pytest.raises(BadInput, match="at least 0, and in"):
        generate(vlm, rows, **numbers)
