"""The end of the last whole sentence of a text that was cut off."""

import pytest

from zoo.sentences import whole_sentences


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("The heart is normal. The lungs are cl", "The heart is normal."),
        ("Seen by Dr. Smith. The he", "Seen by Dr. Smith."),
        ("A nodule of approx. 5 mm. It lies", "A nodule of approx. 5 mm."),
        ("Clear lungs. See Fig. 3 for vs. CT e.g. Crohn J. Wa", "Clear lungs."),
        ("It measures 1.5 cm. It l", "It measures 1.5 cm."),
        ("Small. It measures 1.", "Small."),
        ("Small. It measures 1.5", "Small."),
        ("1. No effusion.\n2. Heart nor", "1. No effusion."),
        ("1. No effusion\n2. The he", "1. No effusion"),
        ("Findings: 1. No effusion. 2. Heart", "Findings: 1. No effusion."),
        ("FINDINGS:\nThe lungs are clear.\n\nIMPRESSION:\nThe hea", "FINDINGS:\nThe lungs are clear."),
        ("Clear.\n\n## Impression\nThe hea", "Clear."),
        ("**Findings:**\n- Nodule\n- Eff", "**Findings:**\n- Nodule"),
        ("Clear. The lungs are\nclear and the", "Clear."),
        ("No. There is no fr", "No."),
        ("Is it normal? Y", "Is it normal?"),
        ('It reads "normal." Th', 'It reads "normal."'),
        ("心脏正常。肺部", "心脏正常。"),
    ],
)
def test_a_text_ends_with_its_last_whole_sentence_or_line(cut: str, whole: str) -> None:
    assert whole_sentences(cut) == whole


@pytest.mark.parametrize(
    "text", ["", "The lungs are cl", "The lungs are clear.", "IMPRESSION:\nThe hea", "e.g. Crohn", "1. The"]
)
def test_a_text_with_no_whole_sentence_but_all_of_it_stays_as_it_is(text: str) -> None:
    assert whole_sentences(text) == text
