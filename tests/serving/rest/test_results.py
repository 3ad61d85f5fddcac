"""Results by the routes: to whom they are shown, what they say, and by which filter."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from serving.annotations.outcome import outcome
from serving.annotations.results import ratings_of
from serving.annotations.schema import answers, cases
from serving.rest import results_routes
from tests.serving.rest._rating import DIGESTS, as_, click, finish, open_list


def test_a_rater_sees_results_once_all_own_cases_are_done_and_an_administrator_at_any_time(
    desk: Any, app: Any
) -> None:
    made = open_list(desk, count=2)
    ana, ben, root = (as_(app, who) for who in ("ana", "ben", "root"))
    first, second = (case.id for case in desk.lists.cases(made.id))
    finish(ana, first)
    for who, plot in ((ana, ""), (as_(app, "eve"), ""), (as_(app, "key-annotate"), ""), (ana, "/wins.svg")):
        reply = who.get(f"/lists/{made.id}/results{plot}")
        assert (reply.status_code, reply.json()["error"]["type"]) == (403, "NotAllowed")
    finish(ana, second)
    assert ana.get(f"/lists/{made.id}/results").status_code == 200
    assert ben.get(f"/lists/{made.id}/results").status_code == 403
    assert as_(app, "key-admin").get(f"/lists/{made.id}/results").status_code == 200
    found = root.get(f"/lists/{made.id}/results").json()
    names = {name: desk.accounts.get(name).pseudonym for name in ("ana", "ben")}
    assert found["progress"] == sorted(
        (
            {"rater": names["ana"], "assigned": 2, "done": 2},
            {"rater": names["ben"], "assigned": 2, "done": 0},
        ),
        key=lambda one: one["rater"],
    )
    assert (found["title"], found["cases"], found["plots"]) == (
        "Chest",
        2,
        ["strengths", "severity", "wins"],
    )
    assert found["outcome"]["raters"] == [names["ana"]]
    assert [one["adapter"] for one in found["outcome"]["adapters"]] == ["base", "sft", "mdpo"]
    assert [one["reference"] for one in found["outcome"]["against"]] == ["base", "sft"]
    assert '"ana"' not in root.get(f"/lists/{made.id}/results").text
    assert root.get("/lists/abc/results").status_code == 404


def test_the_results_of_several_lists_are_seen_together_by_whoever_may_see_each(desk: Any, app: Any) -> None:
    """Case 1 is in both lists: Ana rated it twice, Ben in the second alone."""
    first, second = open_list(desk, count=2, raters=("ana",)), open_list(desk, count=1)
    ana, root = as_(app, "ana"), as_(app, "root")
    for case in desk.lists.cases(first.id):
        finish(ana, case.id)
    both = f"/lists/{first.id}/results?also={second.id}"
    assert ana.get(both).status_code == 403
    assert ana.get(f"/lists/{first.id}/results/wins.svg?also={second.id}").status_code == 403
    (shared,) = desk.lists.cases(second.id)
    finish(ana, shared.id)
    finish(as_(app, "ben"), shared.id)
    found = ana.get(both).json()
    assert found["pooled"] == [
        {"id": first.id, "title": "Chest", "cases": 2},
        {"id": second.id, "title": "Chest", "cases": 1},
    ]
    assert (found["cases"], found["in_several"]) == (3, 1)
    names = {name: desk.accounts.get(name).pseudonym for name in ("ana", "ben")}
    told = {one["rater"]: (one["assigned"], one["done"]) for one in found["progress"]}
    assert told == {names["ana"]: (3, 3), names["ben"]: (1, 1)}
    outcome = found["outcome"]
    assert (outcome["questions"], outcome["ratings"], outcome["again"]) == (2, 12, 3)
    assert outcome["drawn"] == {"pictures": 0, "cases": 2}
    assert [one["shares"]["minor"]["n"] for one in outcome["adapters"]] == [2, 2, 2]
    assert outcome["agreement_again"][0]["name"] == "misunderstanding"
    assert outcome["agreement_again"][0]["same"]["value"] == 1.0
    assert ana.get(f"/lists/{first.id}/results/wins.svg?also={second.id}").status_code == 200
    assert root.get(f"{both}&also={first.id}").json()["pooled"] == found["pooled"]
    assert root.get(f"/lists/{first.id}/results?also=abc").status_code == 404
    saved = root.get(f"/lists/{first.id}/export/ratings.jsonl?also={second.id}")
    assert len(saved.text.splitlines()) == 12
    reply = root.get(f"/lists/{first.id}/export/pairs.zip?also={second.id}")
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        422,
        "pairs.zip is of one list, and 2 are named",
    )


def test_lists_of_other_weights_by_one_name_are_refused_with_the_reason(desk: Any, app: Any) -> None:
    first, second = open_list(desk, count=1, raters=("ana",)), open_list(desk, count=1, raters=("ana",))
    other = update(answers).where(answers.c.adapter == "mdpo").values(digest="f" * 64)
    ours = select(cases.c.id).where(cases.c.work_list == second.id)
    desk.database.write(lambda connection: connection.execute(other.where(answers.c.case_id.in_(ours))))
    for work_list in (first, second):
        finish(as_(app, "ana"), desk.lists.cases(work_list.id)[0].id)
    reply = as_(app, "root").get(f"/lists/{first.id}/results?also={second.id}")
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        422,
        f"'Chest ({first.id})' and 'Chest ({second.id})' cannot be pooled: mdpo is two adapters, by its "
        f"weights: {DIGESTS['mdpo'][:8]} and ffffffff",
    )


def test_a_list_without_ratings_says_so_and_has_no_picture(desk: Any, app: Any) -> None:
    made = open_list(desk)
    root = as_(app, "root")
    found = root.get(f"/lists/{made.id}/results").json()
    assert (found["plots"], found["outcome"]["ratings"], found["outcome"]["adapters"]) == ([], 0, [])
    reply = root.get(f"/lists/{made.id}/results/wins.svg")
    assert (reply.status_code, reply.json()["error"]["hint"]) == (422, "come back when cases are done")


def test_figures_are_of_the_modality_and_error_type_asked_for(desk: Any, app: Any) -> None:
    made = open_list(desk, count=2, raters=("ana",))
    ana = as_(app, "ana")
    for case in desk.lists.cases(made.id):
        finish(ana, case.id)
    where = f"/lists/{made.id}/results"
    assert ana.get(f"{where}?modality=CT").json()["outcome"]["questions"] == 2
    assert ana.get(f"{where}?error_type=SLC").json()["outcome"]["questions"] == 0
    for wrong in ("modality=US", "error_type=X"):
        assert ana.get(f"{where}?{wrong}").status_code == 422


@pytest.mark.parametrize("plot", ["strengths", "severity", "wins"])
def test_a_picture_is_made_in_memory_and_kept_by_nobody(desk: Any, app: Any, plot: str) -> None:
    made = open_list(desk, count=2, raters=("ana",))
    for case in desk.lists.cases(made.id):
        finish(as_(app, "ana"), case.id)
    reply = as_(app, "root").get(f"/lists/{made.id}/results/{plot}.svg")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
    assert reply.headers["cache-control"] == "no-store"
    assert b"<svg" in reply.content
    assert b"#333333" in reply.content
    dark = as_(app, "root").get(f"/lists/{made.id}/results/{plot}.svg?dark=true").content
    assert b"#e8edf3" in dark
    assert b"#333333" not in dark


def test_what_nobody_could_judge_is_counted_and_has_no_share(desk: Any, app: Any) -> None:
    made = open_list(desk, count=1, raters=("ana",))
    (only,) = desk.lists.cases(made.id)
    ana = as_(app, "ana")
    for letter in "ABC":
        assert click(ana, only.id, "severity", "cannot judge", letter).status_code == 201
    assert click(ana, only.id, "done", True).status_code == 201
    found = ana.get(f"/lists/{made.id}/results").json()
    assert found["plots"] == []
    assert [(one["shares"], one["unjudged"]) for one in found["outcome"]["adapters"]] == [({}, 1)] * 3
    assert (found["outcome"]["ranked"], found["outcome"]["few"]) == (0, True)


def test_without_the_base_the_first_that_was_ranked_is_the_reference(desk: Any) -> None:
    made = open_list(desk, count=1, raters=("ana",))
    assert outcome(tuple(ratings_of(desk, made.id))).against == ()
    from tests.zoo.evaluation.test_rated import rating

    ratings = [rating("none", adapter="mdpo", rank=1), rating("minor", adapter="dpo", rank=2)]
    assert [one.reference for one in outcome(tuple(ratings)).against] == ["mdpo"]
    tuned = [replace(r, variant="sft" if r.adapter == "dpo" else "x") for r in ratings]
    assert [one.reference for one in outcome(tuple(tuned)).against] == ["dpo"]


def test_results_never_hold_all_of_the_servers_threads(desk: Any, app: Any) -> None:
    made = open_list(desk, count=1)
    with ExitStack() as others:
        for _ in range(results_routes.MOST):
            others.enter_context(results_routes._ROOM)
        told = as_(app, "root").get(f"/lists/{made.id}/results")
    assert (told.status_code, told.json()["error"]["type"]) == (429, "Busy")
    assert as_(app, "root").get(f"/lists/{made.id}/results").status_code == 200
