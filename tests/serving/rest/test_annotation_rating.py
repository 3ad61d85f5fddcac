"""Rating by the routes: what a rater is shown, what is kept, and that nothing tells who said what before."""

import io
import re
from collections import Counter

import pytest
from PIL import Image

from serving.annotations.clicks import fold
from serving.app import build_app
from tests.serving.rest._rating import DIGESTS, SHAS, TEXTS, as_, click, finish, open_list

UID = "0f8b8f0e-6c1d-4a57-9d0e-2f4f0a1f3b5c"


@pytest.fixture
def ana(app):
    return as_(app, "ana")


def told(reply):
    return reply.status_code, reply.json()["error"]["type"]


def ids(desk, ours):
    return [case.id for case in desk.lists.cases(ours.id)]


def test_a_rater_goes_through_a_case_and_is_told_who_said_what_at_the_end(desk, ana):
    ours = open_list(desk)
    first, second, third = ids(desk, ours)
    seen = ana.get(f"/cases/{second}").json()
    answers = seen.pop("answers")
    assert seen == {
        "case": second,
        "list": ours.id,
        "title": "Chest",
        "number": 2,
        "of": 3,
        "prompt": "Is there a nodule in scan 2?",
        "reference": "Yes, on the left.",
        "modality": "CT",
        "instructions": "",
        "images": [
            {
                "frames": 1,
                "modality": "",
                "window": None,
                "range": None,
                "burned_in": "unknown",
                "width": 32,
                "height": 24,
            }
        ],
        "comment": "",
        "done": False,
        "corrections": 0,
        "previous": first,
        "next": third,
    }
    unsaid = {"severity": None, "errors": [], "rank": None, "comment": "", "names": None}
    assert [{**one, "text": ""} for one in answers] == [
        {"letter": letter, "text": "", **unsaid} for letter in "ABC"
    ]
    assert {one["text"] for one in answers} == set(TEXTS.values())
    assert click(ana, second, "opened", True).status_code == 201
    assert click(ana, second, "errors", ["SLC", "AM"], "B").status_code == 201
    assert click(ana, second, "comment", "wrong side", "B").status_code == 201
    assert click(ana, second, "comment", "poor picture").status_code == 201
    finish(ana, second)
    seen = ana.get(f"/cases/{second}").json()
    b = seen["answers"][1]
    assert (b["severity"], b["errors"], b["rank"], b["comment"]) == ("minor", ["SLC", "AM"], 2, "wrong side")
    assert (seen["done"], seen["comment"], seen["corrections"]) == (True, "poor picture", 0)
    for one in seen["answers"]:
        (who,) = one["names"]
        name = who["adapter"]
        assert (one["text"], who["sha"], who["repo"]) == (TEXTS[name], SHAS[name], f"local/phantom-{name}")
    assert click(ana, second, "severity", "none", "B").status_code == 201
    assert ana.get(f"/cases/{second}").json()["corrections"] == 1
    assert (
        fold(desk.clicks.of(second, "ana"), blind_only=True).answers
        != fold(desk.clicks.of(second, "ana")).answers
    ), "what was said blind stays"
    finish(ana, third)
    assert ana.get(f"/cases/{third}").json()["next"] == first, "the next that is not done"
    assert ana.get(f"/lists/{ours.id}/cases").json() == [
        {"case": case, "number": place, "done": place > 1, "opened": place == 2, "raters_done": None}
        for place, case in enumerate((first, second, third), start=1)
    ]


def test_nothing_that_a_rater_can_get_before_done_tells_who_said_what(app, desk, ana):
    """Every path of the document that is read by GET, as a rater who is done with another case."""
    ours = open_list(desk, count=2)
    done, case = ids(desk, ours)
    finish(ana, done)
    given = {"list": ours.id, "case": str(case), "number": "0", "kind": "dataset.zip", "name": "wins"}
    told_by = [*TEXTS, *SHAS.values(), *DIGESTS.values(), "local/", "phantom"]
    asked = 0
    for path, item in app.openapi()["paths"].items():
        if "get" not in item or not path.startswith("/v1/annotations"):
            continue
        what = "list" if "/lists/" in path else "case"
        filled = path.removeprefix("/v1/annotations").replace("{id}", given[what])
        filled = re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], "ratings.csv"), filled)
        reply = ana.get(filled)
        asked += 1
        shown = reply.content + repr(sorted(reply.headers.items())).encode()
        for word in told_by:
            assert not re.search(rb"\b" + re.escape(word.encode()), shown), (filled, word)
    assert asked >= 8
    assert b"mdpo" in ana.get(f"/cases/{done}").content, "the words looked for are those that are told later"
    seen = ana.get(f"/cases/{case}").json()
    assert all(one["names"] is None for one in seen["answers"])


def test_each_rater_sees_an_order_of_their_own_that_stays(app, desk, ana):
    ours = open_list(desk, count=40)
    cases = ids(desk, ours)

    def order(client, case):
        return tuple(one["text"] for one in client.get(f"/cases/{case}").json()["answers"])

    ben = as_(app, "ben")
    of_ana, of_ben = ([order(who, case) for case in cases] for who in (ana, ben))
    assert of_ana == [order(ana, case) for case in cases]
    assert sum(one == other for one, other in zip(of_ana, of_ben, strict=True)) < 20
    first = Counter(one[0] for one in of_ana)
    assert len(first) == 3
    assert max(first.values()) < 25


