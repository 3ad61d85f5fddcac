"""The contrastive encoder that the phantom base declares: small, steady, and it tells right from wrong."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from zoo.bases import get_base
from zoo.datasets.phantom import scan_of
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.builders import phantom_encoder
from zoo.vlm.builders.phantom_encoder_card import measure_encoder
from zoo.vlm.similarity import PhraseSimilarity, load_similarity

LEAST = {  # share of right phrases that fit their scan better than a wrong one; chance is 0.5
    "modality": 0.98,
    "organ": 0.98,
    "kind": 0.93,
    "side": 0.95,
    "zone": 0.95,
    "size": 0.87,
    "whole phrase": 0.92,
}
PHRASES = ["CT", "left", "large nodule in the lower zone of the right lung", "Größe 肺", ""]


@pytest.fixture(scope="module")
def similarity() -> PhraseSimilarity:
    return load_similarity(get_base("phantom"))


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(scan_of("test", 0).pixels)


def test_right_phrases_are_told_from_wrong_ones_on_scans_never_learned_from(
    similarity: PhraseSimilarity,
) -> None:
    told = measure_encoder(similarity, scans=150)
    assert {name for name, least in LEAST.items() if told[name].within < least} == set(), told
    assert {name for name, least in LEAST.items() if told[name].across < least} == set(), told


def test_an_encoder_that_does_not_look_at_the_scan_is_measured_near_chance(
    similarity: PhraseSimilarity,
) -> None:
    def blind(image: Image.Image, phrases: list[str]) -> list[float]:
        return similarity(Image.new("L", image.size, 128), phrases)

    told = measure_encoder(blind, scans=60)  # type: ignore[arg-type]
    assert {name for name in LEAST if not 0.25 < told[name].across < 0.75} == set(), told


def test_a_phrase_has_the_same_cosine_whatever_else_is_asked(
    similarity: PhraseSimilarity, image: Image.Image
) -> None:
    cosines = similarity(image, PHRASES)
    assert similarity(image, PHRASES) == cosines
    fresh = load_similarity(get_base("phantom"))
    one_by_one = [fresh(image.convert("RGB"), [phrase])[0] for phrase in reversed(PHRASES)]
    assert one_by_one[::-1] == cosines
    assert all(-1 <= cosine <= 1 for cosine in cosines)
    assert len(set(cosines)) == len(PHRASES)


def test_a_phrase_may_be_of_any_length_and_case_and_there_may_be_none(
    similarity: PhraseSimilarity, image: Image.Image
) -> None:
    assert similarity(image, []) == []
    long, shout, whisper = similarity(image, ["nodule " * 500, "LARGE NODULE", "large nodule"])
    assert -1 <= long <= 1
    assert shout == pytest.approx(whisper, abs=1e-5)


def test_a_base_without_an_encoder_or_with_one_that_is_not_pinned_is_refused() -> None:
    base = get_base("phantom")
    with pytest.raises(BadInput, match="phantom declares no contrastive encoder"):
        load_similarity(replace(base, encoder=None))
    with pytest.raises(BadDeclaration, match="pinned to no commit"):
        load_similarity(replace(base, encoder="someone/clip"))


def test_the_folder_is_small_and_its_card_names_the_base_whose_tower_it_began_as() -> None:
    base = get_base("phantom")
    folder = Path(str(base.encoder))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1_500_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "not a medical device" in card
    assert base.pinned in card


def test_the_same_seed_builds_the_same_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom_encoder, "measure_encoder", partial(measure_encoder, scans=8))
    base = get_base("phantom")
    recipe = phantom_encoder.EncoderRecipe(scans=64, steps=3, batch=16, phrases=16)
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        phantom_encoder.build_encoder(tmp_path / name, base, replace(recipe, seed=seed))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "model.safetensors" in names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    weights = "model.safetensors"
    assert (tmp_path / "one" / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_a_phrase_fits_a_scan_whose_report_states_all_of_its_terms() -> None:
    seed = next(s for s in range(1000) if (f := phantom_encoder.make_scan(s).finding) and f.side == "left")
    scan = phantom_encoder.make_scan(seed)
    assert scan.finding is not None
    right = [scan.modality, f"left {scan.finding.zone}", f"{scan.finding.size} {scan.finding.kind}", "lesion"]
    wrong = ["right", "PET", f"right {scan.finding.zone}", f"no {scan.finding.kind}", "pneumothorax"]
    assert phantom_encoder.fits([*right, *wrong], [seed]).tolist() == [[True] * 4 + [False] * 5]
