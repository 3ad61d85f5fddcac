"""Objectives: what they read, what they are worth, which way they push, how they travel as data."""

import math
from dataclasses import replace

import pytest
import torch

from tests._losses import loss_of, whole
from training.grid import Batch, Branch, Scores
from training.objective import (
    Anchor,
    Imitate,
    Objective,
    Prefer,
    PreferOverArgmax,
    Reinforce,
    Term,
    TokenKL,
    argmaxes_of,
    as_data,
    branches_of,
    distributions_of,
    missing_halves,
    needs,
    needs_reference,
    weighting_of,
)
from training.variants import get_variant
from zoo.errors import BadDeclaration

CHOSEN, REJECTED = Branch.CHOSEN, Branch.REJECTED_RESPONSE
LN_2 = math.log(2)
GAMMA = 0.1

DPO = (Prefer(CHOSEN, over=REJECTED),)
COPO = (Prefer(CHOSEN, over=Branch.REJECTED_IMAGE),)
MMEDPO = (Prefer(CHOSEN, over=Branch.REJECTED_BOTH, missing="chosen", weights="rescaled"),)
FIRE_RANK = (
    Prefer(CHOSEN, over=REJECTED, where="spans"),
    Prefer(Branch.REJECTED_BOTH, over=Branch.REJECTED_IMAGE, where="spans", weight=GAMMA, missing="skip"),
)
FIRE_MPO = (*FIRE_RANK, TokenKL(CHOSEN, where="spans", forward=0.5, reverse=0.5, weight=0.01))
RRPO = (Prefer(CHOSEN, over=REJECTED, where="spans"), TokenKL(CHOSEN, where="all", weight=0.01))
POVID_2 = (
    PreferOverArgmax(CHOSEN, noised=Branch.REJECTED_IMAGE, weight=0.5),
    Prefer(CHOSEN, over=REJECTED, weight=0.5),
)
REINFORCE = (Reinforce(CHOSEN), TokenKL(CHOSEN))


def one(
    policy: list[float],
    reference: list[float] | None = None,
    *,
    mask: list[bool] | None = None,
    spans: list[bool] | None = None,
) -> Scores:
    """A branch of one pair: token log-probs of policy and reference, which tokens there are, which count."""
    return Scores(
        logps=torch.tensor([policy], requires_grad=True),
        mask=torch.tensor([mask or [True] * len(policy)]),
        reference=None if reference is None else torch.tensor([reference]),
        spans=None if spans is None else torch.tensor([spans]),
    )


def off_by(log_ratio: float) -> Scores:
    """A branch of one token that policy and reference differ on by `log_ratio`."""
    return one([-1.0], [-1.0 - log_ratio])


def gradient(scores: Scores) -> list[float]:
    """The gradient at the branch's token log-probs."""
    assert scores.logps.grad is not None
    found: list[float] = scores.logps.grad[0].tolist()
    return found


# What each term is worth, by hand


def test_prefer_sums_log_ratios_over_all_tokens() -> None:
    """Chosen (-1, -2, -3) - (-1.5, -4, -3) = 0.5 + 2 + 0 = 2.5; rejected (-2, -1) - (-1, -1) = -1;
    margin 3.5: log(1 + e^-0.35) = log(1.70468809) = 0.53338209."""
    chosen = one([-1.0, -2.0, -3.0], [-1.5, -4.0, -3.0])
    rejected = one([-2.0, -1.0], [-1.0, -1.0])
    loss = loss_of(DPO, Batch({CHOSEN: chosen, REJECTED: rejected}))
    assert loss.tolist() == pytest.approx([math.log1p(math.exp(-0.35))])
    assert loss.tolist() == pytest.approx([0.53338], abs=1e-5)


