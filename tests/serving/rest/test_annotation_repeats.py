"""The same case twice in a list, by the routes: refused unless it is meant, and blind until the last time."""

import pytest

from tests.serving.rest._rating import archive, as_, click, finish, picture, send, until

AGAIN = {
    "cases.csv": "images,question,id\n1.png,Q?,a\n2.png,Q?,b\nsame.png, Q? ,c\n1.png,Other?,d\n1.png,Q?,e",
    "1.png": picture(1),
    "2.png": picture(2),
    "same.png": picture(1),
}
"""The cases a, c and e show and ask the same; b shows something else, d asks something else."""


@pytest.fixture
def root(app):
    with as_(app, "root") as client:
        yield client


def names(client, case):
    """The adapters that a rater is told of at a case."""
    found = client.get(f"/cases/{case}").json()["answers"]
    return sorted(who["adapter"] for one in found for who in one["names"] or ())


def test_a_case_that_is_there_twice_is_refused_by_its_names_unless_it_is_meant(desk, root):
    refused = send(root, archive(AGAIN))
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["param"]) == (422, "BadInput", "repeats")
    assert error["message"] == (
        "cases.csv, row 4: 'c' shows and asks the same as 'a', cases.csv, row 2; "
        "cases.csv, row 6: 'e' shows and asks the same as 'a', cases.csv, row 2"
    )
    assert "repeats=true" in error["hint"]
    assert desk.lists.all() == []
    made = send(root, archive(AGAIN), repeats=True)
    assert (made.status_code, made.json()["cases"], made.json()["repeats"]) == (201, 5, 2)
    once = {**AGAIN, "cases.csv": "images,question\n1.png,Q?\n2.png,Q?\nsame.png,Other?"}
    assert send(root, archive(once)).json()["repeats"] == 0


def test_a_repeated_case_tells_no_names_before_its_rater_is_done_with_all_its_showings(app, desk, root):
    ours = send(root, archive(AGAIN), repeats=True).json()["id"]
    until(root, ours, lambda found: found["state"] == "open")
    a, b, c, d, e = (case.id for case in desk.lists.cases(ours))
    ana, ben = as_(app, "ana"), as_(app, "ben")
    for case in (a, b, c):
        finish(ana, case, letters="AB")
    finish(ben, e, letters="AB")
    assert [names(ana, case) for case in (a, b, c, d, e)] == [[], ["base", "mdpo"], [], [], []]
    assert ana.get(f"/cases/{a}").json()["done"] is True
    assert click(ana, a, "severity", "none", "A").status_code == 201
    assert ana.get(f"/cases/{a}").json()["corrections"] == 1, "what is said after the end does not count"
    assert ana.get("/lists").json()[0]["repeats"] == 0, "no rater is told how many come again"
    finish(ana, e, letters="AB")
    assert [names(ana, case) for case in (a, c, e)] == [["base", "mdpo"]] * 3
    assert names(ben, e) == [], "the others are to come for him"
