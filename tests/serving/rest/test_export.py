"""Ratings leave by the API: to administrators alone, as files to save, with a line in the log of acts."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import HfApi

from serving.annotations.desk import Desk
from serving.annotations.records import WorkList
from serving.app import build_app
from tests.serving.annotations._rated_list import rated_list
from tests.serving.rest._rating import as_

ONE = {"good": ("none", 1), "base": ("minor", 2), "bad": ("severe", 3)}
KINDS = {
    "ratings.csv": "text/csv; charset=utf-8",
    "ratings.jsonl": "application/jsonl",
    "dataset.zip": "application/zip",
    "pairs.zip": "application/zip",
}
Ask = Callable[[str], TestClient]


@pytest.fixture(scope="module", params=[False, True], ids=["erased", "kept"])
def keep(request: pytest.FixtureRequest) -> bool:
    """Whether the list was made to keep its pictures."""
    return bool(request.param)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory, keep: bool) -> Iterator[tuple[Desk, WorkList]]:
    desk, made = rated_list(tmp_path_factory.mktemp("a") / "ratings.db", [(ONE, ONE)] * 2, keep=keep)
    yield desk, made
    desk.close()


@pytest.fixture
def ask(rig: Any, rated: tuple[Desk, WorkList], hub: str) -> Ask:
    """`ask("root")`: a client that is the administrator root; others: see `_rating`."""
    app = build_app(rig.service, page=False, desk=rated[0], hub=hub)
    return lambda who: as_(app, who)


@pytest.mark.parametrize("keep", [False], indirect=True)
def test_an_administrator_saves_each_kind_and_the_log_of_acts_says_so(
    ask: Ask, rated: tuple[Desk, WorkList]
) -> None:
    desk, made = rated
    for kind, media_type in KINDS.items():
        reply = ask("root").get(f"/lists/{made.id}/export/{kind}")
        assert reply.status_code == 200, reply.text
        name, _, ending = kind.partition(".")
        assert reply.headers["content-disposition"] == f'attachment; filename="{name}-{made.id}.{ending}"'
        assert (reply.headers["cache-control"], reply.headers["content-type"]) == ("no-store", media_type)
    acts = [(one.who, one.act, one.what) for one in desk.acts.all()]
    assert acts[-4:] == [("root", f"exported {kind}", made.id) for kind in KINDS]


@pytest.mark.parametrize("keep", [False], indirect=True)
def test_nobody_else_gets_any_of_it_and_no_act_is_noted(ask: Ask, rated: tuple[Desk, WorkList]) -> None:
    desk, made = rated
    before = desk.acts.all()
    for role in ("key-read", "key-annotate", "ana"):
        for kind in KINDS:
            assert ask(role).get(f"/lists/{made.id}/export/{kind}").status_code == 403
        assert ask(role).post(f"/lists/{made.id}/publish", json={"repo": "a/b"}).status_code == 403
    assert ask("").get(f"/lists/{made.id}/export/ratings.csv").status_code == 401
    assert desk.acts.all() == before


@pytest.mark.parametrize("keep", [False], indirect=True)
def test_what_is_asked_for_is_what_comes(ask: Ask, rated: tuple[Desk, WorkList]) -> None:
    path = f"/lists/{rated[1].id}/export"
    admin = ask("root")
    plain = admin.get(f"{path}/ratings.csv").content.decode("utf-8-sig")
    assert "comment" not in next(csv.reader(io.StringIO(plain)))
    assert "planted comment" in admin.get(f"{path}/ratings.csv?comments=true").text
    pairs = admin.get(f"{path}/pairs.zip?weights=0,0.5,0.5&reference=true").content
    with zipfile.ZipFile(io.BytesIO(pairs)) as archive:
        assert b'"severe": 0.5' in archive.read("rated.json")
        assert b'"reference": true' in archive.read("rated.json")


@pytest.mark.parametrize("keep", [False], indirect=True)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{id}/export/ratings.xls", 422),
        ("{id}/export/pairs.zip?weights=1,2", 422),
        ("{id}/export/pairs.zip?weights=0,0,7", 422),
        ("beef/export/ratings.csv", 404),
        ("beef/export/dataset.zip?images=true", 404),
    ],
)
def test_what_cannot_be_is_refused(ask: Ask, rated: tuple[Desk, WorkList], path: str, status: int) -> None:
    assert ask("root").get(f"/lists/{path.format(id=rated[1].id)}").status_code == status


def test_pictures_come_only_of_a_list_that_was_made_to_keep_them(
    ask: Ask, rated: tuple[Desk, WorkList], keep: bool
) -> None:
    path = f"/lists/{rated[1].id}"
    reply = ask("root").get(f"{path}/export/dataset.zip?images=true")
    body = {"repo": "ward/ratings", "images": True}
    published = ask("root").post(f"{path}/publish", json=body)
    assert [reply.status_code, published.status_code] == ([200, 200] if keep else [403, 403])
    if keep:
        with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
            assert sum(name.startswith("images/") for name in archive.namelist()) == 2


@pytest.mark.parametrize("keep", [False], indirect=True)
def test_a_list_is_published_private_to_the_servers_own_hub(
    ask: Ask, rated: tuple[Desk, WorkList], hub: str
) -> None:
    desk, made = rated
    done = ask("root").post(f"/lists/{made.id}/publish", json={"repo": "ward/ratings"})
    told = HfApi(endpoint=hub, token="local").dataset_info("ward/ratings")
    assert told.private is True
    assert done.json() == {
        "repo": "ward/ratings",
        "sha": told.sha,
        "url": f"{hub}/datasets/ward/ratings/tree/{told.sha}",
    }
    last = desk.acts.all()[-1]
    assert (last.who, last.act, last.what) == ("root", "published", f"{made.id} ward/ratings")
    wrong = ask("root").post(f"/lists/{made.id}/publish", json={"repo": "no repo"})
    assert wrong.status_code == 422
