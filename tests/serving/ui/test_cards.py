import re
from dataclasses import replace

from serving.core.requests import AdapterId, Answer, Comparison
from serving.ui.cards import (
    BASE_COLOUR,
    COLOURS,
    comparison_html,
    fault_html,
    live_html,
    sentence,
    waiting_html,
)
from zoo.errors import BadInput


def answer(text: str, variant: str, digest: str = "d" * 64) -> Answer:
    return Answer(
        asked=variant,
        adapter=AdapterId(f"local/{variant}", "1" * 40, digest),
        variant=variant,
        base="phantom@" + "a" * 40,
        seed=0,
        load=7,
        text=text,
        finish="stop",
        tokens=3,
        prompt_tokens=9,
        first_token_ms=200,
        milliseconds=300,
    )


def page(*answers: Answer, question: str = "Q") -> str:
    return comparison_html(Comparison(question=question, answers=answers, milliseconds=20), {})


def test_words_of_models_and_users_are_never_markup():
    evil = "<script>alert(1)</script>"
    html = page(answer(evil, "base", ""), answer("a " + evil, evil), question=evil)
    html += waiting_html(evil, [evil]) + fault_html(BadInput(evil, hint=evil))
    html += live_html(evil, [answer("", evil)], [evil])
    assert "<script" not in html


def test_a_fault_is_told_in_sentences_and_not_in_the_name_of_a_class():
    html = fault_html(BadInput("no image is chosen", hint="choose a PNG file, or an example"))
    assert html == (
        '<section class="mz-fault" role="alert"><h3>No image is chosen.</h3>'
        "<p>Choose a PNG file, or an example.</p></section>"
    )


def test_what_is_typed_or_named_keeps_its_first_letter():
    said = [
        sentence(words) for words in ("medzoo ls lists them", "cases.csv, row 3: no image", "wait a little!")
    ]
    assert said == ["medzoo ls lists them.", "cases.csv, row 3: no image.", "Wait a little!"]


def test_every_answer_shows_its_commit_and_digest_in_full():
    html = page(answer("yes", "mdpo"), answer("no", "sft"))
    assert html.count("local/mdpo@" + "1" * 40) >= 1
    assert html.count("local/sft@" + "1" * 40) >= 1
    assert html.count("d" * 64) >= 2


def test_words_that_the_base_did_not_say_are_marked():
    html = page(answer("a nodule on the left", "base", ""), answer("a mass on the left", "mdpo"))
    assert 'a <mark data-not="base others">mass</mark> on the left' in html
    assert "differs from base" in html


def test_the_number_of_different_answers_is_told():
    assert "all say the same" in page(answer("yes", "mdpo"), answer("yes", "sft"))
    assert "2 different answers" in page(answer("yes", "mdpo"), answer("no", "sft"))


def test_what_has_been_said_so_far_stands_with_who_is_saying_it():
    html = live_html("Q", [answer("", "base", ""), answer("", "mdpo")], ["a nod", ""])
    assert html.index(">base<") < html.index("a nod") < html.index("local/mdpo@" + "1" * 40)


def test_an_answer_that_was_cut_is_marked_and_one_that_ended_is_not():
    cut = replace(answer("a nodule on", "mdpo"), finish="length")
    assert "cut short" in page(cut)
    assert "left off" not in page(cut)
    assert "a sentence that it did not finish is left off" in page(replace(cut, left_off=7))
    assert "cut short" not in page(answer("a nodule", "mdpo"))


def test_the_time_to_the_first_token_and_the_pace_after_it_are_told():
    assert "first token after 200 ms, then 20 tokens/s" in page(answer("a nodule here", "mdpo"))
    at_once = replace(answer("yes", "mdpo"), tokens=1, first_token_ms=300)
    assert "<dd>first token after 300 ms</dd>" in page(at_once)


def test_two_answers_of_one_variant_are_told_apart_by_what_was_asked_and_never_change_their_names():
    asked = ["mdpo", "me/mdpo@v2", "base"]
    answers = [
        answer("yes", "mdpo"),
        replace(answer("no", "mdpo"), asked="me/mdpo@v2"),
        answer("no", "base", ""),
    ]
    whole = page(*answers)
    for html in (waiting_html("Q", asked), live_html("Q", answers, ["", "", ""]), whole):
        assert re.findall(r"<h3>(.*?)<(?:/h3|small)", html) == asked
    assert re.findall(r"<small>(.*?)</small>", whole) == ["mdpo", "without any adapter"]


def test_the_base_is_known_by_its_lack_of_weights_and_not_by_a_name():
    html = page(answer("a mass", "base"), answer("a nodule", "base", ""))
    assert f"--mz:{COLOURS[0]}" in html
    assert f"--mz:{BASE_COLOUR}" in html
    assert 'a <mark data-not="base others">mass</mark>' in html


def test_words_are_marked_against_the_reference_too_which_stands_above_the_answers():
    comparison = Comparison(question="Q", answers=(answer("a left mass", "mdpo"),), milliseconds=20)
    html = comparison_html(comparison, {}, reference="a <right> mass", asked="key", how="sample of seed 5")
    assert 'a <mark data-not="reference">left</mark> mass' in html
    assert '<p class="mz-reference"><b>Reference</b> a &lt;right&gt; mass</p>' in html
    assert 'data-asked="key"' in html
    assert "one answer · 20 ms · sample of seed 5" in html


def test_answers_name_the_views_that_they_are_about_while_they_come_and_after():
    about = [('{"key": "a"}', "frame 2 of 3"), ('{"key": "<b>"}', "")]
    comparison = Comparison(question="Q", answers=(answer("yes", "mdpo"),), milliseconds=20)
    for html in (
        waiting_html("Q", ["mdpo"], about),
        live_html("Q", [answer("", "mdpo")], [""], about),
        comparison_html(comparison, {}, about),
    ):
        assert (
            '<ul class="mz-pictures" aria-label="Asked about">'
            '<li data-view="{&quot;key&quot;: &quot;a&quot;}" data-words="frame 2 of 3">frame 2 of 3</li>'
            '<li data-view="{&quot;key&quot;: &quot;&lt;b&gt;&quot;}" data-words=""></li></ul>'
        ) in html