def test_prefer_over_spans_sums_the_spans_tokens_alone() -> None:
    """As above with spans on the second chosen and the first rejected token: 2 - (-1) = 3, and
    log(1 + e^-0.3) = log(1.74081822) = 0.55435524. A sum, no mean: two span tokens of 1 count as 2."""
    chosen = one([-1.0, -2.0, -3.0], [-1.5, -4.0, -3.0], spans=[False, True, False])
    rejected = one([-2.0, -1.0], [-1.0, -1.0], spans=[True, False])
    term = Prefer(CHOSEN, over=REJECTED, where="spans")
    assert term.loss(Batch({CHOSEN: chosen, REJECTED: rejected})).tolist() == pytest.approx([0.55435524])
    both = one([-1.0, -1.0], [-2.0, -2.0], spans=[True, True])
    assert both.log_ratio("spans").tolist() == [2.0]


def test_fire_mpo_ranks_the_claim_up_on_the_image_and_down_on_the_corrupted_one() -> None:
    """Spans' ratios: chosen 2, rejected -1, on the corrupted image chosen 4, rejected 1, beta 0.1:
    -log S(0.3) - 0.1 log S(0.1 - 0.4) = 0.55435524 + 0.1 x log(1 + e^0.3) = 0.55435524 + 0.08543552."""
    ratios = {CHOSEN: 2.0, REJECTED: -1.0, Branch.REJECTED_IMAGE: 4.0, Branch.REJECTED_BOTH: 1.0}
    branches = {branch: replace(off_by(r), spans=torch.tensor([[True]])) for branch, r in ratios.items()}
    assert loss_of(FIRE_RANK, Batch(branches)).tolist() == pytest.approx([0.63979076])


def test_anchor_reads_the_log_ratio_of_its_branch() -> None:
    """r = 10, beta 0.1: -log S(1) = log(1 + e^-1) = 0.31326169."""
    loss = Anchor(CHOSEN).loss(Batch({CHOSEN: off_by(10.0)}))
    assert loss.tolist() == pytest.approx([0.31326169])


def test_imitate_is_its_weight_times_the_mean_negative_log_prob() -> None:
    """Tokens -1 and -3, padding after them: 0.5 x 2 = 1."""
    chosen = one([-1.0, -3.0, 0.0], mask=[True, True, False])
    assert Imitate(CHOSEN, weight=0.5).loss(Batch({CHOSEN: chosen})).tolist() == [1.0]


def two_pairs(*, spans: list[list[bool]] | None = None) -> Scores:
    """Two pairs of two and one tokens over two words; policy (0.5, 0.5), reference (0.8, 0.2) at the first
    pair's first token and at the second pair's, equal at the first pair's second."""
    policy = torch.zeros(3, 2, requires_grad=True)
    return Scores(
        logps=torch.full((2, 2), -LN_2),
        mask=torch.tensor([[True, True], [True, False]]),
        reference=torch.tensor([[math.log(0.8), -LN_2], [math.log(0.8), 0.0]]),
        spans=None if spans is None else torch.tensor(spans),
        distribution=whole(
            policy=policy.log_softmax(dim=-1),
            reference=torch.tensor([[0.8, 0.2], [0.5, 0.5], [0.8, 0.2]]).log(),
            pair=torch.tensor([0, 0, 1]),
            column=torch.tensor([0, 1, 0]),
        ),
    )


def test_token_kl_is_a_weighted_sum_of_both_directions_over_each_pairs_tokens() -> None:
    """KL(ref || policy) = 0.19274475, KL(policy || ref) = 0.22314355 (see test_losses) at one token of each
    pair, 0 at the other: 0.01 x (0.3 x 0.19274475 + 0.7 x 0.22314355) = 0.00214024 for either pair."""
    term = TokenKL(CHOSEN, forward=0.3, reverse=0.7, weight=0.01)
    loss = term.loss(Batch({CHOSEN: two_pairs()}))
    assert loss.tolist() == pytest.approx([0.00214024, 0.00214024], rel=1e-5)


