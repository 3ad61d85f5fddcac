"""Sampled tokens: by the probabilities they claim, each row by its own settings and seed."""

import pytest
import torch

from zoo.asking import Sampling
from zoo.vlm.dice import Dice


def drawn(scores: torch.Tensor, count: int = 6000, **settings: float) -> torch.Tensor:
    """One token of each of many rows with the same log-probs and seeds of their own."""
    dice = Dice([Sampling(seed=seed, **settings) for seed in range(count)])
    return dice.choose(scores.expand(count, -1), range(count))


def test_many_draws_come_to_the_probabilities_that_temperature_makes() -> None:
    """Log-odds ln 4 at temperature 2 are ln 2: probabilities 2/3 and 1/3."""
    found = drawn(torch.tensor([[4.0, 1.0]]).log(), temperature=2.0)
    assert found.float().mean().item() == pytest.approx(1 / 3, abs=0.02)


def test_top_p_keeps_the_fewest_tokens_that_hold_its_share() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.4]]).log()
    for top_p, kept in ((0.45, {1}), (0.6, {1, 2}), (0.95, {0, 1, 2}), (1.0, {0, 1, 2})):
        assert set(drawn(scores, 500, temperature=1.0, top_p=top_p).tolist()) == kept


def test_each_row_has_its_own_temperature_share_and_seed() -> None:
    scores = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    settings = [
        Sampling(),
        Sampling(temperature=2.0, seed=3),
        Sampling(temperature=0.7, top_p=0.8, seed=3),
        Sampling(temperature=2.0, seed=4),
    ]

    def run(samplings: list[Sampling]) -> list[list[int]]:
        dice = Dice(samplings)
        rows = range(len(samplings))
        return [dice.choose(scores.expand(len(rows), -1), rows).tolist() for _ in range(8)]

    together = run(settings)
    for place, sampling in enumerate(settings):
        assert [step[place] for step in together] == [step[0] for step in run([sampling])]
    assert {step[0] for step in together} == {int(scores.argmax())}
    assert len({tuple(column) for column in zip(*together, strict=True)}) == 4


def test_a_row_that_is_left_out_keeps_its_dice_for_later() -> None:
    scores = torch.zeros(1, 1000)
    samplings = [Sampling(temperature=1.0, seed=seed) for seed in range(2)]
    both, one = Dice(samplings), Dice(samplings)
    expected = [both.choose(scores.expand(2, -1), (0, 1)).tolist()[1] for _ in range(3)]
    found = [
        one.choose(scores.expand(2, -1), (0, 1)).tolist()[1],
        *(one.choose(scores, (1,)).item() for _ in "ab"),
    ]
    assert found == expected


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-38, 1e-40, 1e-300])
def test_at_the_smallest_temperatures_the_likeliest_token_is_drawn(temperature: float) -> None:
    scores = 10 * torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))
    scores[0, 700] = 60
    assert set(drawn(scores, 20, temperature=temperature).tolist()) == {700}
    assert set(drawn(scores, 20, temperature=temperature, top_p=0.5).tolist()) == {700}
