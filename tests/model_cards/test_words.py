"""Objectives as words: every term that training knows has its sentence."""

import pytest

from model_cards import words
from training.grid import Branch
from training.objective import Prefer, Term, TokenKL, as_data
from zoo.evaluation.metrics import metrics
from zoo.manifest import Bounds, Evaluation


@pytest.mark.parametrize("name", sorted(kind.__name__ for kind in Term.__subclasses__()))
def test_every_term_has_a_sentence(name: str) -> None:
    assert name in words.SENTENCES


@pytest.mark.parametrize("branch", Branch)
def test_every_branch_has_words(branch: Branch) -> None:
    assert str(branch) in words.BRANCHES


def test_a_terms_numbers_stand_behind_its_sentence_and_what_is_unset_does_not() -> None:
    prefer, kl = as_data((Prefer(Branch.CHOSEN, over=Branch.REJECTED_IMAGE), TokenKL(Branch.CHOSEN)))
    assert words.term(prefer) == (
        "Prefer the chosen response under the chosen image over the chosen response under the rejected "
        "image, each measured against the reference (beta 0.1, where all, weight 1.0, missing refuse)"
    )
    assert words.term(kl) == (
        "Keep the distribution over the vocabulary near the reference's at the tokens of the chosen response "
        "under the chosen image (where all, forward 1.0, reverse 0.0, weight 0.01)"
    )


@pytest.mark.parametrize(
    ("better", "low", "high", "said"),
    [
        (1, 0.1, 0.3, "With them the score falls: "),
        (1, -0.3, -0.1, "**That the image matters is not shown on "),
        (-1, -0.3, -0.1, "With them the score gets worse: "),
        (-1, 0.1, 0.3, "**That the image matters is not shown on "),
        (-1, -0.3, 0.0, "**That the image matters is not shown on "),
    ],
)
def test_the_image_matters_where_the_score_is_worse_without_it(
    better: int, low: float, high: float, said: str
) -> None:
    known = [metric.name for metric in metrics().values() if metric.better == better]
    assert known
    for name in [*known, *(["a metric of tomorrow"] if better > 0 else [])]:
        ablated = Evaluation(
            metric=name, subset="all", dataset="phantom", split="test", value=0.5, low=0.4, high=0.6, n=9,
            fingerprint="b" * 64, shown="noise", own_value=0.5, lost=Bounds(low=low, high=high),
        )  # fmt: skip
        assert words.image_matters([ablated]).startswith(said)