def test_token_kl_over_spans_leaves_the_other_tokens_out() -> None:
    """Spans on the first pair's second token, where policy = reference, and on the second pair's only one."""
    term = TokenKL(CHOSEN, where="spans", weight=1.0)
    loss = term.loss(Batch({CHOSEN: two_pairs(spans=[[False, True], [True, False]])}))
    assert loss.tolist() == pytest.approx([0.0, 0.19274475])


def test_prefer_over_argmax_reads_the_noised_images_tokens_under_the_clean_image() -> None:
    """Pair 0 has z = (1, 0): log-ratios ln 0.5/0.2 + ln 0.5/0.5 = 0.91629073, and its own response
    ln 0.5/0.8 + 0 = -0.47000363: margin -1.38629436 = -ln 4, log(1 + 4^0.1) = 0.76485961.
    Pair 1 has z = 0, its own response: margin 0, ln 2."""
    z = torch.tensor([[1, 0], [0, 0]])
    batch = Batch({CHOSEN: two_pairs()}, argmaxes={Branch.REJECTED_IMAGE: z})
    loss = PreferOverArgmax(CHOSEN, noised=Branch.REJECTED_IMAGE).loss(batch)
    assert loss.tolist() == pytest.approx([math.log1p(4**0.1), LN_2])
    half = PreferOverArgmax(CHOSEN, noised=Branch.REJECTED_IMAGE, weight=0.5).loss(batch)
    assert half.tolist() == pytest.approx([value / 2 for value in loss.tolist()])


def test_reinforce_is_a_mean_of_rewarded_log_probs() -> None:
    """Log-probs -1, -2; rewards 2, -0.5: -(-2 + 1) / 2 = 0.5; with weight 3: 1.5."""
    chosen = replace(one([-1.0, -2.0]), rewards=torch.tensor([[2.0, -0.5]]))
    assert Reinforce(CHOSEN, weight=3.0).loss(Batch({CHOSEN: chosen})).tolist() == [1.5]


# Which way it pushes


@pytest.mark.parametrize("term", [DPO[0], FIRE_RANK[0]], ids=["all tokens", "spans"])
def test_a_wider_margin_lowers_the_loss(term: Term) -> None:
    in_span = torch.tensor([[True]])
    rejected = replace(off_by(0.0), spans=in_span)
    losses = [
        term.loss(Batch({CHOSEN: replace(off_by(ratio), spans=in_span), REJECTED: rejected})).item()
        for ratio in (-20.0, -1.0, 0.0, 1.0, 20.0)
    ]
    assert losses == sorted(set(losses), reverse=True)


def test_prefer_lifts_the_chosen_and_lowers_the_rejected_tokens() -> None:
    """At margin 0 each token's gradient is -+ beta / 2 = -+ 0.05."""
    chosen, rejected = one([-1.0, -2.0], [-1.0, -2.0]), one([-3.0], [-3.0])
    loss_of(DPO, Batch({CHOSEN: chosen, REJECTED: rejected})).sum().backward()
    assert gradient(chosen) == pytest.approx([-0.05, -0.05])
    assert gradient(rejected) == pytest.approx([0.05])


def test_padding_gets_no_gradient() -> None:
    chosen = one([-1.0, -50.0], [-3.0, -7.0], mask=[True, False])
    rejected = one([-1.0, -50.0], [-1.0, -9.0], mask=[True, False])
    objective = (*DPO, Anchor(CHOSEN), Imitate(CHOSEN))
    loss_of(objective, Batch({CHOSEN: chosen, REJECTED: rejected})).sum().backward()
    assert chosen.log_ratio().tolist() == [2.0]
    assert gradient(chosen)[0] < 0 == gradient(chosen)[1]
    assert gradient(rejected)[0] > 0 == gradient(rejected)[1]


