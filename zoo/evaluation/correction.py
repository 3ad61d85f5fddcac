"""Correction for many comparisons. Knows p-values alone."""

from collections.abc import Sequence

LEVEL = 0.05
"""At which corrected p-values are read."""
MARK = "†"
"""Behind a difference that does not survive the correction."""


def stands(adjusted_p: float) -> bool:
    """Whether a difference with that corrected p-value survives the correction."""
    return adjusted_p < LEVEL


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down method (Holm 1979): the chance of even one false difference in
    the family is at most the level at which the adjusted ones are read.

    The smallest of m is multiplied by m, the next by m - 1 and so on, none below the one before, at most 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return adjusted
