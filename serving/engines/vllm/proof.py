"""Whether log-probs that vLLM gave are an adapter's, or the base's. Pure; knows no HTTP.

In float32 throughout they agree to about 1e-5. Another precision rounds each by some hundredths up to tenths
(0.26 was seen in bfloat16, of a token at -16), so there they must be within a bound and nearer by half to the
adapter's than the base's own are.
"""

from collections.abc import Sequence

from zoo.errors import BadAdapter, EngineFailed
from zoo.manifest import AdapterManifest

EXACT = 1e-3
"""Most that a log-prob differs where base and probe were both computed in float32."""
ROUNDED = 0.5
"""Most that it differs in any other precision."""


def bound(manifest: AdapterManifest, dtype: str) -> float:
    """How far a log-prob may be from the manifest's."""
    training = manifest.training
    same = dtype == training.dtype == "float32" and not training.quantization
    return EXACT if same else ROUNDED


def prove_base(said: Sequence[float], manifest: AdapterManifest, *, dtype: str, base: str) -> None:
    """Raise EngineFailed unless these are the base's."""
    far, most = _apart(said, manifest.probe.base_logps), bound(manifest, dtype)
    if far > most:
        raise EngineFailed(
            f"vLLM's base is not {base} in {dtype}: a log-prob of the probe is {far:.3g} from its own, at "
            f"most {most:g} is rounding",
            hint=f"start vLLM as `medzoo vllm-args --base {base.partition('@')[0]}` prints",
        )


def prove_adapter(said: Sequence[float], manifest: AdapterManifest, *, dtype: str) -> None:
    """Raise BadAdapter unless these are the adapter's, and could not be the base's."""
    probe, most = manifest.probe, bound(manifest, dtype)
    name = manifest.variant.name
    far, base = _apart(said, probe.logps), _apart(probe.logps, probe.base_logps)
    if not manifest.no_effect_expected and base < 2 * most:
        raise BadAdapter(
            f"{name}: on its probe it is {base:.3g} from the base and {most:g} may be rounding, so that vLLM "
            "applies it cannot be seen",
            hint="serve it with --engine embedded" + ("" if most == EXACT else ", or with vLLM in float32"),
        )
    if far > most or (far > base / 2 and not manifest.no_effect_expected):
        raise BadAdapter(
            f"{name}: under vLLM a log-prob of its probe is {far:.3g} from the manifest's, at most {most:g} "
            f"is rounding; from the base's it is {_apart(said, probe.base_logps):.3g}",
            hint="`medzoo verify` judges the folder; --engine embedded serves what vLLM cannot",
        )


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The greatest difference; infinite where they cannot be compared."""
    if not one or len(one) != len(other):
        return float("inf")
    apart = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return max(apart) if all(a == a for a in apart) else float("inf")