def test_tokens_outside_the_spans_get_no_gradient() -> None:
    """Of three tokens and the end of turn, the second is a span."""
    spans = [False, True, False, False]
    chosen = one([-1.0, -2.0, -3.0, -0.5], [-2.0] * 4, spans=spans)
    rejected = one([-1.0, -2.0, -3.0, -0.5], [-2.0] * 4, spans=spans)
    loss = Prefer(CHOSEN, over=REJECTED, where="spans").loss(Batch({CHOSEN: chosen, REJECTED: rejected}))
    loss.sum().backward()
    assert [value != 0 for value in gradient(chosen)] == spans
    assert [value != 0 for value in gradient(rejected)] == spans


def test_a_weight_scales_its_own_pairs_loss_and_a_weight_of_0_stops_its_gradient() -> None:
    """Three pairs at margin 0 with weights 0, 0.75 and 1.25: ln 2 times each, and gradients -0.05 times
    each."""
    logps = torch.full((3, 1), -1.0, requires_grad=True)
    chosen = Scores(logps, torch.ones(3, 1, dtype=torch.bool), reference=torch.full((3, 1), -1.0))
    both = replace(chosen, logps=torch.full((3, 1), -1.0))
    weights = torch.tensor([0.0, 0.75, 1.25])
    loss = loss_of(MMEDPO, Batch({CHOSEN: chosen, Branch.REJECTED_BOTH: both}, weights=weights))
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0.0, 0.75 * LN_2, 1.25 * LN_2])
    assert logps.grad is not None
    assert logps.grad[:, 0].tolist() == pytest.approx([0.0, -0.0375, -0.0625])


def test_token_kl_pulls_the_policy_towards_the_reference() -> None:
    """The forward KL's gradient by the logits is softmax - reference: (-0.3, 0.3), then none."""
    logits = torch.zeros(2, 2, requires_grad=True)
    at = whole(
        policy=logits.log_softmax(dim=-1),
        reference=torch.tensor([[0.8, 0.2], [0.5, 0.5]]).log(),
        pair=torch.tensor([0, 0]),
        column=torch.tensor([0, 1]),
    )
    chosen = replace(one([-1.0, -1.0], [-1.0, -1.0]), distribution=at)
    TokenKL(CHOSEN, weight=1.0).loss(Batch({CHOSEN: chosen})).sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([-0.3, 0.3, 0.0, 0.0], abs=1e-7)


def test_prefer_over_argmax_makes_the_noised_images_token_rarer() -> None:
    """One token over two words, z = 1, margin 0: log S has the slope 1/2, so the logits' gradient is
    0.05 x (onehot(1) - softmax) = 0.05 x (-0.5, 0.5): word 1 goes down."""
    logits = torch.zeros(1, 2, requires_grad=True)
    at = whole(
        policy=logits.log_softmax(dim=-1),
        reference=torch.full((1, 2), -LN_2),
        pair=torch.tensor([0]),
        column=torch.tensor([0]),
    )
    chosen = replace(one([-1.0], [-1.0]), distribution=at)
    z = {Branch.REJECTED_IMAGE: torch.tensor([[1]])}
    term = PreferOverArgmax(CHOSEN, noised=Branch.REJECTED_IMAGE)
    term.loss(Batch({CHOSEN: chosen}, argmaxes=z)).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-0.025, 0.025])
    assert gradient(chosen) == pytest.approx([-0.05])


def test_reinforce_follows_the_sign_of_each_tokens_reward() -> None:
    chosen = replace(one([-1.0, -2.0, -3.0]), rewards=torch.tensor([[2.0, -0.5, 0.0]]))
    Reinforce(CHOSEN).loss(Batch({CHOSEN: chosen})).sum().backward()
    assert gradient(chosen) == pytest.approx([-2 / 3, 0.5 / 3, 0.0])


# What a missing half means


