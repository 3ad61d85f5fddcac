"""Whether a model looks where the finding is: how its attention lies on the patches of a region.

After VGMED, as FiRe-MPO (arXiv 2606.12590) uses it: the attention of a question is
divided by that of a general description of the same image, so that what every prompt looks at cancels out.
Pure functions of numpy arrays; knows no model and no data set.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

GENERAL = "Write a general description of the image."
SUFFIX = "Answer the question using a single word or phrase."
"""What VGMED adds to both prompts, and FiRe-MPO leaves out."""
KL_EPSILON = 1e-12
JS_EPSILON = 1e-8


def relative_attention(question: Floats, general: Floats) -> Floats:
    """The attention of a question over that of the general description, token by token, (..., patches).

    No attention at all on a patch in the general description counts as the smallest that float32 has.
    """
    return np.asarray(question / np.maximum(general, np.finfo(np.float32).tiny), dtype=np.float64)


def attention_ratio(attention: Floats, mask: Mask) -> Floats:
    """AR = sum(A M) / ((sum A / N) |M|): the mean attention inside over that everywhere; 1 is chance.

    `attention` (..., patches), `mask` (patches,) with at least one patch inside.
    """
    return np.asarray(attention[..., mask].mean(axis=-1) / attention.mean(axis=-1))


def kl_divergence(attention: Floats, mask: Mask) -> Floats:
    """KL(M^ || A^) in nats, both normalised to sum 1: 0 where attention is spread evenly over the region and
    is nowhere else. `KL_EPSILON` is added within the logarithm."""
    region, spread = _normalised(attention, mask)
    return _kl(region, spread, KL_EPSILON)


def js_divergence(attention: Floats, mask: Mask) -> Floats:
    """The Jensen-Shannon divergence of the same two in nats: 0 to ln 2, with `JS_EPSILON`."""
    region, spread = _normalised(attention, mask)
    middle = (region + spread) / 2
    return (_kl(region, middle, JS_EPSILON) + _kl(spread, middle, JS_EPSILON)) / 2


def patch_mask(coverage: Floats) -> Mask | None:
    """The patches of which at least half lies inside a region, or those most inside where it is smaller than
    a patch; None where nothing of it is seen. Of coverages (rows, columns) as (patches,)."""
    flat, most = coverage.ravel(), float(coverage.max())
    if most < 0.01:  # what a filter spills over an edge is no sight of it
        return None
    return np.asarray(flat >= min(0.5, most))


def _normalised(attention: Floats, mask: Mask) -> tuple[Floats, Floats]:
    region = np.broadcast_to(mask / mask.sum(), attention.shape)
    return np.asarray(region), np.asarray(attention / attention.sum(axis=-1, keepdims=True))


def _kl(of: Floats, over: Floats, epsilon: float) -> Floats:
    return np.asarray((of * np.log((of + epsilon) / (over + epsilon))).sum(axis=-1))
