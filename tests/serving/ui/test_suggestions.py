"""Every kind of picture has questions to begin with, in words that the base knows."""

import pytest

from serving.ui.suggestions import suggestions
from zoo.images.scan import MODALITIES
from zoo.phantom.questions import ask
from zoo.phantom.scans import make_scan


@pytest.mark.parametrize("modality", ["", "OT", *sorted(MODALITIES)])
def test_each_modality_has_six_to_eight_questions_about_what_is_seen_where(modality):
    asked = suggestions(modality, base="llava-med-v1.5")
    assert 6 <= len(asked) <= 8
    assert len(set(asked)) == len(asked)
    for about in ("kind of image|modality", "plane|projection", "organ|part of the body", " side", "report"):
        assert any(word in one for one in asked for word in about.split("|")), about


def test_what_is_asked_of_a_radiograph_is_not_asked_of_a_ct():
    assert suggestions("CR", base="x") == suggestions("DX", base="x") != suggestions("CT", base="x")
    assert len({suggestions(one, base="x") for one in ("CT", "MR", "DX", "US", "")}) == 5


def test_phantom_is_asked_in_the_words_of_its_own_questions():
    known = {item.prompt for seed in range(400) for item in ask(make_scan(seed))}
    asked = suggestions("CT", base="phantom")
    assert set(asked) <= known
    assert suggestions("", base="phantom") == asked
