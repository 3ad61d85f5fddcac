from serving.core.requests import AdapterId, Answer, Comparison
from serving.ui.cards import comparison_html, fault_html, waiting_html
from zoo.errors import BadInput


def answer(text: str, variant: str, digest: str = "d" * 64) -> Answer:
    return Answer(
        asked=variant,
        adapter=AdapterId(f"local/{variant}", "1" * 40, digest),
        variant=variant,
        base="phantom@" + "a" * 40,
        text=text,
        tokens=3,
        milliseconds=12.3,
    )


def page(*answers: Answer, question: str = "Q") -> str:
    return comparison_html(Comparison(question=question, answers=answers, milliseconds=20), {})


def test_words_of_models_and_users_are_never_markup():
    evil = "<script>alert(1)</script>"
    html = page(answer(evil, "base", ""), answer("a " + evil, evil), question=evil)
    html += waiting_html(evil, [evil]) + fault_html(BadInput(evil, hint=evil))
    assert "<script" not in html


def test_every_answer_shows_its_commit_and_digest_in_full():
    html = page(answer("yes", "mdpo"), answer("no", "sft"))
    assert html.count("local/mdpo@" + "1" * 40) >= 1
    assert html.count("local/sft@" + "1" * 40) >= 1
    assert html.count("d" * 64) >= 2


def test_words_that_the_base_did_not_say_are_marked():
    html = page(answer("a nodule on the left", "base", ""), answer("a mass on the left", "mdpo"))
    assert "a <mark>mass</mark> on the left" in html
    assert "differs from base" in html


def test_the_number_of_different_answers_is_told():
    assert "all say the same" in page(answer("yes", "mdpo"), answer("yes", "sft"))
    assert "2 different answers" in page(answer("yes", "mdpo"), answer("no", "sft"))
