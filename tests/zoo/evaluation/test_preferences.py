"""Preferences: by hand, by a slow optimiser, by raters whose taste is known; and what has no value."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from zoo.evaluation.bootstrap import Floats, Interval
from zoo.evaluation.preferences import Preferences, Ranking, Strength, fit, references


def ranked(question: int, **ranks: int) -> Ranking:
    return Ranking(question=question, ranks=ranks)


def by_two(a: int, tie: int, b: int) -> list[Ranking]:
    """Rankings of a and b: so often a was preferred, neither, b."""
    orders = [(1, 2)] * a + [(1, 1)] * tie + [(2, 1)] * b
    return [ranked(number, a=one, b=two) for number, (one, two) in enumerate(orders)]


def test_win_tie_and_loss_are_shares_of_the_questions_on_which_both_were_ranked() -> None:
    (found,) = Preferences([*by_two(3, 2, 1), ranked(9, a=1)]).pairs()
    values = [(one.value, one.n) for one in (found.win, found.tie, found.loss, found.lead)]
    assert (found.first, found.second) == ("a", "b")
    assert values == [
        (0.5, 6),
        (pytest.approx(1 / 3), 6),
        (pytest.approx(1 / 6), 6),
        (pytest.approx(1 / 3), 6),
    ]
    assert found.lead.holds_zero  # no difference in six questions


def test_a_question_that_several_raters_ranked_counts_once() -> None:
    rankings = [ranked(1, a=1, b=2), ranked(1, a=1, b=2), ranked(1, a=2, b=1), ranked(2, a=1, b=1)]
    (found,) = Preferences(rankings).pairs()
    shares = (found.win.value, found.tie.value, found.loss.value)
    assert shares == pytest.approx((2 / 3 / 2, 1 / 2, 1 / 3 / 2))
    assert found.win.n == 2


def test_questions_of_one_picture_are_drawn_together() -> None:
    """Two pictures, two questions each: a resample is of the first, the second or both."""
    one, two = [by_two(2, 0, 0), by_two(0, 0, 2)]
    rankings = [
        Ranking((unit, each.question), each.ranks, unit=unit)
        for unit, of in (("first", one), ("second", two))
        for each in of
    ]
    preferences = Preferences(rankings)
    (found,) = preferences.pairs()
    assert (found.win, found.units) == (Interval(0.5, 0.0, 1.0, 4), 2)
    assert set(preferences._draws[:, 0, 0]) == {0.0, 2.0, 4.0}
    (apart,) = Preferences([Ranking(each.question, each.ranks) for each in rankings]).pairs()
    assert apart.units == 4


def test_of_a_rater_who_ranked_two_adapters_twice_the_first_time_counts() -> None:
    def by(rater: str, **ranks: int) -> Ranking:
        return Ranking("q", ranks, rater=rater)

    pairs = Preferences([by("ann", a=1, b=2), by("ann", a=2, b=1, c=3), by("ben", a=2, b=1)]).pairs()
    found = {(pair.first, pair.second): (pair.win.value, pair.loss.value) for pair in pairs}
    assert found == {("a", "b"): (0.5, 0.5), ("a", "c"): (1.0, 0.0), ("b", "c"): (1.0, 0.0)}


def test_all_are_held_against_the_base_and_sft_or_else_the_first() -> None:
    variants = {"base": "", "ward/x": "sft", "sft": "dpo", "y": "dpo"}
    assert references(["base", "ward/x", "sft", "y"], variants) == ["base", "ward/x"]
    assert references(["ward/x", "y"], variants) == ["ward/x"]
    assert references(["y", "sft"], variants) == ["y"]
    assert references([], variants) == []


def test_the_strength_of_two_is_win_and_half_a_tie_with_half_of_the_added_tie() -> None:
    """(3 + 2 / 2 + 1 / 2) of 6 + 1."""
    (found,) = Preferences(by_two(3, 2, 1)).strengths("b")
    assert found.share is not None
    assert (found.adapter, found.share.value, found.share.n) == ("a", pytest.approx(4.5 / 7), 6)
    assert found.share.low < 0.5 < found.share.high
    assert not found.differs


def test_answers_that_always_tie_are_of_one_strength_to_the_last_digit() -> None:
    rankings = [ranked(n, base=1 + n % 2, x=2 - n % 2, same=2 - n % 2) for n in range(10)]
    x, same = Preferences(rankings).strengths("base")
    assert x.share == same.share
    assert x.share == Interval(0.5, x.share.low, x.share.high, 10)


def test_strengths_of_three_in_a_ring_by_hand() -> None:
    """Each beats the next on two questions of three: all are alike, by symmetry."""
    rankings = [
        one
        for n in range(0, 90, 9)
        for one in (
            *(ranked(n, a=1, b=2), ranked(n + 1, a=1, b=2), ranked(n + 2, a=2, b=1)),
            *(ranked(n + 3, b=1, c=2), ranked(n + 4, b=1, c=2), ranked(n + 5, b=2, c=1)),
            *(ranked(n + 6, c=1, a=2), ranked(n + 7, c=1, a=2), ranked(n + 8, c=2, a=1)),
        )
    ]
    found = Preferences(rankings).strengths("a")
    assert [one.share.value for one in found if one.share] == pytest.approx([0.5, 0.5])
    assert [one.share.n for one in found if one.share] == [60, 60]


def slow_fit(wins: Floats, rounds: int = 20_000) -> Floats:
    """Hunter 2004's MM algorithm: p_i <- wins_i / sum_j total_ij / (p_i + p_j)."""
    strengths = np.ones(len(wins))
    total = wins + wins.T
    for _ in range(rounds):
        strengths = wins.sum(axis=1) / (total / (strengths[:, None] + strengths)).sum(axis=1)
        strengths /= strengths[0]
    return np.asarray(np.log(strengths))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("most", [3, 1000])
