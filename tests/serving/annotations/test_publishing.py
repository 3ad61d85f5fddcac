"""Ratings as a data set on a Hub: one commit of what may go, private unless said otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, snapshot_download

import serving.annotations.publishing
from serving.annotations.desk import Desk
from serving.annotations.export import dataset_files
from serving.annotations.publishing import publish_ratings
from serving.annotations.records import WorkList
from serving.annotations.terms import Terms, terms_of
from tests.serving.annotations._rated_list import rated_list
from zoo.bases import get_base
from zoo.errors import BadInput

ONE = {"good": ("none", 1), "base": ("minor", 2), "bad": ("severe", 3)}
REPO = "ward/ratings"
PHANTOM = get_base("phantom").pinned


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, WorkList]]:
    desk, made = rated_list(tmp_path_factory.mktemp("a") / "ratings.db", [(ONE, ONE)] * 2)
    yield desk, made
    desk.close()


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, WorkList]]:
    desk, made = rated_list(tmp_path_factory.mktemp("b") / "ratings.db", [(ONE, ONE)] * 2, dataset="ward")
    yield desk, made
    desk.close()


def api(hub: str) -> HfApi:
    return HfApi(endpoint=hub, token="local")


def test_what_goes_up_is_the_data_set_in_one_private_commit(
    rated: tuple[Desk, WorkList], hub: str, tmp_path: Path
) -> None:
    desk, made = rated
    done = publish_ratings(desk, made.id, REPO, endpoint=hub)
    assert (done.repo, done.tag) == (REPO, "v1")
    assert done.url == f"{hub}/datasets/{REPO}/tree/{done.sha}"
    told = api(hub).dataset_info(REPO)
    assert told.private is True
    assert {"medvlm-zoo", "ratings", "license:apache-2.0"} <= set(told.tags or ())
    commits = api(hub).list_repo_commits(REPO, repo_type="dataset")
    assert (commits[0].commit_id, commits[0].title) == (done.sha, "12 ratings of 2 cases")
    snapshot_download(REPO, repo_type="dataset", endpoint=hub, token="local", local_dir=tmp_path / "copy")
    files = dataset_files(desk, made.id, title=REPO)
    assert not any(name.startswith("images/") for name in files)
    for name, data in files.items():
        assert (tmp_path / "copy" / name).read_bytes() == data
    again = publish_ratings(desk, made.id, REPO, endpoint=hub)
    assert again.sha == done.sha


def test_pictures_go_up_where_they_are_asked_for(rated: tuple[Desk, WorkList], hub: str) -> None:
    desk, made = rated
    publish_ratings(desk, made.id, "ward/with-pictures", images=True, endpoint=hub)
    names = api(hub).list_repo_files("ward/with-pictures", repo_type="dataset")
    assert sum(name.startswith("images/") for name in names) == 2


def test_what_nobody_knows_goes_only_private_to_ones_own_hub_or_under_a_stated_licence(
    unknown: tuple[Desk, WorkList], hub: str
) -> None:
    desk, made = unknown
    with pytest.raises(BadInput, match=r"'apache-2.0 and unknown', which does not let it be passed on"):
        publish_ratings(desk, made.id, REPO, private=False, endpoint=hub)
    with pytest.raises(BadInput, match="does not let it be passed on"):
        publish_ratings(desk, made.id, REPO, endpoint="https://huggingface.co")
    assert not api(hub).repo_exists(REPO, repo_type="dataset")
    publish_ratings(desk, made.id, REPO, endpoint=hub)
    publish_ratings(
        desk, made.id, "ward/open", private=False, license="cc-by-nc-4.0 and apache-2.0", endpoint=hub
    )
    assert api(hub).dataset_info("ward/open").private is False


def test_nothing_is_left_on_disk_after_publishing(
    rated: tuple[Desk, WorkList], hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, made = rated
    monkeypatch.setattr(serving.annotations.publishing.tempfile, "tempdir", str(tmp_path))
    publish_ratings(desk, made.id, "ward/again", endpoint=hub)
    assert list(tmp_path.rglob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("data", "base", "claimed", "terms"),
    [
        ("phantom", PHANTOM, "", Terms(license="apache-2.0", publishable=True, restricted=False)),
        ("slake", PHANTOM, "", Terms(license="cc-by-4.0 and apache-2.0", publishable=True, restricted=False)),
        ("mimic-cxr", PHANTOM, "", None),
        ("phantom", "llava-med-v1.5@1", "", None),
        ("ward", PHANTOM, "", Terms(license="apache-2.0 and unknown", publishable=False, restricted=True)),
        ("ward", PHANTOM, "apache-2.0", Terms(license="apache-2.0", publishable=True, restricted=False)),
    ],
)
def test_terms_are_those_of_data_and_base_and_the_operators_own_of_what_is_not_known(
    data: str, base: str, claimed: str, terms: Terms | None
) -> None:
    found = terms_of({data}, {base}, claimed=claimed)
    if terms is None:
        assert not found.publishable
    else:
        assert found == terms


def test_a_licence_that_is_wider_than_what_is_known_is_refused() -> None:
    with pytest.raises(BadInput, match=r"'cc0-1.0' is wider than apache-2.0"):
        terms_of({"ward"}, {PHANTOM}, claimed="cc0-1.0")
    assert terms_of({"mimic-cxr"}, {PHANTOM}).restricted
