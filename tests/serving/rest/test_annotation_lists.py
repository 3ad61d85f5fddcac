"""Work lists by the routes: uploaded, answered in the background, followed and closed by an administrator."""

import json
from dataclasses import asdict, replace

import pytest

from serving.app import build_app
from serving.core.requests import AdapterId
from serving.library.names import Names
from tests.serving.rest._rating import (
    answer,
    archive,
    as_,
    click,
    finish,
    open_list,
    picture,
    scans,
    send,
    until,
)
from zoo.errors import HubUnreachable
from zoo.records import Prediction


@pytest.fixture
def root(app):
    """An administrator, while the application is served."""
    with as_(app, "root") as client:
        yield client


def told(reply):
    return reply.status_code, reply.json()["error"]["type"]


def is_open(found):
    return found["state"] == "open"


def test_an_uploaded_list_gets_its_answers_is_rated_and_closed(app, rig, desk, root):
    made = send(root, archive(scans(2)), instructions="As a colleague's draft.")
    assert made.status_code == 201, made.text
    ours = until(root, made.json()["id"], is_open)
    assert (ours["adapters"], ours["cases"], ours["answered"]) == (["base", "mdpo"], 2, 2)
    assert (ours["mine"], ours["problems"], ours["keep"]) == (None, [], False)
    assert ours["raters"] == [{"rater": name, "assigned": 2, "done": 0} for name in ("ana", "ben")]
    first, second = desk.lists.cases(ours["id"])
    assert (first.question_id, first.dataset[:6], first.split) == ("case-1", "cases-", "rated")
    assert first.dataset == second.dataset
    texts = {one.adapter: one for one in desk.lists.answers(second.id)}
    assert texts["base"].text == "base: What is in scan 2? 32x24"
    assert texts["mdpo"].text == "mdpo: What is in scan 2? 32x24"
    mdpo = texts["mdpo"]
    assert AdapterId(mdpo.repo, mdpo.sha, mdpo.digest) == next(
        one.adapter for one in rig.service.adapters() if one.alias == "mdpo"
    )
    ana = as_(app, "ana")
    finish(ana, first.id, letters="AB")
    assert as_(app, "ana").get("/lists").json()[0]["mine"] == {"assigned": 2, "done": 1}
    assert root.get(f"/lists/{ours['id']}/cases").json() == [
        {"case": first.id, "number": 1, "done": False, "opened": True, "raters_done": 1},
        {"case": second.id, "number": 2, "done": False, "opened": False, "raters_done": 0},
    ]
    closed = root.post(f"/lists/{ours['id']}/close").json()
    assert (closed["state"], closed["raters"][0]) == ("closed", {"rater": "ana", "assigned": 2, "done": 1})
    assert told(ana.get(f"/cases/{first.id}")) == (409, "NotOpen")
    assert ana.get(f"/cases/{first.id}/images/0").status_code == 404
    assert told(click(ana, second.id, "opened", True)) == (409, "NotOpen")
    acts = [(one["who"], one["act"], one["what"]) for one in root.get("/acts").json()]
    assert acts == [("root", "closed list", ours["id"]), ("root", "made list", ours["id"])]


def test_only_an_administrator_sees_and_does_what_is_theirs(app, desk, root):
    ours = open_list(desk)
    case = desk.lists.cases(ours.id)[0].id
    asked = [
        ("GET", "/raters"),
        ("GET", "/acts"),
        ("POST", f"/lists/{ours.id}/close"),
        ("POST", f"/lists/{ours.id}/retry"),
        ("POST", "/lists?title=a&raters=ana"),
        ("DELETE", f"/cases/{case}"),
    ]
    for who, wrong in {
        "ana": (403, "NotAllowed"),
        "k-annotate": (403, "NotAllowed"),
        "": (401, "NoKey"),
    }.items():
        for method, path in asked:
            assert told(as_(app, who).request(method, path)) == wrong, (who, path)
    assert desk.lists.get(ours.id).state == "open"
    assert as_(app, "k-admin").get("/raters").json()[0] == {"name": "ana", "role": "rater", "closed": False}
    assert as_(app, "eve").get("/lists").json() == [], "no case of it is hers"
    assert as_(app, "eve").get(f"/lists/{ours.id}/cases").json() == []
    assert told(as_(app, "k-read").get("/lists")) == (403, "NotAllowed")
    asker = {"name": "k-read", "role": "rater", "account": False, "password": False}
    assert as_(app, "k-read").get("/me").json() == asker


def test_a_key_that_is_called_as_a_rater_is_not_that_rater(app, desk):
    desk.accounts.add("k-annotate", "rater", "long enough words")
    ours = open_list(desk, raters=("ana", "k-annotate"))
    assert len(as_(app, "ana").get(f"/lists/{ours.id}/cases").json()) == 3
    assert as_(app, "k-annotate").get(f"/lists/{ours.id}/cases").json() == []
    assert told(as_(app, "k-annotate").get("/lists/abc/cases")) == (404, "UnknownName")