def test_the_fit_is_that_of_a_slow_optimiser(seed: int, most: int) -> None:
    dice = np.random.default_rng(seed)
    wins = dice.integers(0, most, size=(3, 5, 5)) * (dice.random((3, 5, 5)) < 0.6) + 0.5
    wins *= 1 - np.eye(5)
    expected = np.stack([slow_fit(one) for one in wins])
    assert fit(wins, reference=0) == pytest.approx(expected, abs=1e-5)


def test_a_fit_settles_where_one_side_wins_a_million_times() -> None:
    """Wins are those that the strengths expect, which is what the likelihood's slope of zero says."""
    wins = np.array([[[0, 1e6, 0.5], [0.5, 0, 1e6], [0.5, 0.5, 0]]])
    logits = fit(wins, reference=2)[0]
    expected = 1 / (1 + np.exp(logits[None, :] - logits[:, None]))
    assert ((wins[0] + wins[0].T) * expected).sum(axis=1) == pytest.approx(wins[0].sum(axis=1), rel=1e-9)
    assert logits[2] == 0


def test_who_never_lost_or_never_won_has_a_reason_and_no_number() -> None:
    rankings = [*by_two(3, 2, 1), *(ranked(n, a=2, b=2, top=1, low=3) for n in range(20, 30))]
    found = {one.adapter: one for one in Preferences(rankings).strengths("a")}
    assert found["top"] == Strength(adapter="top", share=None, reason="above in all 10", side="above")
    assert found["low"] == Strength(adapter="low", share=None, reason="below in all 10", side="below")
    assert found["b"].share is not None
    assert found["b"].side == ""
    apart = [*by_two(3, 2, 1), *(ranked(n, b=2, top=1) for n in range(20, 30))]
    far = Strength(adapter="top", share=None, reason="above, by way of others alone", side="above")
    assert far in Preferences(apart).strengths("a")


def test_who_never_met_the_reference_has_a_reason_and_no_number() -> None:
    rankings = [*by_two(3, 2, 1), *(ranked(n, x=1 + n % 2, y=2 - n % 2) for n in range(20, 30))]
    found = {one.adapter: one.reason for one in Preferences(rankings).strengths("a")}
    apart = "never ranked beside a, nor beside any that was"
    assert found == {"b": "", "x": apart, "y": apart}
    met = [ranked(n, a=1, x=2) for n in range(5)] + [ranked(n, y=1, x=2) for n in range(5, 10)]
    reasons = {one.adapter: one.reason for one in Preferences(met).strengths("a")}
    assert reasons["y"] == "the rankings do not tell it from a"


def test_one_by_way_of_another_has_a_strength() -> None:
    """a and c never met; both met b, so logits add up, with the added tie."""
    rankings = [*by_two(6, 0, 3), *(ranked(n, b=1 + (n % 3 == 0), c=2 - (n % 3 == 0)) for n in range(9, 18))]
    found = {one.adapter: one.share for one in Preferences(rankings).strengths("c")}
    logit = math.log(6.5 / 3.5)
    assert found["b"] is not None
    assert found["b"].value == pytest.approx(0.65)
    assert found["a"] is not None
    assert found["a"].value == pytest.approx(1 / (1 + math.exp(-2 * logit)))


def test_rankings_of_one_adapter_say_nothing() -> None:
    found = Preferences([ranked(1, a=1), ranked(2, b=1)])
    assert (found.adapters, found.pairs()) == ((), [])
    with pytest.raises(ValueError, match="not in tuple"):
        found.strengths("a")


STRENGTH = {"base": 0.0, "sft": 0.3, "mdpo": 0.9}


def invented(dice: np.random.Generator, questions: int, names: Sequence[str]) -> list[Ranking]:
    """Rankings by Gumbel noise, whose pairs follow Bradley and Terry's model."""
    found = []
    for question in range(questions):
        worth = {name: STRENGTH[name] + dice.gumbel() for name in names}
        order = sorted(worth, key=worth.__getitem__, reverse=True)
        ranks = {name: order.index(name) + 1 for name in names}
        found.append(Ranking(question, ranks))
    return found


@pytest.mark.parametrize("questions", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_the_interval_holds_the_strength_at_the_stated_rate(questions: int) -> None:
    """Of 100 invented lists; a share of 0.95 of 200 intervals has a standard error of 0.015."""
    dice = np.random.default_rng(0)
    held = []
    for _ in range(100):
        for one in Preferences(invented(dice, questions, tuple(STRENGTH))).strengths("base"):
            assert one.share is not None
            truth = 1 / (1 + math.exp(-STRENGTH[one.adapter]))
            held.append(one.share.low <= truth <= one.share.high)
    print(f"{np.mean(held):.3f} of {len(held)} intervals, {questions} questions")
    assert 0.90 <= np.mean(held) <= 0.99


def test_eight_adapters_on_two_hundred_questions_meet_in_every_pair() -> None:
    dice = np.random.default_rng(0)
    rankings = []
    for question in range(200):
        places = dice.integers(1, 9, size=8)
        rankings.append(Ranking(question, {f"adapter {n}": int(place) for n, place in enumerate(places)}))
    found = Preferences(rankings)
    assert (len(found.pairs()), len(found.strengths("adapter 0"))) == (28, 7)