def test_a_half_that_equals_the_chosen_one_turns_mmedpo_into_dpo_or_copo() -> None:
    """A text pair's "both rejected" is the rejected response under the chosen image, a visual pair's the
    chosen response under the rejected image: with weight 1 the loss is DPO's, or CoPO's."""
    chosen, text, visual = off_by(2.0), off_by(-3.0), off_by(0.5)
    branches = {CHOSEN: chosen, REJECTED: text, Branch.REJECTED_IMAGE: visual}
    weights = torch.ones(1)
    of_text = loss_of(MMEDPO, Batch({**branches, Branch.REJECTED_BOTH: text}, weights=weights))
    of_visual = loss_of(MMEDPO, Batch({**branches, Branch.REJECTED_BOTH: visual}, weights=weights))
    assert of_text.tolist() == loss_of(DPO, Batch(branches)).tolist()
    assert of_visual.tolist() == loss_of(COPO, Batch(branches)).tolist()


def test_a_skipped_pair_has_neither_loss_nor_gradient_in_that_term_and_the_others_do() -> None:
    """Two pairs at step 0, the second without a rejected image: (1 + 0.1) ln 2 = 0.7625 and ln 2."""
    batch = one([-1.0] * 3, [-1.0] * 3, spans=[False, True, False])
    two = replace(
        batch,
        **{name: torch.cat([getattr(batch, name)] * 2) for name in ("logps", "mask", "reference", "spans")},
        distribution=None,
    )
    on_image = torch.full((2, 3), -1.0, requires_grad=True)
    rejected = replace(two, logps=on_image, present=torch.tensor([True, False]))
    branches = {branch: rejected if branch.on_rejected_image else two for branch in Branch}
    loss = loss_of(FIRE_RANK, Batch(branches))
    assert loss.tolist() == pytest.approx([(1 + GAMMA) * LN_2, LN_2])
    other = {**branches, Branch.REJECTED_IMAGE: replace(two, present=rejected.present)}
    loss_of(FIRE_RANK, Batch(other)).sum().backward()
    assert on_image.grad is not None
    assert on_image.grad.flatten().tolist() == pytest.approx([0.0, -0.005, 0.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        pytest.param(DPO, {CHOSEN: "refuse", REJECTED: "refuse"}, id="dpo"),
        pytest.param(MMEDPO, {CHOSEN: "refuse", Branch.REJECTED_BOTH: "chosen"}, id="mmedpo"),
        pytest.param(
            FIRE_MPO,
            {
                CHOSEN: "refuse",
                REJECTED: "refuse",
                Branch.REJECTED_IMAGE: "skip",
                Branch.REJECTED_BOTH: "skip",
            },
            id="fire_mpo",
        ),
        pytest.param(
            POVID_2,
            {CHOSEN: "refuse", Branch.REJECTED_IMAGE: "refuse", REJECTED: "refuse"},
            id="povid stage 2",
        ),
    ],
)
def test_what_a_missing_half_means_is_declared_by_the_terms(
    objective: Objective, expected: dict[Branch, str]
) -> None:
    assert missing_halves(objective) == expected


def test_terms_that_disagree_about_a_missing_half_are_refused() -> None:
    skipping = Prefer(CHOSEN, over=Branch.REJECTED_IMAGE, missing="skip")
    with pytest.raises(BadDeclaration, match="without rejected_images means: 'refuse' and 'skip'"):
        missing_halves((*COPO, skipping))


# What it reads


@pytest.mark.parametrize(
    ("objective", "branches", "needed"),
    [
        pytest.param((Imitate(CHOSEN),), (CHOSEN,), (), id="sft"),
        pytest.param(DPO, (CHOSEN, REJECTED), (), id="dpo"),
        pytest.param(MMEDPO, (CHOSEN, Branch.REJECTED_BOTH), ("weight",), id="mmedpo"),
        pytest.param(
            FIRE_MPO,
            (CHOSEN, REJECTED, Branch.REJECTED_IMAGE, Branch.REJECTED_BOTH),
            ("spans",),
            id="fire_mpo",
        ),
        pytest.param(POVID_2, (CHOSEN, REJECTED), (), id="povid stage 2"),
        pytest.param(REINFORCE, (CHOSEN,), ("rewards",), id="reinforce"),
    ],
)
def test_branches_and_needs_follow_from_the_terms(
    objective: Objective, branches: tuple[Branch, ...], needed: tuple[str, ...]
) -> None:
    assert branches_of(objective) == branches
    assert needs(objective) == needed