def test_what_cannot_be_made_is_refused_and_leaves_nothing(app, desk, root):
    data = archive(scans(1))
    for wrong, params in {
        (404, "UnknownName"): {"adapters": "base,nobody"},
        (403, "NotAllowed"): {"adapters": "base,sft", "raters": "ana"} | {"who": "ana"},
        (422, "BadInput"): {"adapters": ""},
    }.items():
        client = as_(app, params.pop("who", "root"))
        assert told(send(client, data, **params)) == wrong
    assert told(send(root, data, raters="ana,nobody")) == (404, "UnknownName")
    assert told(send(root, data, raters="ana", overlap=2)) == (422, "BadInput")
    assert told(send(root, data, adapters="sft,sft")) == (422, "BadInput")
    assert told(send(root, b"no archive")) == (422, "BadInput")
    two = {"cases.csv": "images,question\n1.png 2.png,Q?", "1.png": picture(1), "2.png": picture(2)}
    assert told(send(root, archive(two))) == (422, "BadInput"), "the base takes one image"
    assert root.post("/lists?title=a&raters=ana", content=data).status_code == 422, "no content type"
    assert desk.lists.all() == []


def test_a_lasting_problem_is_told_by_its_kind_and_tried_again_or_dropped(app, rig, desk, root):
    files = scans(3)
    files["cases.csv"] = files["cases.csv"].replace("What is in scan 2?", "explode of Jane Roe")
    made = send(root, archive(files)).json()["id"]
    ours = until(root, made, lambda found: found["problems"] and found["answered"] == 2)
    second = desk.lists.cases(made)[1].id
    assert ours["problems"] == [{"case": second, "number": 2, "problem": "EngineFailed"}]
    assert ours["state"] == "preparing"
    tried = len(rig.model.batches)
    assert root.post(f"/lists/{made}/retry").json()["problems"] == []
    until(root, made, lambda found: found["problems"])
    assert len(rig.model.batches) == tried + 2, "the engine tries twice; the others keep their answers"
    answered = desk.lists.cases(made)[0].id
    assert told(root.delete(f"/cases/{answered}")) == (422, "BadInput")
    left = root.delete(f"/cases/{second}").json()
    assert (left["state"], left["cases"], left["problems"]) == ("open", 2, [])
    assert root.get("/acts").json()[0]["what"] == f"{made}/2"


def test_answers_in_the_archive_are_rated_and_no_model_is_asked(app, rig, desk, root):
    def line(adapter, number, text):
        one = Prediction(
            question_id=f"case-{number}",
            dataset="slake",
            split="test",
            images=("x.png",),
            prompt=f"What is in scan {number}?",
            truth="A nodule on the left",
            answer_type="open",
            question_type="",
            options=(),
            error_types=(),
            base="phantom@" + "e" * 40,
            adapter=adapter,
            variant=adapter.rpartition("/")[2],
            digest="" if adapter == "base" else "d" * 64,
            answer=text,
            tokens=3,
        )
        return json.dumps(asdict(one))

    lines = [line(who, n, f"{who} says {n}") for who in ("local/dpo", "base") for n in (1, 2)]
    made = send(root, archive(scans(2) | {"predictions.jsonl": "\n".join(lines)}), adapters="").json()
    assert (made["state"], made["adapters"], made["answered"]) == ("open", ["local/dpo", "base"], 2)
    first = desk.lists.cases(made["id"])[0].id
    said = [(one.adapter, one.repo, one.digest, one.text, one.finish) for one in desk.lists.answers(first)]
    assert said == [
        ("local/dpo", "local/dpo", "d" * 64, "local/dpo says 1", ""),
        ("base", "", "", "base says 1", ""),
    ]
    assert rig.model.batches == []
    for broken, fault in {
        "\n".join(lines[:3]): "'base' has no answer to 'case-2'",
        "\n".join([*lines, lines[0]]): "'local/dpo' has answered 'case-1' already",
        "\n".join(lines).replace("d" * 64, "c" * 64, 1): "another adapter than in earlier rows",
        "\n".join(lines).replace("in scan 2", "there", 1): "'case-2' asks something else",
    }.items():
        refused = send(root, archive(scans(2) | {"predictions.jsonl": broken}), adapters="")
        assert told(refused) == (422, "BadInput")
        assert fault in refused.json()["error"]["message"]


def test_making_answers_waits_while_the_hub_is_away_and_goes_on_after_a_restart(rig, desk, monkeypatch):
    monkeypatch.setattr("serving.preparing.FIRST_WAIT_S", 0.02)
    app = build_app(rig.service, page=False, desk=desk)
    with as_(app, "root") as root:
        rig.model.gate.clear()
        made = send(root, archive(scans(3))).json()["id"]
        rig.model.busy.wait(60)
    assert desk.lists.get(made).state == "preparing", "the application ended in the middle"
    rig.model.gate.set()
    ask, failing = rig.service.ask, iter([HubUnreachable("away"), HubUnreachable("away")])

    def away(asked, on_piece=None):
        for error in failing:
            raise error
        return ask(asked, on_piece)

    monkeypatch.setattr(rig.service, "ask", away)
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        ours = until(root, made, is_open)
    assert ours["problems"] == []
    assert next(failing, None) is None, "both times it was tried again"


