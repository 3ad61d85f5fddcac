import pytest

from serving.engines.vllm.proof import prove_adapter, prove_base
from zoo.errors import BadAdapter, EngineFailed
from zoo.manifest import Probe

BASE = [-1.0, -4.0, -9.0, -16.0]


@pytest.fixture
def make_manifest(rig):
    """Call it for an adapter whose log-probs are `apart` from its base's, each."""
    told = rig.adapter("sft", seed=1).manifest
    words = {"image_seed": 5, "prompt": "Which side?", "response": "left"}

    def make(apart, *, dtype="bfloat16", **more):
        probe = Probe(**words, logps=moved(BASE, apart), base_logps=BASE)
        training = told.training.model_copy(update={"dtype": dtype})
        return told.model_copy(update={"probe": probe, "training": training} | more)

    return make


def moved(log_probs, by):
    """Each by so much, up and down in turn."""
    return [one + (-by if n % 2 else by) for n, one in enumerate(log_probs)]


def prove(manifest, *, far, base_far=0.0, dtype="bfloat16"):
    prove_adapter(moved(manifest.probe.logps, far), manifest, dtype=dtype, base_said=moved(BASE, base_far))


def test_in_float32_a_hundredth_is_another_adapter(make_manifest):
    manifest = make_manifest(2.0, dtype="float32")
    prove(manifest, far=9e-4, dtype="float32")
    with pytest.raises(BadAdapter, match=r"are 0\.01 from the manifest's, at most 0\.001 is rounding"):
        prove(manifest, far=0.01, dtype="float32")
    with pytest.raises(EngineFailed, match=r"are 0\.01 from its own, at most 0\.001"):
        prove_base(moved(BASE, 0.01), manifest, dtype="float32", base="phantom@1")


@pytest.mark.parametrize("training", [{"dtype": "bfloat16"}, {"quantization": "4bit"}])
def test_a_probe_taken_in_another_precision_is_compared_as_rounded(make_manifest, training):
    manifest = make_manifest(2.0, dtype="float32")
    told = manifest.model_copy(update={"training": manifest.training.model_copy(update=training)})
    prove(told, far=0.2, dtype="float32")
    prove_base(moved(BASE, 0.2), told, dtype="float32", base="phantom@1")
    with pytest.raises(EngineFailed, match=r"at most 0\.25 is rounding"):
        prove_base(moved(BASE, 0.3), told, dtype="float32", base="phantom@1")


@pytest.mark.parametrize(("base_far", "most"), [(0.0, 0.06), (0.05, 0.15)])
def test_how_far_an_adapter_may_be_follows_from_how_far_its_base_is(make_manifest, base_far, most):
    manifest = make_manifest(0.4)
    prove(manifest, far=most - 0.01, base_far=base_far)
    with pytest.raises(BadAdapter, match=f"at most {most:g} is rounding"):
        prove(manifest, far=most + 0.01, base_far=base_far)


def test_a_strong_adapter_may_be_an_eighth_of_its_effect_away_and_no_more(make_manifest):
    manifest = make_manifest(8.0)
    prove(manifest, far=0.9)
    with pytest.raises(BadAdapter, match=r"are 1\.1 from the manifest's, at most 1 is"):
        prove(manifest, far=1.1)


@pytest.mark.parametrize("base_far", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("apart", [0.05, 0.2, 1.0, 8.0])
def test_what_the_base_says_itself_is_never_taken_for_an_adapter(make_manifest, apart, base_far):
    manifest = make_manifest(apart)
    for base_said in (moved(BASE, base_far), moved(BASE, -base_far)):
        with pytest.raises(BadAdapter, match=r"cannot be seen|from the manifest's"):
            prove_adapter(base_said, manifest, dtype="bfloat16", base_said=base_said)


def test_an_adapter_nearer_to_its_base_than_two_roundings_cannot_be_told(make_manifest):
    near = make_manifest(0.1, dtype="float32")
    with pytest.raises(BadAdapter, match="cannot be seen") as error:
        prove(near, far=0.0)
    assert error.value.hint == "serve it with --engine embedded, or with vLLM in float32"
    prove(near, far=0.0, dtype="float32")


@pytest.mark.parametrize("said", [[], [-1.0], [float("nan"), *BASE[1:]]])
def test_too_few_log_probs_or_one_that_is_no_number_prove_nothing(make_manifest, said):
    manifest = make_manifest(2.0)
    for dtype in ("float32", "bfloat16"):
        with pytest.raises(BadAdapter, match="are inf from"):
            prove_adapter(said, manifest, dtype=dtype, base_said=BASE)
        with pytest.raises(EngineFailed, match="are inf from"):
            prove_base(said, manifest, dtype=dtype, base="phantom@1")


def test_one_that_shall_have_no_effect_may_be_as_the_base(make_manifest):
    prove(make_manifest(0.0, no_effect_expected=True), far=0.05)