def test_answers_of_the_same_words_share_a_letter(desk, ana):
    ours = open_list(desk, count=1, texts={"base": "Left.", "sft": "Right.", "mdpo": "Left."})
    (case,) = ids(desk, ours)
    assert sorted(one["text"] for one in ana.get(f"/cases/{case}").json()["answers"]) == ["Left.", "Right."]
    assert told(click(ana, case, "rank", 3, "A")) == (422, "BadInput")
    finish(ana, case, letters="AB")
    names = {
        one["text"]: [who["adapter"] for who in one["names"]]
        for one in ana.get(f"/cases/{case}").json()["answers"]
    }
    assert names == {"Left.": ["base", "mdpo"], "Right.": ["sft"]}


def test_a_click_that_is_sent_again_counts_once(desk, ana):
    ours = open_list(desk, count=1)
    (case,) = ids(desk, ours)
    replies = [click(ana, case, "severity", "severe", "A", uid=UID) for _ in range(3)]
    assert [(one.status_code, one.json()) for one in replies] == [
        (201, {"kept": True}),
        (200, {"kept": False}),
        (200, {"kept": False}),
    ]
    assert len(desk.clicks.of(case, "ana")) == 1
    desk.lists.close(ours.id)
    assert click(ana, case, "severity", "severe", "A", uid=UID).json() == {"kept": False}


MISFITS = [
    ("severity", "grave", "A"),
    ("severity", "minor", None),
    ("severity", "minor", "D"),
    ("severity", True, "A"),
    ("errors", "MM", "A"),
    ("errors", ["XX"], "A"),
    ("errors", ["MM", "MM"], "A"),
    ("rank", 0, "A"),
    ("rank", 4, "A"),
    ("rank", True, "A"),
    ("rank", "1", "A"),
    ("comment", "x" * 2001, "A"),
    ("comment", None, "A"),
    ("opened", False, None),
    ("opened", True, "A"),
    ("done", True, None),
    ("liked", True, "A"),
]


def test_a_click_that_does_not_fit_is_refused_and_not_kept(desk, ana):
    (case,) = ids(desk, open_list(desk, count=1))
    for sets, value, letter in MISFITS:
        assert told(click(ana, case, sets, value, letter)) == (422, "BadInput"), (sets, value, letter)
    assert desk.clicks.of(case, "ana") == []


def test_a_case_is_done_once_each_answer_has_a_severity_and_each_that_can_be_judged_a_rank(desk, ana):
    (case,) = ids(desk, open_list(desk, count=1))
    click(ana, case, "severity", "cannot judge", "A")
    click(ana, case, "severity", "none", "B")
    click(ana, case, "rank", 1, "C")
    refused = click(ana, case, "done", True)
    assert refused.json()["error"]["message"] == "this case is not done: B has no rank; C has no severity"
    click(ana, case, "rank", 1, "B")
    click(ana, case, "severity", "minor", "C")
    click(ana, case, "rank", None, "B")
    assert told(click(ana, case, "done", True)) == (422, "BadInput"), "its rank was taken back"
    click(ana, case, "rank", 1, "B")
    assert click(ana, case, "done", True).status_code == 201


def test_a_case_is_shown_to_its_raters_alone_and_rated_by_people_alone(app, desk):
    (case,) = ids(desk, open_list(desk, count=1, raters=("ana",)))
    for who in ("ben", "root", "k-admin", "k-annotate"):
        client = as_(app, who)
        assert told(client.get(f"/cases/{case}")) == (403, "NotAllowed")
        assert told(client.get(f"/cases/{case}/images/0")) == (403, "NotAllowed")
        assert told(click(client, case, "opened", True)) == (403, "NotAllowed")
    assert told(as_(app, "").get(f"/cases/{case}")) == (401, "NoKey")
    assert told(as_(app, "ana").get("/cases/999")) == (404, "UnknownName")


def test_a_picture_is_shown_as_asked_and_kept_by_nobody(desk, ana):
    (case,) = ids(desk, open_list(desk, count=1))
    plain, inverted = (ana.get(f"/cases/{case}/images/0{more}") for more in ("", "?inverted=true"))
    assert plain.headers["content-type"] == "image/png"
    assert plain.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(plain.content)).getpixel((0, 0)) == (41,) * 3
    assert Image.open(io.BytesIO(inverted.content)).getpixel((0, 0)) == (214,) * 3
    assert told(ana.get(f"/cases/{case}/images/1")) == (404, "UnknownName")
    assert told(ana.get(f"/cases/{case}/images/0?frame=3")) == (400, "BadImage")
    assert told(ana.get(f"/cases/{case}/images/0?centre=40")) == (422, "BadInput")
    assert told(ana.get(f"/cases/{case}/images/0?centre=40&width=400")) == (422, "BadInput")


def test_without_a_desk_there_are_no_such_routes(rig):
    app = build_app(rig.service, page=False)
    assert not any("annotations" in path for path in app.openapi()["paths"])
    assert as_(app, "ana").get("/me").status_code == 404
