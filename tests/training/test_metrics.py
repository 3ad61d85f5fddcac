"""Metrics of a step against values worked out by hand; that parts add up; when a run has run away."""

import math
from dataclasses import replace

import pytest
import torch

from training.grid import Batch, Branch, Distribution, Scores
from training.metrics import EXPLODED, Tally, exploded, term_names
from training.objective import Anchor, Imitate, Objective, Prefer, Reinforce, TokenKL, losses_of
from training.variants import variants

CHOSEN, REJECTED, IMAGE = Branch.CHOSEN, Branch.REJECTED_RESPONSE, Branch.REJECTED_IMAGE
LN_2 = math.log(2)
DPO = (Prefer(CHOSEN, over=REJECTED, beta=0.5),)


def scores(policy: list[list[float]], reference: list[list[float]] | None, **more: object) -> Scores:
    """Two pairs; the second one's responses have one token."""
    found = torch.tensor(policy)
    mask = torch.tensor([[True, True], [True, False]])
    return Scores(found, mask, torch.tensor(reference) if reference else None, **more)  # type: ignore[arg-type]


CHOSEN_SCORES = scores([[-1.0, -2.0], [-3.0, 0.0]], [[-2.0, -2.0], [-4.0, 0.0]])
"""Log ratios 1 + 0 and 1."""
REJECTED_SCORES = scores([[-4.0, -4.0], [-1.0, 0.0]], [[-3.0, -1.0], [-4.0, 0.0]])
"""Log ratios -1 - 3 and 3."""


def means(objective: Objective, batch: Batch) -> dict[str, float]:
    return Tally.of(objective, batch, losses_of(objective, batch)).means()


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_a_preference_says_rewards_margin_accuracy_and_drift() -> None:
    """Rewards are half the log ratios. Margins 0.5 [1 + 4] and 0.5 [1 - 3]. Tokens' log ratios are 1, 0, 1,
    so the estimate of the divergence is 2 (e^-1 - 1 + 1) / 3."""
    found = means(DPO, Batch({CHOSEN: CHOSEN_SCORES, REJECTED: REJECTED_SCORES}))
    assert found == pytest.approx(
        {
            "loss": -(log_sigmoid(2.5) + log_sigmoid(-1.0)) / 2,
            "reward_chosen": 0.5,
            "reward_rejected_response": -0.25,
            "margin_over_rejected_response": 0.75,
            "accuracy_over_rejected_response": 0.5,
            "kl_estimate": 2 * math.exp(-1) / 3,
        }
    )


def test_each_term_is_told_and_each_reward_has_the_beta_and_tokens_of_its_term() -> None:
    """The image's term counts the first token alone, with beta 0.2, and only the second pair has such an
    image: reward 0.2 [-3 + 3.5], margin 0.2 [1 - 0.5]."""
    spans = torch.tensor([[True, False], [True, False]])
    image = scores([[0.0, 0.0], [-3.0, 0.0]], [[0.0, 0.0], [-3.5, 0.0]])
    batch = Batch(
        {
            CHOSEN: replace(CHOSEN_SCORES, spans=spans),
            REJECTED: REJECTED_SCORES,
            IMAGE: replace(image, spans=spans, present=torch.tensor([False, True])),
        }
    )
    objective = (
        *DPO,
        Prefer(CHOSEN, over=IMAGE, beta=0.2, where="spans", weight=3.0, missing="skip"),
        Anchor(CHOSEN, beta=0.5),
        Imitate(CHOSEN, weight=2.0),
    )
    preferred = -(log_sigmoid(2.5) + log_sigmoid(-1.0)) / 2
    imaged, anchored = -3.0 * log_sigmoid(0.1) / 2, -log_sigmoid(0.5)
    imitated = 2.0 * (1.5 + 3.0) / 2
    assert means(objective, batch) == pytest.approx(
        {
            "loss": preferred + imaged + anchored + imitated,
            "loss_prefer_chosen_over_rejected_response": preferred,
            "loss_prefer_chosen_over_rejected_image": imaged,
            "loss_anchor_chosen": anchored,
            "loss_imitate_chosen": imitated,
            "reward_chosen": 0.5,
            "reward_rejected_response": -0.25,
            "margin_over_rejected_response": 0.75,
            "accuracy_over_rejected_response": 0.5,
            "reward_rejected_image": 0.1,
            "margin_over_rejected_image": 0.1,
            "accuracy_over_rejected_image": 1.0,
            "kl_estimate": 2 * math.exp(-1) / 3,
        }
    )


def test_without_a_reference_there_is_a_loss_and_nothing_else() -> None:
    batch = Batch({CHOSEN: replace(CHOSEN_SCORES, reference=None)})
    assert means((Imitate(CHOSEN),), batch) == pytest.approx({"loss": (1.5 + 3.0) / 2})


