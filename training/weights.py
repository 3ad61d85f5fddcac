"""The weights of a pair set as the loss reads them. Knows nothing of how a weight came about."""

import math
import statistics
from collections.abc import Sequence

from training.objective import Weighting
from zoo.errors import BadRecord
from zoo.records import PreferencePair

LOWEST, HIGHEST = 0.75, 1.25
_MEAN, _VARIANCE = 1.0, 0.1


def normalise(pairs: Sequence[PreferencePair], how: Weighting) -> list[float]:
    """The weight of each pair, in their order.

    - `raw`: as the pair has it.
    - `paper_literal`: (s - mu) / sigma, mu 1 and sigma^2 0.1 (sigma 0.316), clipped to [0.75, 1.25], as
      MMedPO prints it (Zhu et al. 2025, arXiv 2412.06141). Every score from 0 to 1 so becomes 0.75.
    - `rescaled`: 1 + sqrt(0.1) (s - mean) / std, clipped to [0.75, 1.25]: ours, so that mean and variance
      are the printed ones. Mean and (population) std are over the pairs with the same rejected half, whose
      weights come from one source; where they are all equal, each becomes 1.

    Raises:
        BadRecord: a pair has no weight, or one that is negative or not finite.
    """
    found = [_weight(pair) for pair in pairs]
    if how == "raw":
        return found
    if how == "paper_literal":
        return [_clipped((weight - _MEAN) / math.sqrt(_VARIANCE)) for weight in found]
    kinds = [(pair.rejected is not None, pair.rejected_images is not None) for pair in pairs]
    spread = {
        kind: _spread([w for w, k in zip(found, kinds, strict=True) if k == kind]) for kind in set(kinds)
    }
    return [_rescaled(weight, *spread[kind]) for weight, kind in zip(found, kinds, strict=True)]


def _weight(pair: PreferencePair) -> float:
    hint = "make the pairs with a step that weighs them, or train a variant that reads no weights"
    if pair.weight is None:
        raise BadRecord(f"pair {pair.id} has no weight, and the objective reads one", hint=hint)
    if not math.isfinite(pair.weight) or pair.weight < 0:
        raise BadRecord(f"pair {pair.id} has the weight {pair.weight}, which is no relevance", hint=hint)
    return pair.weight


def _spread(weights: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(weights), statistics.pstdev(weights)


def _rescaled(weight: float, mean: float, std: float) -> float:
    return _clipped(_MEAN + math.sqrt(_VARIANCE) * (weight - mean) / std) if std else _MEAN


def _clipped(weight: float) -> float:
    return min(max(weight, LOWEST), HIGHEST)
