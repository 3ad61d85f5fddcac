"""One way to load any data set; the phantom's splits, samples and fingerprints."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from zoo.cli.datasets import datasets as datasets_verb
from zoo.datasets import datasets, load_questions
from zoo.datasets.phantom import SCANS, SPLIT_SEEDS
from zoo.errors import BadInput, UnknownName


def test_every_data_set_of_the_folder_says_its_name_terms_and_where_it_is_read_from():
    assert datasets()
    for name, dataset in datasets().items():
        assert dataset.name == name
        assert dataset.license
        assert dataset.about
        assert dataset.splits
        assert (dataset.layout == "") == (name == "phantom")


@pytest.mark.parametrize(
    "split", [pytest.param("pretrain", marks=pytest.mark.slow), "train", "validation", "test"]
)
def test_the_phantom_loads_each_of_its_splits(split):
    assert load_questions("phantom", split, limit=8).questions


def test_the_verb_lists_every_data_set_with_its_terms_and_prints_one_in_full():
    listed = CliRunner().invoke(datasets_verb, []).output.splitlines()
    assert [line.split()[0] for line in listed[:-2]] == sorted(datasets())
    assert listed[-1].endswith("medzoo datasets NAME")
    assert any(
        "mimic-cxr" in line and "never published" in line and "stay on this machine" in line
        for line in listed
    )
    shown = CliRunner().invoke(datasets_verb, ["slake"]).output
    assert "splits: train, validation, test, official-train, official-validation, official-test" in shown
    assert "BoKelvin/SLAKE@a9083ce6c34ac3ffb17671a605962924d8a8f9e9" in shown


def test_an_unknown_data_set_or_split_is_refused_with_a_near_name():
    with pytest.raises(UnknownName, match="'phantom'"):
        load_questions("phantoms", "test")
    with pytest.raises(UnknownName, match="'train'"):
        load_questions("phantom", "trian")


def test_no_two_splits_share_a_scan():
    seeds = [SPLIT_SEEDS[split] + index for split, count in SCANS.items() for index in range(count)]
    assert len(seeds) == len(set(seeds))


def test_question_ids_are_unique_and_every_image_and_region_opens():
    asked = load_questions("phantom", "validation")
    assert len({q.id for q in asked.questions}) == len(asked.questions)
    for question in asked.questions[:100]:
        image = asked.open_image(question.images[0])
        assert (image.mode, image.size) == ("L", (128, 128))
        for region in asked.regions(question.images[0]):
            assert region.is_finding
            assert (region.mask.mode, region.mask.size) == ("L", image.size)
            assert set(np.unique(np.asarray(region.mask))) == {0, 255}


@pytest.mark.parametrize(
    "name",
    [
        "phantom/test/999999.png",
        "phantom/nowhere/000001.png",
        "../000001.png",
    ],
)
def test_a_name_that_is_no_scan_is_refused(name):
    with pytest.raises(BadInput, match="no image"):
        load_questions("phantom", "test", limit=1).open_image(name)


def test_a_sample_is_even_over_types_and_over_yes_and_no():
    asked = load_questions("phantom", "test", limit=400).questions
    assert len(asked) == 400
    assert set(Counter(q.question_type for q in asked).values()) == {50}
    answers = Counter(q.answer for q in asked if q.options == ("Yes", "No"))
    assert abs(answers["Yes"] - answers["No"]) <= 8


def test_a_sample_is_the_same_for_the_same_seed_and_differs_for_another():
    first, again, other = (load_questions("phantom", "train", limit=64, seed=seed) for seed in (1, 1, 2))
    assert first.questions == again.questions
    assert {q.id for q in first.questions} != {q.id for q in other.questions}
    assert load_questions("phantom", "train", limit=16, seed=1).questions == first.questions[:16]


def test_the_fingerprint_depends_on_questions_their_order_and_the_pixels():
    asked = load_questions("phantom", "test", limit=6)
    assert asked.fingerprint == load_questions("phantom", "test", limit=6).fingerprint
    turned = dataclasses.replace(asked, questions=asked.questions[::-1])
    dimmed = dataclasses.replace(
        asked, open_image=lambda name: asked.open_image(name).point(lambda v: v // 2)
    )
    assert len({asked.fingerprint, turned.fingerprint, dimmed.fingerprint}) == 3


def test_every_phantom_question_comes_with_a_false_answer_of_its_kind():
    asked = load_questions("phantom", "validation")
    truths: dict[str, set[str]] = {}
    for question in asked.questions:
        truths.setdefault(question.question_type, set()).add(question.answer)
    assert len(asked.given) == len(asked.questions)
    for question in asked.questions:
        rejected = asked.given[question.id].rejected
        assert rejected != question.answer
        assert rejected in (question.options or truths[question.question_type])


def test_every_data_set_says_what_to_beware_of_and_one_of_patients_speaks_of_privacy():
    for name, dataset in datasets().items():
        assert dataset.risks, name
        if name not in ("phantom", "records"):
            kinds = {risk.partition(":")[0] for risk in dataset.risks}
            assert {"Bias", "Risk", "Privacy"} == kinds, name
