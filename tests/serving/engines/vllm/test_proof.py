import pytest

from serving.engines.vllm.proof import prove_adapter, prove_base
from zoo.errors import BadAdapter, EngineFailed


@pytest.fixture
def manifest(rig):
    """Its base's log-probs are -1, -2, ..., and its own are 2.1 less."""
    return rig.adapter("sft", seed=1).manifest


def moved(log_probs, by):
    return [log_probs[0] + by, *log_probs[1:]]


def test_in_float32_a_hundredth_is_another_adapter(manifest):
    own = manifest.probe.logps
    prove_adapter(moved(own, 9e-4), manifest, dtype="float32")
    with pytest.raises(BadAdapter, match=r"is 0\.01 from the manifest's, at most 0\.001 is rounding"):
        prove_adapter(moved(own, 0.01), manifest, dtype="float32")


@pytest.mark.parametrize("training", [{"dtype": "bfloat16"}, {"quantization": "4bit"}])
def test_a_probe_taken_in_another_precision_is_compared_as_rounded(manifest, training):
    told = manifest.model_copy(update={"training": manifest.training.model_copy(update=training)})
    prove_adapter(moved(told.probe.logps, 0.3), told, dtype="float32")
    prove_base(moved(told.probe.base_logps, 0.3), told, dtype="float32", base="phantom@1")


def test_in_bfloat16_some_tenths_are_rounding_and_more_is_not(manifest):
    prove_adapter(moved(manifest.probe.logps, 0.4), manifest, dtype="bfloat16")
    with pytest.raises(BadAdapter, match=r"is 0\.6 from"):
        prove_adapter(moved(manifest.probe.logps, 0.6), manifest, dtype="bfloat16")


def test_an_adapter_nearer_to_its_base_than_two_roundings_cannot_be_told(rig):
    near = rig.adapter("near", seed=0, apart=0.9).manifest
    with pytest.raises(BadAdapter, match="cannot be seen") as error:
        prove_adapter(near.probe.logps, near, dtype="bfloat16")
    assert error.value.hint == "serve it with --engine embedded, or with vLLM in float32"
    prove_adapter(near.probe.logps, near, dtype="float32")


@pytest.mark.parametrize("said", [[], [-1.0], "nan"])
def test_too_few_log_probs_or_one_that_is_no_number_prove_nothing(manifest, said):
    said = moved(manifest.probe.logps, float("nan")) if said == "nan" else said
    with pytest.raises(BadAdapter, match="is inf from"):
        prove_adapter(said, manifest, dtype="bfloat16")
    with pytest.raises(EngineFailed, match="is inf from"):
        prove_base(said, manifest, dtype="bfloat16", base="phantom@1")


def test_one_that_shall_have_no_effect_may_be_as_the_base(manifest):
    probe = manifest.probe.model_copy(update={"logps": manifest.probe.base_logps})
    empty = manifest.model_copy(update={"no_effect_expected": True, "probe": probe})
    prove_adapter(probe.base_logps, empty, dtype="float32")
