"""Collections through the real client."""

import uuid

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError


@pytest.fixture
def owner() -> str:
    """A namespace of the test's own."""
    return f"owner-{uuid.uuid4().hex[:8]}"


def shown(api: HfApi, slug: str) -> list[tuple[str, str, int, str | None]]:
    items = api.get_collection(slug).items
    return [(item.item_type, item.item_id, item.position, item.note) for item in items]


def test_a_collection_is_made_filled_and_read_back(api: HfApi, owner: str, url: str) -> None:
    for name in ("a", "b"):
        api.create_repo(f"{owner}/{name}")
    api.create_repo(f"{owner}/pairs", repo_type="dataset")
    made = api.create_collection("Adapters of Phantom!", namespace=owner, description="all of them")
    assert made.slug.startswith(f"{owner}/adapters-of-phantom-")
    assert made.url == f"{url}/collections/{made.slug}"
    api.add_collection_item(made.slug, f"{owner}/a", "model", note="the first")
    api.add_collection_item(made.slug, f"{owner}/b", "model")
    api.add_collection_item(made.slug, f"{owner}/pairs", "dataset")
    found = api.get_collection(made.slug)
    assert (found.title, found.description, found.private) == ("Adapters of Phantom!", "all of them", False)
    assert shown(api, made.slug) == [
        ("model", f"{owner}/a", 0, "the first"),
        ("model", f"{owner}/b", 1, None),
        ("dataset", f"{owner}/pairs", 2, None),
    ]


def test_what_is_there_already_is_409_and_fine_with_exists_ok(api: HfApi, owner: str) -> None:
    api.create_repo(f"{owner}/a")
    made = api.create_collection("Twice", namespace=owner)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_collection("Twice", namespace=owner)
    assert api.create_collection("Twice", namespace=owner, exists_ok=True).slug == made.slug
    api.add_collection_item(made.slug, f"{owner}/a", "model")
    with pytest.raises(HfHubHTTPError, match="409"):
        api.add_collection_item(made.slug, f"{owner}/a", "model")
    again = api.add_collection_item(made.slug, f"{owner}/a", "model", exists_ok=True)
    assert len(again.items) == 1


def test_items_are_noted_moved_and_taken_out(api: HfApi, owner: str) -> None:
    made = api.create_collection("Order", namespace=owner)
    for name in ("a", "b", "c"):
        api.create_repo(f"{owner}/{name}")
        made = api.add_collection_item(made.slug, f"{owner}/{name}", "model")
    api.update_collection_item(made.slug, made.items[2].item_object_id, note="now first", position=0)
    api.delete_collection_item(made.slug, made.items[0].item_object_id)
    assert shown(api, made.slug) == [
        ("model", f"{owner}/c", 0, "now first"),
        ("model", f"{owner}/b", 1, None),
    ]
    with pytest.raises(HfHubHTTPError, match="404"):
        api.delete_collection_item(made.slug, made.items[0].item_object_id)
    api.delete_collection_item(made.slug, made.items[0].item_object_id, missing_ok=True)


def test_a_new_title_keeps_the_old_address_good(api: HfApi, owner: str) -> None:
    made = api.create_collection("Old", namespace=owner)
    changed = api.update_collection_metadata(
        made.slug, title="New", description="d", theme="pink", position=3
    )
    assert changed.slug == made.slug.replace("/old-", "/new-")
    found = api.get_collection(made.slug)
    assert (found.slug, found.title, found.description, found.theme, found.position) == (
        changed.slug, "New", "d", "pink", 3,
    )  # fmt: skip


def test_collections_are_listed_by_owner_and_item_a_page_at_a_time(
    api: HfApi, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.localhub.routes.collections._MOST_LISTED", 3)
    for name in "abcdef":
        api.create_repo(f"{owner}/{name}")
    slugs = [api.create_collection(f"List {n}", namespace=owner).slug for n in range(7)]
    for name in "abcdef":
        api.add_collection_item(slugs[4], f"{owner}/{name}", "model")
    assert sorted(one.slug for one in api.list_collections(owner=owner)) == sorted(slugs)
    assert len(list(api.list_collections(owner=owner, limit=5))) == 5
    (found,) = api.list_collections(item=f"models/{owner}/f")
    assert (found.slug, len(found.items)) == (slugs[4], 4)


def test_a_collection_is_deleted_and_its_repositories_stay(api: HfApi, owner: str) -> None:
    api.create_repo(f"{owner}/a")
    made = api.create_collection("Gone", namespace=owner)
    api.add_collection_item(made.slug, f"{owner}/a", "model")
    api.delete_collection(made.slug)
    with pytest.raises(HfHubHTTPError, match="404"):
        api.get_collection(made.slug)
    api.delete_collection(made.slug, missing_ok=True)
    assert api.repo_exists(f"{owner}/a")


def test_a_collection_follows_a_repository_that_moves_or_goes(api: HfApi, owner: str) -> None:
    made = api.create_collection("Follows", namespace=owner)
    for name in ("a", "b"):
        api.create_repo(f"{owner}/{name}")
        api.add_collection_item(made.slug, f"{owner}/{name}", "model")
    api.move_repo(f"{owner}/a", f"{owner}/moved")
    api.delete_repo(f"{owner}/b")
    api.create_repo(f"{owner}/b")
    assert shown(api, made.slug) == [("model", f"{owner}/moved", 0, None)]


def test_a_stranger_sees_no_private_collection_and_no_private_item(
    api: HfApi, stranger: HfApi, owner: str
) -> None:
    api.create_repo(f"{owner}/open")
    api.create_repo(f"{owner}/secret", private=True)
    made = api.create_collection("Mixed", namespace=owner)
    hidden = api.create_collection("Hidden", namespace=owner, private=True)
    for name in ("open", "secret"):
        api.add_collection_item(made.slug, f"{owner}/{name}", "model")
    assert shown(stranger, made.slug) == [("model", f"{owner}/open", 0, None)]
    assert [one.slug for one in stranger.list_collections(owner=owner)] == [made.slug]
    with pytest.raises(HfHubHTTPError, match="404"):
        stranger.get_collection(hidden.slug)
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.delete_collection(made.slug)


def test_what_is_no_collection_or_item_is_refused(api: HfApi, owner: str) -> None:
    made = api.create_collection("Strict", namespace=owner)
    with pytest.raises(HfHubHTTPError, match="404"):
        api.add_collection_item(made.slug, f"{owner}/nothing", "model")
    with pytest.raises(HfHubHTTPError, match="501"):
        api.add_collection_item(made.slug, "2307.09288", "paper")
    with pytest.raises(BadRequestError, match="150"):
        api.create_collection("Long", namespace=owner, description="x" * 151)
    with pytest.raises(BadRequestError, match="no title"):
        api.create_collection(" ", namespace=owner)
    with pytest.raises(BadRequestError):
        api.create_collection("x", namespace="..")