def test_a_branch_that_moves_while_answers_are_made_never_mixes_two_adapters_under_one_name(
    rig, desk, make_adapter
):
    app = build_app(rig.service, page=False, desk=desk)
    with as_(app, "root") as root:
        made = send(root, archive(scans(1))).json()["id"]
        until(root, made, is_open)
        sha = desk.lists.answers(desk.lists.cases(made)[0].id)[1].sha
        rig.model.gate.clear()
        rig.model.busy.clear()
        second = send(root, archive(scans(3))).json()["id"]
        rig.model.busy.wait(60)  # the first case is being answered
        rig.hub.add("local/mdpo", "7" * 40, make_adapter("moved", variant="mdpo", seed=99))
        rig.model.gate.set()
        until(root, second, is_open)
    said = desk.lists.answers_of_list(second)
    assert {one.sha for of in said.values() for one in of if one.adapter == "mdpo"} == {sha}


def test_what_another_server_answered_first_says_by_which_adapter_this_one_goes_on(rig, desk, make_adapter):
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        earlier = send(root, archive(scans(1))).json()["id"]
        until(root, earlier, is_open)
        (theirs,) = desk.lists.answers_of_list(earlier).values()
        rig.hub.add("local/mdpo", "7" * 40, make_adapter("moved", variant="mdpo", seed=99))
        rig.model.gate.clear()
        rig.model.busy.clear()
        made = send(root, archive(scans(3))).json()["id"]
        rig.model.busy.wait(60)  # the first case is being answered, by the branch as it is now
        desk.lists.put_answers(desk.lists.cases(made)[0].id, theirs)
        rig.model.gate.set()
        until(root, made, is_open)
    said = desk.lists.answers_of_list(made)
    assert {one.sha for of in said.values() for one in of if one.adapter == "mdpo"} == {theirs[1].sha}


@pytest.mark.parametrize("moved", [False, True])
def test_a_restarted_server_goes_on_by_the_commit_that_the_list_began_with(
    make_rig, desk, make_adapter, moved
):
    before, after = make_rig(), make_rig()
    for rig in (before, after):
        rig.library.names = Names(rig.library.names.aliases)  # no other repo or commit is allowed
    with as_(build_app(before.service, page=False, desk=desk), "root") as root:
        earlier = send(root, archive(scans(1))).json()["id"]
        until(root, earlier, is_open)
        (first,) = desk.lists.answers_of_list(earlier).values()
        before.model.gate.clear()
        before.model.busy.clear()
        made = send(root, archive(scans(3))).json()["id"]
        before.model.busy.wait(60)
    desk.lists.put_answers(desk.lists.cases(made)[0].id, first)
    if moved:
        after.hub.add("local/mdpo", "7" * 40, make_adapter("moved", variant="mdpo", seed=99))
    with as_(build_app(after.service, page=False, desk=desk), "root") as root:
        until(root, made, is_open)
    said = desk.lists.answers_of_list(made)
    assert {one.sha for of in said.values() for one in of if one.adapter == "mdpo"} == {first[1].sha}


def test_a_list_whose_adapter_is_away_holds_up_no_other(rig, desk, monkeypatch):
    ask = rig.service.ask

    def away(asked, on_piece=None):
        if "mdpo" in asked.adapters:
            raise HubUnreachable("away")
        return ask(asked, on_piece)

    monkeypatch.setattr(rig.service, "ask", away)
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        waiting = send(root, archive(scans(2))).json()["id"]
        until(root, send(root, archive(scans(2)), adapters="base").json()["id"], is_open)
        assert [one["answered"] for one in root.get("/lists").json() if one["id"] == waiting] == [0]


def test_no_model_is_asked_for_a_list_that_was_closed(rig, desk):
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        rig.model.gate.clear()
        made = send(root, archive(scans(3)), adapters="base", keep=True).json()["id"]
        rig.model.busy.wait(60)
        closed = root.post(f"/lists/{made}/close").json()
        rig.model.gate.set()
        until(root, send(root, archive(scans(1)), adapters="base").json()["id"], is_open)
    assert (closed["state"], closed["answered"]) == ("closed", 0)
    assert len(rig.model.batches) == 2, "the one under way, and the other list's"


def test_another_base_than_that_of_the_first_case_is_told_as_a_problem(rig, make_rig, desk):
    rig.model.gate.clear()
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        made = send(root, archive(scans(2)), adapters="base").json()["id"]
        rig.model.busy.wait(60)
        first = desk.lists.cases(made)[0].id
    desk.lists.put_answers(first, [replace(answer("base", "No."), base="llava@" + "b" * 40)])
    rig.model.gate.set()
    with as_(build_app(rig.service, page=False, desk=desk), "root") as root:
        ours = until(root, made, lambda found: found["problems"])
    assert [one["problem"] for one in ours["problems"]] == ["Moved"]
    assert ours["state"] == "preparing"