def test_a_token_kl_is_told_a_token_without_its_weight() -> None:
    """Two tokens of a pair and one of the other, each ln 2 from the reference: KL(reference || policy) of a
    sure reference and an even policy over two words."""
    even, sure = torch.full((3, 2), -LN_2), torch.tensor([[0.0, -200.0]] * 3)
    whole = Distribution(
        fold=lambda function: function(even, sure),
        pair=torch.tensor([0, 0, 1]),
        column=torch.tensor([0, 1, 0]),
    )
    rewards = torch.zeros(2, 2)
    batch = Batch({CHOSEN: replace(CHOSEN_SCORES, distribution=whole, rewards=rewards)})
    objective = (Reinforce(CHOSEN), TokenKL(CHOSEN, weight=0.01))
    assert means(objective, batch) == pytest.approx(
        {
            "loss": 0.01 * 3 * LN_2 / 2,
            "loss_reinforce_chosen": 0.0,
            "loss_token_kl_chosen": 0.01 * 3 * LN_2 / 2,
            "token_kl_chosen": LN_2,
            "kl_estimate": 2 * math.exp(-1) / 3,
        }
    )


def test_the_parts_of_a_batch_and_a_process_without_pairs_add_up_to_the_whole() -> None:
    """Parts of unequal size: a mean of means would be another."""
    batch = Batch({CHOSEN: CHOSEN_SCORES, REJECTED: REJECTED_SCORES})
    many = Batch(
        {
            branch: replace(
                of,
                logps=torch.cat([of.logps - 0.5, of.logps]),
                mask=torch.cat([of.mask, of.mask]),
                reference=torch.cat([of.reference, of.reference]),  # type: ignore[list-item]
            )
            for branch, of in batch.branches.items()
        }
    )

    def part(rows: slice) -> Batch:
        return Batch(
            {
                branch: Scores(of.logps[rows], of.mask[rows], of.reference[rows])  # type: ignore[index]
                for branch, of in many.branches.items()
            }
        )

    whole = Tally.of(DPO, many, losses_of(DPO, many))
    parts = Tally.empty(DPO)
    for rows in (slice(0, 1), slice(1, 4)):
        parts += Tally.of(DPO, part(rows), losses_of(DPO, part(rows)))
    assert parts.names == whole.names
    assert parts.means() == pytest.approx(whole.means(), rel=1e-6)
    assert Tally.empty(DPO).means() == {}


def test_what_no_pair_of_a_batch_has_is_not_told() -> None:
    objective = (*DPO, Prefer(CHOSEN, over=IMAGE, missing="skip"))
    absent = replace(CHOSEN_SCORES, present=torch.tensor([False, False]))
    found = means(objective, Batch({CHOSEN: CHOSEN_SCORES, REJECTED: REJECTED_SCORES, IMAGE: absent}))
    assert not [name for name in found if name.endswith("rejected_image") and not name.startswith("loss")]
    assert found["margin_over_rejected_response"] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("apart", "accuracy"), [(0.0, 0.5), (1e-4, 0.5), (-1e-4, 0.5), (1e-3, 1.0), (-1e-3, 0.0)]
)
def test_a_margin_within_rounding_is_half_right(apart: float, accuracy: float) -> None:
    """The chosen one is ahead by so much in log-probs, and by half of it in rewards."""
    ahead = replace(CHOSEN_SCORES, logps=CHOSEN_SCORES.logps + torch.tensor([[apart, 0.0], [apart, 0.0]]))
    found = means(DPO, Batch({CHOSEN: ahead, REJECTED: CHOSEN_SCORES}))
    assert found["margin_over_rejected_response"] == pytest.approx(apart / 2, abs=1e-6)
    assert found["accuracy_over_rejected_response"] == accuracy


def test_the_terms_of_every_variant_have_names_of_their_own() -> None:
    for variant in variants().values():
        names = term_names(variant.objective)
        assert len(set(names)) == len(names) >= 1
    assert term_names((*DPO, *DPO)) == [
        "prefer_chosen_over_rejected_response",
        "prefer_chosen_over_rejected_response_2",
    ]


@pytest.mark.parametrize(
    ("loss", "before", "expected"),
    [
        (1e9, [], False),  # there is nothing to measure it by
        (EXPLODED * 2.0, [2.0, 2.0, 500.0], False),
        (EXPLODED * 2.0 + 1.0, [2.0, 2.0, 500.0], True),
        (EXPLODED * 0.9, [0.001] * 9, False),  # one hard pair near the end of a run
        (EXPLODED * 1.1, [0.001] * 9, True),
        (-1e9, [-3.0], False),
        (EXPLODED * 3.1, [-3.0], True),
    ],
)
def test_a_loss_far_above_the_median_of_those_before_it_has_run_away(
    loss: float, before: list[float], expected: bool
) -> None:
    assert exploded(loss, before) is expected
