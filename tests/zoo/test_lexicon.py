"""Clinical terms: found whole, by the longest spelling, and swapped within their kind."""

import pytest

from zoo.lexicon import (
    GROUPS,
    alternatives,
    assert_denied,
    broader,
    contradictions,
    error_types,
    facts,
    find_terms,
    replace,
)
from zoo.phantom import vocabulary


def spellings(text: str) -> list[str]:
    return [text[f.start : f.end] for f in find_terms(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A CT of the left kidney", ["CT", "left", "kidney"]),
        ("right upper lobe nodule", ["right upper lobe", "nodule"]),
        ("nodular notches of us", []),
        ("US of the liver", ["US", "liver"]),
        ("No, the left lung.", ["No", "left", "lung"]),
        ("Chest X-ray, no effusion.", ["Chest", "X-ray", "effusion"]),
        ("Left basal ganglia, basal nodule", ["Left", "basal", "nodule"]),
        ("Basilar artery", []),
        ("The pancreatic head of the liver", ["liver"]),
    ],
)
def test_terms_are_found_whole_and_longest_first(text: str, found: list[str]) -> None:
    assert spellings(text) == found


def test_facts_are_equal_for_two_spellings_of_one_thing() -> None:
    assert facts("Sonography of the renal cyst") == facts("ultrasound: kidney, cysts")


def test_a_swap_stays_in_its_group_and_keeps_a_capital() -> None:
    text = "Left upper zone"
    side = find_terms(text)[0]
    assert alternatives(side) == ["right", "bilateral"]
    assert replace(text, side, "right") == "Right upper zone"


@pytest.mark.parametrize(
    ("text", "which", "new", "swapped"),
    [
        ("MRI of the lungs", 1, "kidney", "MRI of the kidneys"),
        ("cardiac nodule", 0, "liver", "hepatic nodule"),
        ("right upper lobe mass", 0, "LLL", "left lower lobe mass"),
        ("This is a CT.", 0, "MRI", "This is an MRI."),
        ("an effusion", 0, "mass", "a mass"),
    ],
)
def test_a_swap_keeps_the_form_and_mends_the_article(text: str, which: int, new: str, swapped: str) -> None:
    assert replace(text, find_terms(text)[which], new) == swapped


@pytest.mark.parametrize(
    ("truth", "answer", "mended"),
    [
        ("left lung", "RUL mass", "LUL mass"),
        ("left lung", "Right upper lobe mass", "Left upper lobe mass"),
        ("left lung", "RML mass", "Left middle lobe mass"),
        ("RUL", "mass in the left lung", "mass in the right lung"),
    ],
)
def test_a_lobe_whose_side_is_contradicted_becomes_that_of_the_other_side(
    truth: str, answer: str, mended: str
) -> None:
    (found,) = contradictions(truth, answer)
    assert replace(answer, found.answer, found.truth.term[0]) == mended


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("No effusion.", ["effusion"]),
        ("No effusion, pneumothorax or consolidation; a mass", ["effusion", "pneumothorax", "consolidation"]),
        ("No effusion, small left nodule", ["effusion"]),
        ("No evidence of mass but there is a cyst", ["mass"]),
        ("The effusion is not seen.", ["effusion"]),
        ("Lung without nodules. A cyst.", ["nodules"]),
        ("No, it is a mass", []),
        ("Nodule in the left lung", []),
    ],
)
def test_a_negation_reaches_its_findings_and_no_further(text: str, denied: list[str]) -> None:
    assert [text[f.start : f.end] for f in find_terms(text) if f.negated] == denied


def test_a_denied_finding_is_another_fact_than_the_finding() -> None:
    assert facts("No effusion") == {("finding", "no effusion")}
    assert facts("Effusion") == {("finding", "effusion")}


@pytest.mark.parametrize(
    ("text", "asserted"),
    [
        ("There is no effusion.", "There is an effusion."),
        ("No nodules are seen.", "Some nodules are seen."),
        ("Lung without cyst", "Lung with cyst"),
        ("The mass is absent.", "The mass is present."),
    ],
)
def test_a_denied_finding_can_be_asserted(text: str, asserted: str) -> None:
    assert assert_denied(text, next(f for f in find_terms(text) if f.negated)) == asserted


@pytest.mark.parametrize(
    ("truth", "answer", "pairs"),
    [
        ("Yes", "No", [("Yes", "No")]),
        ("left upper zone", "Right lower zone", [("left", "Right"), ("upper", "lower")]),
        ("kidneys", "It shows the brain", [("kidneys", "brain")]),
        ("No effusion.", "A small effusion on the left", [("effusion", "effusion")]),
        ("No abnormality is seen.", "A nodule, cyst", [("abnormality", "nodule"), ("abnormality", "cyst")]),
        ("A nodule.", "No abnormality is seen.", [("nodule", "abnormality")]),
        ("An abnormality", "A nodule", []),
        ("RUL mass", "mass in the left lung", [("RUL", "left")]),
        ("RUL mass", "mass in the right lung", []),
        ("liver", "liver and kidney", []),
        ("X-ray", "a large mass", []),
    ],
)
def test_contradictions_are_what_cannot_hold_with_the_truth(
    truth: str, answer: str, pairs: list[tuple[str, str]]
) -> None:
    found = contradictions(truth, answer)
    assert [
        (truth[c.truth.start : c.truth.end], answer[c.answer.start : c.answer.end]) for c in found
    ] == pairs


def test_a_fine_place_has_a_broad_parent() -> None:
    assert [broader(f) for f in find_terms("RLL, frontal lobe, left")] == ["right lung", "brain", ""]
    assert all(len(group.broad) in (0, len(group.terms)) for group in GROUPS)


@pytest.mark.parametrize(
    "word",
    [
        *vocabulary.MODALITIES,
        *vocabulary.ORGANS,
        *vocabulary.SIDES,
        *vocabulary.ZONES,
        *vocabulary.SIZES,
        *vocabulary.KINDS,
    ],
)
def test_the_lexicon_knows_every_word_of_drawn_scans(word: str) -> None:
    assert spellings(word) == [word]


def test_error_types_come_from_the_words() -> None:
    assert error_types(["MRI", "mass in the left kidney"]) == ("MM", "AM", "SLC")
    assert error_types(["mass", "right lower lobe"]) == ("SLC", "LAS")


def test_no_spelling_belongs_to_two_groups() -> None:
    owners: dict[str, str] = {}
    for group in GROUPS:
        for spelling in (s.lower() for term in group.terms for s in term):
            assert owners.setdefault(spelling, group.name) == group.name, spelling
    assert len(owners) > 100
