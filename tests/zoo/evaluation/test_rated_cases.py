"""Ratings of several lists: what is one case, whose word counts, what is drawn, and what cannot be pooled."""

from dataclasses import replace
from typing import Any

import pytest

from tests.zoo.evaluation.test_rated import rating
from zoo.errors import BadInput
from zoo.evaluation.agreement import same
from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import Preferences
from zoo.evaluation.rated import from_ratings, rankings, said_again, shares, unjudged
from zoo.evaluation.rated_cases import Drawn, Pictures, drawn, in_several, opinions, pool
from zoo.evaluation.report.experts import expert_tables
from zoo.records import Rating

MONDAY, TUESDAY = "2026-11-02T09:00:00.000001+00:00", "2026-11-03T09:00:00.000001+00:00"


def of_case(case: str, misunderstanding: str | None, rater: str = "anna", **changes: Any) -> Rating:
    """A rating of a case by its digest, in a list of its own name."""
    given = {"question_id": f"own name of {case}", "case_sha256": case, "made_at": MONDAY}
    return rating(misunderstanding, rater, **given | changes)


def of_other(case: str, misunderstanding: str | None, rater: str = "anna", **changes: Any) -> Rating:
    """The same in another list, which calls the case otherwise, on the next day."""
    return of_case(case, misunderstanding, rater, **{"dataset": "other", "made_at": TUESDAY} | changes)


def test_the_same_case_in_two_lists_counts_once_with_the_mean_over_its_raters() -> None:
    first, second = [of_case("a", "none"), of_case("b", "none")], [of_other("a", "severe", "ben")]
    both = pool({"first": first, "second": second})
    found = shares(both)["base"]
    assert (found["severe"].value, found["severe"].n) == (0.25, 2)
    severity = from_ratings(both)[0]
    assert severity.said.tolist() == [[0, 2], [0, -1]]
    assert in_several({"first": first, "second": second, "third": [of_case("c", "none")]}) == 1


def test_other_pictures_by_the_same_name_are_another_case() -> None:
    ratings = [of_case("a", "none", question_id="1"), of_case("b", "severe", "ben", question_id="1")]
    assert from_ratings(ratings)[0].said.tolist() == [[0, -1], [-1, 2]]


def test_a_rating_without_its_cases_digest_is_of_the_only_case_of_its_name() -> None:
    known, sheet = of_case("a", "none", question_id="1"), rating("minor", "ben", question_id="1")
    assert [one.case for one in opinions([known, sheet])] == ["a", "a"]
    other = of_case("b", "none", question_id="1", made_at=TUESDAY)
    assert [one.case for one in opinions([known, sheet, other])] == ["a", ("phantom", "test", "1"), "b"]


def test_whoever_rated_a_case_twice_counts_with_the_first_word_and_agrees_so_far_with_themselves() -> None:
    ratings = [
        *(of_other("a", "severe"), of_case("a", "none"), of_case("a", "minor", "ben")),
        *(of_other("b", "minor", error_types=("MM",)), of_case("b", "minor")),
        of_other("c", None, adapter="sft"),
    ]
    assert [one.time for one in opinions(ratings)] == [1, 0, 0, 1, 0, 0]
    assert from_ratings(ratings)[0].said.tolist() == [[0, 1], [1, -1]]
    assert shares(ratings)["base"]["severe"].value == 0.0
    again = said_again(ratings)
    assert [(one.name, one.raters) for one in again[:2]] == [
        ("misunderstanding", ("first", "again")),
        ("MM", ("first", "again")),
    ]
    assert [one.said.tolist() for one in again[:2]] == [[[0, 2], [1, 1]], [[0, 0], [0, 1]]]
    assert (same(again[0]).value, same(again[0]).n) == (0.5, 2)
    assert said_again(ratings[1:3]) == []
    assert unjudged(ratings) == {"base": 0, "sft": 1}


def test_ranks_of_two_sittings_are_two_rankings() -> None:
    """The same rater, case and name of the question; `mdpo` stood in the second list alone."""
    common: dict[str, Any] = {"misunderstanding": "minor", "dataset": "one"}
    ratings = [
        *(of_case("a", rank=1, adapter="base", **common), of_case("a", rank=2, adapter="sft", **common)),
        of_other("a", rank=1, adapter="mdpo", **common),
        of_other("a", rank=2, adapter="base", **common),
    ]
    assert [dict(one.ranks) for one in rankings(ratings)] == [{"base": 1, "sft": 2}, {"mdpo": 1, "base": 2}]
    pairs = {(pair.first, pair.second): pair.win.value for pair in Preferences(rankings(ratings)).pairs()}
    assert pairs == {("base", "sft"): 1.0, ("base", "mdpo"): 0.0}


def test_questions_about_the_same_pictures_are_drawn_together() -> None:
    """Ten questions about one picture, all severe, and ten about another, none of them: in a quarter of the
    resamples all are severe, in a quarter none."""
    ratings = [of_case(f"p{n}", "severe", pictures_sha256="p") for n in range(10)]
    ratings += [of_case(f"q{n}", "none", pictures_sha256="q") for n in range(10)]
    assert shares(ratings)["base"]["severe"] == Interval(0.5, 0.0, 1.0, 20)
    assert from_ratings(ratings)[0].groups == (Pictures("p"),) * 10 + (Pictures("q"),) * 10
    ratings.append(of_case("d", "none"))
    assert drawn(one.unit for one in opinions(ratings)) == Drawn(pictures=2, cases=1)
    (table,) = expert_tables(ratings)
    assert "95 % intervals are over 2 pictures and 1 case of unknown pictures" in table.notes[0]
    assert str(Drawn(pictures=1, cases=0)) == "1 picture"
    assert str(Drawn(pictures=0, cases=2)) == "2 cases of unknown pictures"


def test_the_same_rating_in_two_files_is_one() -> None:
    one = of_case("a", "none", comment="well seen")
    files = {"a": [one], "b": [replace(one, comment="", made_at=one.made_at[:10])]}
    assert len(opinions(pool(files))) == 1
    files["b"][0] = replace(files["b"][0], misunderstanding="severe")
    with pytest.raises(BadInput, match="anna says two things of one answer of base to own name of a"):
        opinions(pool(files))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"base": "llava@9"}, "of phantom@1 the one, of llava@9 the other"),
        ({"digest": "b" * 64}, "dpo is two adapters, by its weights: aaaaaaaa and bbbbbbbb"),
    ],
)
def test_lists_of_other_bases_or_other_weights_by_one_name_are_not_pooled(
    changes: dict[str, str], why: str
) -> None:
    known = {"adapter": "dpo", "base": "phantom@1", "digest": "a" * 64}
    one, other = of_case("a", "none", **known), of_case("b", "none", **known | changes)
    with pytest.raises(BadInput, match=f"'Chest' and 'Head' cannot be pooled: {why}"):
        pool({"Chest": [one], "Head": [other]})
    older = replace(other, base="", digest="")
    assert pool({"Chest": [one], "Head": [older]}) == [one, older]
