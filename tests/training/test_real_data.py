"""Real scans with their masks: pairs of three variants, every drop counted, and an adapter of MMedPO's own
weighted pairs."""

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from training.data import epoch_batches, read_pair_set
from training.pairs.report import PairReport
from training.stages import Job, Sources, make_pairs, run_stages
from training.variants import get_variant
from training.weights import normalise
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.manifest import read_manifest
from zoo.records import PreferencePair, read_jsonl
from zoo.vlm.bank import AdapterBank
from zoo.vlm.model import VisionLanguageModel, load_base

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the slice of real data is not at hand")
HALVES = {"mmedpo": 2, "targeted_mdpo": 1, "fire_mpo": 1}
"""Variant -> the pairs that a question may give."""
GIVEN = {"halves": "text", "text": "given"}
"""MMedPO on the pairs and weights that its authors released."""


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load_base(get_base("phantom"))


def questions(dataset: str, limit: int) -> QuestionSet:
    return load_questions(dataset, "train", limit=limit, data_dir=REAL)


def made(
    name: str,
    asked: QuestionSet,
    out: Path,
    vlm: VisionLanguageModel,
    settings: Mapping[str, str] | None = None,
) -> tuple[PairReport, list[PreferencePair]]:
    variant = get_variant(name, settings or {})
    report = make_pairs(variant, vlm.base, Sources(questions=asked, seed=0), out, vlm=vlm)
    return report, list(read_jsonl(out / "pairs.jsonl", PreferencePair))


@pytest.mark.parametrize(
    ("name", "dataset", "limit"), [("mmedpo", "slake", 24), ("targeted_mdpo", "records", 80)]
)
def test_every_real_question_gives_its_pairs_or_is_counted_with_a_reason(
    name: str, dataset: str, limit: int, tmp_path: Path, vlm: VisionLanguageModel
) -> None:
    report, pairs = made(name, questions(dataset, limit), tmp_path / "pairs", vlm)
    assert report.questions == limit
    assert report.kept == len(pairs) > 0
    assert sum(report.dropped.values()) > 0, "a slice on which nothing is dropped shows nothing"
    assert report.kept + sum(report.dropped.values()) == HALVES[name] * limit
    for pair in pairs:
        for image in (*pair.images, *(pair.rejected_images or ())):
            Image.open(tmp_path / "pairs" / image).load()
    if name == "mmedpo":
        visual = [p for p in pairs if p.rejected_images]
        assert {p.made_by["roi"].partition(":")[0] for p in visual} == {"mask", "box"}
        assert all(p.weight is not None for p in pairs)


def test_a_lesion_is_noised_inside_its_annotated_region_and_nowhere_else(
    tmp_path: Path, vlm: VisionLanguageModel
) -> None:
    asked = questions("slake", 24)
    report, pairs = made("fire_mpo", asked, tmp_path / "pairs", vlm)
    assert report.kept + sum(report.dropped.values()) == HALVES["fire_mpo"] * 24
    inside = [p for p in pairs if "roi" in p.made_by]
    assert len(inside) > 5
    for pair in inside:
        assert pair.rejected_images is not None
        true, worse = (
            Image.open(tmp_path / "pairs" / n).convert("RGB") for n in (*pair.images, *pair.rejected_images)
        )
        changed = np.asarray(ImageChops.difference(true, worse)).any(axis=2)
        annotated = np.zeros_like(changed)
        for region in asked.regions(pair.made_by["roi_image"]):
            annotated |= np.asarray(region.mask) > 0
        left, top, width, height = pair.made_by["roi_box"]
        assert changed.any(), pair.id
        assert not changed[~annotated].any(), pair.id
        changed[top : top + height, left : left + width] = False
        assert not changed.any(), pair.id


def test_the_released_weights_of_real_pairs_weigh_the_loss_and_the_adapter_reloads(
    tmp_path: Path, vlm: VisionLanguageModel
) -> None:
    """At step 0 each pair's loss is its weight times log 2, so the first loss is log 2 times the batch's mean
    weight, and log 2 without weights."""
    asked = questions("mmedpo", 32)
    report, pairs = made("mmedpo", asked, tmp_path / "pairs", vlm, GIVEN)
    assert report.kept + sum(report.dropped.values()) == 32
    assert {p.weight for p in pairs} == {asked.given[p.question_id].weight for p in pairs}
    assert len({p.weight for p in pairs}) > 2
    first = {}
    for weights in ("rescaled", "off"):
        variant = get_variant("mmedpo", {**GIVEN, "weights": weights})
        job = Job(
            sources=Sources(questions=asked, seed=0),
            seed=0,
            changes={"epochs": 1, "batch_size": 8, "learning_rate": 1e-3},
            pairs=tmp_path / "pairs",
        )
        out = tmp_path / weights
        manifest = run_stages(vlm, variant, job, out)
        assert manifest.training.steps == math.ceil(len(pairs) / 8)
        first[weights] = json.loads((out / "log.jsonl").read_text().splitlines()[0])["loss"]
        AdapterBank(load_base(vlm.base), slots=2).load(1, out, read_manifest(out))
    in_order = read_pair_set(tmp_path / "pairs", get_variant("mmedpo", GIVEN), base=vlm.base.pinned).pairs
    weight = normalise(in_order, "rescaled")
    batch = epoch_batches(len(pairs), batch_size=8, epoch=0, seed=0)[0]
    expected = statistics.fmean(weight[n] for n in batch) * math.log(2)
    assert first["off"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["rescaled"] == pytest.approx(expected, abs=1e-5)
    assert abs(first["rescaled"] - first["off"]) > 1e-3
