"""Letters: the same at each visit, in an order for each rater and case, one for answers of the same words."""

from collections import Counter

from serving.annotations.blind import lettered
from tests.serving.annotations._store import ADAPTERS, answer

ANSWERS = [answer(adapter) for adapter in ADAPTERS]


def _order(*, seed: int = 1, rater: str = "anna", case: int = 1) -> list[str]:
    return [one.answers[0].adapter for one in lettered(ANSWERS, seed=seed, rater=rater, case=case)]


def test_letters_run_from_a_and_hold_every_answer() -> None:
    found = lettered(ANSWERS, seed=1, rater="anna", case=1)
    assert [one.letter for one in found] == ["A", "B", "C"]
    assert sorted(one.text for one in found) == sorted(one.text for one in ANSWERS)
    assert sorted(one.answer_sha256 for one in found) == sorted(one.answer_sha256 for one in ANSWERS)


def test_the_order_is_the_same_at_each_visit_however_the_answers_come() -> None:
    again = lettered(ANSWERS[::-1], seed=1, rater="anna", case=1)
    assert [one.answers[0].adapter for one in again] == _order()


def test_each_adapter_stands_first_as_often_over_cases_raters_and_lists() -> None:
    """300 drawn each way; of a fair draw fewer than 70 or more than 130 come once in 10 000."""
    for orders in (
        [_order(case=number) for number in range(300)],
        [_order(rater=f"r{number}") for number in range(300)],
        [_order(seed=number) for number in range(300)],
    ):
        first = Counter(order[0] for order in orders)
        assert sorted(first) == sorted(ADAPTERS)
        assert all(70 <= count <= 130 for count in first.values())


def test_answers_of_the_same_words_are_one_letter() -> None:
    same = [answer("mdpo"), answer("base"), answer("dpo", answer_sha256=answer("mdpo").answer_sha256)]
    found = lettered(same, seed=1, rater="anna", case=1)
    assert [one.letter for one in found] == ["A", "B"]
    assert sorted(sorted(said.adapter for said in one.answers) for one in found) == [
        ["base"],
        ["dpo", "mdpo"],
    ]
