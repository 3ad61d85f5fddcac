"""Objectives: what they read, what they are worth at step 0, how they travel as data."""

import math

import pytest
import torch

from training.objective import (
    Anchor,
    Branch,
    Imitate,
    Prefer,
    Scores,
    as_data,
    branches_of,
    loss_of,
    needs_reference,
)
from training.variants import get_variant


def scores(log_ratio: float, *, tokens: int = 2) -> Scores:
    """A branch whose policy gives each token a log-prob of -1, and whose reference is `log_ratio` below."""
    logps = torch.full((1, tokens), -1.0)
    return Scores(logps, torch.ones(1, tokens, dtype=torch.bool), torch.tensor([-tokens - log_ratio]))


@pytest.mark.parametrize(
    ("name", "expected"), [("sft", 1.0), ("text_hallu", math.log(2)), ("mdpo", 3 * math.log(2))]
)
def test_step_0_value(name: str, expected: float) -> None:
    """Policy = reference: each preference or anchor term is ln 2; NLL is the mean of -(-1) = 1."""
    at_start = {branch: scores(0.0) for branch in Branch}
    loss = loss_of(get_variant(name).objective, at_start)
    assert loss.tolist() == pytest.approx([expected])


def test_mdpo_reads_three_branches_and_never_the_one_with_both_rejected() -> None:
    assert branches_of(get_variant("mdpo").objective) == (
        Branch.CHOSEN,
        Branch.REJECTED_RESPONSE,
        Branch.REJECTED_IMAGE,
    )


def test_only_imitation_needs_no_reference() -> None:
    assert not needs_reference((Imitate(Branch.CHOSEN),))
    assert needs_reference((Imitate(Branch.CHOSEN), Anchor(Branch.CHOSEN)))


def test_a_missing_reference_is_an_error_and_not_a_zero() -> None:
    bare = Scores(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="reference"):
        Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE).loss(
            {Branch.CHOSEN: bare, Branch.REJECTED_RESPONSE: bare}
        )


def test_padding_does_not_enter_a_log_ratio() -> None:
    padded = Scores(torch.tensor([[-1.0, -50.0]]), torch.tensor([[True, False]]), torch.tensor([-3.0]))
    assert padded.log_ratio.tolist() == [2.0]


def test_an_objective_as_data_names_every_term_and_number() -> None:
    assert as_data(get_variant("mdpo").objective) == [
        {"term": "Prefer", "preferred": "chosen", "over": "rejected_response", "beta": 0.1},
        {"term": "Prefer", "preferred": "chosen", "over": "rejected_image", "beta": 0.1},
        {"term": "Anchor", "branch": "chosen", "beta": 0.1, "delta": 0.0},
    ]
