"""Whether log-probs that vLLM gave are an adapter's, or the base's. Pure; knows no HTTP.

In float32 throughout they agree to about 1e-5, and the greatest difference is judged. Any other precision
rounds each by some hundredths up to one, the more the stronger an adapter is. There the root mean square is
judged, by a measure that the same vLLM gives: how far it is from what the manifest says of the base, on the
same words. `EXPERIMENTS.md` has what was seen.
"""

from collections.abc import Sequence

from zoo.errors import BadAdapter, EngineFailed
from zoo.manifest import AdapterManifest

EXACT = 1e-3
"""Most that a log-prob differs where base and probe were both computed in float32."""
ROUNDED = 0.25
"""Most that the base's differ in any other precision, root mean square."""
LEAST = 0.02
"""By which a base's few tokens may be near by luck: rounding counts as no less."""
TIMES = 3.0
"""An adapter's may be so many times as far as the base's."""
PART = 1 / 8
"""And so far of a strong one's own distance from its base: its rounding grows with it."""


def prove_base(said: Sequence[float], manifest: AdapterManifest, *, dtype: str, base: str) -> None:
    """Raise EngineFailed unless these are the base's."""
    exact = _exact(manifest, dtype)
    far, most = _apart(said, manifest.probe.base_logps, exact=exact), EXACT if exact else ROUNDED
    if far > most:
        raise EngineFailed(
            f"vLLM's base is not {base} in {dtype}: the probe's log-probs are {far:.3g} from its own, at "
            f"most {most:g} is rounding",
            hint=f"start vLLM as `medzoo vllm-args --base {base.partition('@')[0]}` prints",
        )


def prove_adapter(
    said: Sequence[float], manifest: AdapterManifest, *, dtype: str, base_said: Sequence[float]
) -> None:
    """Raise BadAdapter unless these are the adapter's, and could not be the base's; `base_said` is what vLLM
    gave for the base."""
    probe, exact, name = manifest.probe, _exact(manifest, dtype), manifest.variant.name
    effect = _apart(probe.logps, probe.base_logps, exact=exact)
    rounding = max(LEAST, _apart(base_said, probe.base_logps, exact=exact))
    most = EXACT if exact else max(TIMES * rounding, PART * effect)
    if not manifest.no_effect_expected and effect < 2 * most:
        raise BadAdapter(
            f"{name}: on its probe it is {effect:.3g} from the base and {most:.3g} may be rounding, so that "
            "vLLM applies it cannot be seen",
            hint="serve it with --engine embedded" + ("" if exact else ", or with vLLM in float32"),
        )
    far = _apart(said, probe.logps, exact=exact)
    if far > most:
        raise BadAdapter(
            f"{name}: under vLLM its probe's log-probs are {far:.3g} from the manifest's, at most {most:.3g} "
            f"is rounding; from the base's they are {_apart(said, probe.base_logps, exact=exact):.3g}",
            hint="`medzoo verify` judges the folder; --engine embedded serves what vLLM cannot",
        )


def _exact(manifest: AdapterManifest, dtype: str) -> bool:
    training = manifest.training
    return dtype == training.dtype == "float32" and not training.quantization


def _apart(one: Sequence[float], other: Sequence[float], *, exact: bool) -> float:
    """The greatest difference, or the root mean square of all; infinite where they cannot be compared."""
    if not one or len(one) != len(other):
        return float("inf")
    apart = [abs(a - b) for a, b in zip(one, other, strict=True)]
    if not all(a == a for a in apart):
        return float("inf")
    return max(apart) if exact else (sum(a * a for a in apart) / len(apart)) ** 0.5
