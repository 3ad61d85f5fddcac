import pytest

from serving.ui.marks import marked


@pytest.mark.parametrize(
    ("text", "against", "html"),
    [
        (
            "a mass on the left",
            {"base": ["a nodule on the left"]},
            'a <mark data-not="base">mass</mark> on the left',
        ),
        ("A mass, on the left.", {"base": ["a mass on the left"]}, "A mass, on the left."),
        ("two big masses", {"base": ["masses"]}, '<mark data-not="base">two big</mark> masses'),
        (
            "left lung",
            {"base": ["left lung"], "reference": ["right lung"]},
            '<mark data-not="reference">left</mark> lung',
        ),
        (
            "left",
            {"base": ["right"], "reference": ["right"]},
            '<mark data-not="base reference">left</mark>',
        ),
        ("one\n two", {}, "one\n two"),
        ("<b>", {"base": ["x"]}, '<mark data-not="base">&lt;b&gt;</mark>'),
        ("", {"base": ["x"]}, ""),
    ],
)
def test_words_that_another_text_does_not_say_there_are_marked(text, against, html):
    assert marked(text, against) == html


def test_among_several_a_word_is_marked_that_fewer_than_half_of_the_others_say():
    others = ["a left mass", "a left cyst", "a right cyst"]
    assert marked("a left mass", {"others": others}) == 'a left <mark data-not="others">mass</mark>'
    assert marked("left", {"others": ["left", "right"]}) == "left"
