"""Places in texts: where two differ, what is a sentence, which clause answers."""

import pytest

from training.pairs.spans import answer_clause, divergent_spans, sentences


def parts(one: str, other: str) -> tuple[list[str], list[str]]:
    spans = divergent_spans(one, other)
    return [one[a:b] for a, b in spans[0]], [other[a:b] for a, b in spans[1]]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("A mass in the left lung.", "A mass in the right lung.", (["left"], ["right"])),
        ("Left upper zone", "right lower zone", (["Left upper"], ["right lower"])),
        ("A CT of the left lung", "A CT of the right kidney", (["left lung"], ["right kidney"])),
        ("a small mass, left", "a large mass, right", (["small", "left"], ["large", "right"])),
        ("No mass is seen", "Mass is seen", (["No mass"], ["Mass"])),
        ("It is normal", "It is not normal", (["normal"], ["not normal"])),
        ("A large mass", "A large mass there", (["mass"], ["mass there"])),
        ("the liver", "Kidney", (["the liver"], ["Kidney"])),
        ("The Liver.", "the liver", ([], [])),
        ("3.5 cm", "3.6 cm", (["3.5"], ["3.6"])),
        ("", "a mass", ([], ["a mass"])),
    ],
)
def test_spans_cover_the_words_that_differ_and_no_others(
    one: str, other: str, expected: tuple[list[str], list[str]]
) -> None:
    assert parts(one, other) == expected
    assert parts(other, one) == expected[::-1]


def test_a_sentence_ends_with_its_stop_or_its_line_and_not_within_a_number() -> None:
    text = "A 3.5 cm mass.  No effusion!\nNormal heart\n\n..."
    assert [text[a:b] for a, b in sentences(text)] == ["A 3.5 cm mass.", "No effusion!", "Normal heart"]


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("The liver. It is large.", "The liver."),
        (
            "The mass lies in the left lung, close to the heart, and it is larger than it was.",
            "The mass lies in the left lung, close to the heart",
        ),
        (
            "In this image, one two three four five six seven eight nine ten eleven, and so on",
            "In this image, one two three four five six seven eight nine ten eleven",
        ),
        (long := "one two three four five six seven eight nine ten eleven twelve 13 14 15.", long),
        ("  ", ""),
    ],
)
def test_the_answer_clause_is_short_and_never_cut_within_a_clause(text: str, clause: str) -> None:
    assert answer_clause(text) == clause