def test_mdpo_reads_three_branches_and_never_the_one_with_both_rejected() -> None:
    assert branches_of(get_variant("mdpo").objective) == (CHOSEN, REJECTED, Branch.REJECTED_IMAGE)


def test_the_whole_vocabulary_is_read_at_all_tokens_if_any_term_reads_all() -> None:
    spans, everywhere = TokenKL(CHOSEN, where="spans"), TokenKL(CHOSEN, where="all")
    assert distributions_of(DPO) == {}
    assert distributions_of((spans,)) == {CHOSEN: "spans"}
    assert distributions_of((spans, everywhere)) == {CHOSEN: "all"}
    assert distributions_of((everywhere, spans)) == {CHOSEN: "all"}
    assert distributions_of(POVID_2) == {CHOSEN: "all"}


def test_only_the_term_with_its_own_response_reads_the_likeliest_tokens() -> None:
    assert argmaxes_of(POVID_2) == (Branch.REJECTED_IMAGE,)
    assert argmaxes_of(FIRE_MPO) == ()


def test_only_imitation_and_reinforcement_need_no_reference() -> None:
    assert not needs_reference((Imitate(CHOSEN), Reinforce(CHOSEN)))
    assert needs_reference((Imitate(CHOSEN), Anchor(CHOSEN)))
    assert needs_reference((Reinforce(CHOSEN), TokenKL(CHOSEN)))


def test_weights_are_normalised_one_way_or_not_at_all() -> None:
    assert weighting_of(DPO) is None
    assert weighting_of(MMEDPO) == "rescaled"
    assert weighting_of((*MMEDPO, *DPO)) == "rescaled"
    with pytest.raises(BadDeclaration, match="raw, rescaled"):
        weighting_of((*MMEDPO, replace(MMEDPO[0], weights="raw")))


@pytest.mark.parametrize(
    ("term", "lacks"),
    [
        (Prefer(CHOSEN, over=REJECTED), "reference"),
        (Prefer(CHOSEN, over=REJECTED, where="spans"), "spans"),
        (Prefer(CHOSEN, over=REJECTED, weights="raw"), "weights"),
        (TokenKL(CHOSEN), "whole vocabulary"),
        (PreferOverArgmax(CHOSEN, noised=Branch.REJECTED_IMAGE), "likeliest tokens"),
        (Reinforce(CHOSEN), "rewards"),
    ],
)
def test_what_a_term_reads_and_was_not_given_is_an_error_and_not_a_zero(term: Term, lacks: str) -> None:
    bare = one([-1.0], None if lacks == "reference" else [-1.0])
    with pytest.raises(ValueError, match=lacks):
        term.loss(Batch({CHOSEN: bare, REJECTED: bare}))


# How it travels


def test_an_objective_as_data_names_every_term_and_number() -> None:
    prefer = {
        "term": "Prefer",
        "preferred": "chosen",
        "over": "rejected_response",
        "beta": 0.1,
        "where": "all",
        "weight": 1.0,
        "missing": "refuse",
        "weights": None,
    }
    kl = {
        "term": "TokenKL",
        "branch": "chosen",
        "where": "spans",
        "forward": 0.5,
        "reverse": 0.5,
        "weight": 0.01,
    }
    assert as_data(get_variant("mdpo").objective) == [
        prefer,
        {**prefer, "over": "rejected_image"},
        {"term": "Anchor", "branch": "chosen", "beta": 0.1, "delta": 0.0},
    ]
    assert as_data(FIRE_MPO[2:]) == [kl]
