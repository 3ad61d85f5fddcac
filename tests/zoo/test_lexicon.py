"""Clinical terms: found whole, by the longest spelling, and swapped within their kind."""

import pytest

from zoo.lexicon import GROUPS, alternatives, error_types, facts, find_terms, replace


def spellings(text: str) -> list[str]:
    return [text[f.start : f.end] for f in find_terms(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A CT of the left kidney", ["CT", "left", "kidney"]),
        ("right upper lobe nodule", ["right upper lobe", "nodule"]),
        ("nodular notches of us", []),
        ("US of the liver", ["US", "liver"]),
        ("Chest X-ray, no effusion.", ["Chest", "X-ray", "no", "effusion"]),
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


def test_error_types_come_from_the_words() -> None:
    assert error_types(["MRI", "mass in the left kidney"]) == ("MM", "AM", "SLC")


def test_no_spelling_belongs_to_two_groups() -> None:
    owners: dict[str, str] = {}
    for group in GROUPS:
        for spelling in (s.lower() for term in group.terms for s in term):
            assert owners.setdefault(spelling, group.name) == group.name, spelling
    assert len(owners) > 100
