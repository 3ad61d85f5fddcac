"""Collections over HTTP. An item whose repository the caller may not see is left out."""

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zoo.localhub import collections, pages
from zoo.localhub.collections import Collection, Item
from zoo.localhub.errors import (
    AlreadyThere,
    BadRequest,
    CollectionMissing,
    Damaged,
    NotOffered,
    RepoMissing,
)
from zoo.localhub.front import note
from zoo.localhub.http import (
    base_url,
    caller,
    find,
    kind_of,
    need_token,
    need_writer,
    next_link,
    number,
    read_json,
    sees,
    segment,
    store_of,
)
from zoo.localhub.info import timestamp

_MOST_LISTED, _MOST_ITEMS_LISTED = 100, 4


async def listing(request: Request) -> Response:
    """The collections of some owners, or with some repositories in them, a page at a time."""
    params = request.query_params
    owners, wanted = set(params.getlist("owner")), set(params.getlist("item"))
    limit = number(request, "limit", _MOST_LISTED, most=_MOST_LISTED)

    def look() -> tuple[list[dict[str, Any]], str]:
        found = [
            one
            for one in store_of(request).collections.all()
            if (not one.private or caller(request).belongs_to(one.owner))
            and (not owners or one.owner in owners)
            and (not wanted or _has(request, one, wanted))
        ]
        shown, cursor = pages.page(
            found, lambda one: (one.updated_s, one.id), cursor=params.get("cursor", ""), limit=limit
        )
        told = [_told(request, one, most_items=_MOST_ITEMS_LISTED) for one in shown]
        for one in told:
            del one["position"]  # the client counts them itself
        return told, cursor

    page, cursor = await run_in_threadpool(look)
    return JSONResponse(page, headers=next_link(request, cursor))


async def create(request: Request) -> Response:
    """A new collection; one of that title gets 409 with its slug."""
    need_token(request)
    data = await read_json(request)
    owner, title = _text(data, "namespace"), _text(data, "title")
    note(request, "create-collection", collection=f"{owner}/{title}")
    need_writer(request, owner)
    description, private = _text(data, "description", ""), _yes(data, "private") or False
    store = store_of(request).collections
    try:
        fresh = await run_in_threadpool(store.create, owner, title, description=description, private=private)
    except AlreadyThere as error:
        there = await run_in_threadpool(store.titled, owner, title)
        assert there
        return JSONResponse({"slug": there.slug, "error": error.message}, 409)
    return JSONResponse(_told(request, fresh))


async def describe(request: Request) -> Response:
    """A collection with all its items."""
    found = await _found(request)
    return JSONResponse(await run_in_threadpool(_told, request, found))


async def update(request: Request) -> Response:
    """Change what a collection is called, says or shows."""
    found = await _found(request, "update-collection")
    data = await read_json(request)
    changes: dict[str, Any] = {
        key: _text(data, key) for key in ("title", "description", "theme") if key in data
    }
    for key, value in (("private", _yes(data, "private")), ("position", _count(data, "position"))):
        if value is not None:
            changes[key] = value
    changed = await run_in_threadpool(
        store_of(request).collections.change, found.slug, lambda one: replace(one, **changes)
    )
    return JSONResponse({"success": True, "data": await run_in_threadpool(_told, request, changed)})


async def delete(request: Request) -> Response:
    """Delete a collection; the repositories in it stay."""
    found = await _found(request, "delete-collection")
    await run_in_threadpool(store_of(request).collections.delete, found.slug)
    return JSONResponse({"success": True})


async def add_item(request: Request) -> Response:
    """Put a repository at a collection's end; one that is in it gets 409."""
    found = await _found(request, "add-item")
    data = await read_json(request)
    item = data.get("item")
    if not isinstance(item, dict):
        raise BadRequest("the body needs 'item' as an object")
    kind_text, repo_id = _text(item, "type"), _text(item, "id")
    if kind_text not in ("model", "dataset"):
        raise NotOffered(f"a collection here holds models and data sets, no {kind_text[:80]!r}")
    kind, text = kind_of(f"{kind_text}s"), _text(data, "note", "")
    note(request, item=f"{kind}s/{repo_id}")

    def change() -> dict[str, Any]:
        store = store_of(request)
        find(request, kind, repo_id)
        return _told(
            request,
            store.collections.change(found.slug, lambda one: collections.add(one, kind, repo_id, text)),
        )

    return JSONResponse(await run_in_threadpool(change))


async def update_item(request: Request) -> Response:
    """Change an item's note or place."""
    found = await _found(request, "update-item")
    data = await read_json(request)
    text = _text(data, "note") if "note" in data else None
    position, item_id = _count(data, "position"), segment(request, "item")
    await run_in_threadpool(
        store_of(request).collections.change,
        found.slug,
        lambda one: collections.edit(one, item_id, note=text, position=position),
    )
    return JSONResponse({"success": True})


async def delete_item(request: Request) -> Response:
    """Take a repository out of a collection."""
    found = await _found(request, "delete-item")
    item_id = segment(request, "item")
    await run_in_threadpool(
        store_of(request).collections.change, found.slug, lambda one: collections.remove(one, item_id)
    )
    return JSONResponse({"success": True})


async def _found(request: Request, act: str | None = None) -> Collection:
    """The collection that the address names; with `act`, to change it."""
    slug = f"{segment(request, 'ns')}/{segment(request, 'slug')}"
    note(request, act, **({"collection": slug} if act else {}))
    if act:
        need_token(request)
    found = await run_in_threadpool(store_of(request).collections.find, slug)
    if found.private and not caller(request).belongs_to(found.owner):
        note(request, hidden=True)
        raise CollectionMissing(f"no collection {slug[:200]!r}")
    if act:
        need_writer(request, found.owner)
    return found


def _told(request: Request, collection: Collection, most_items: int | None = None) -> dict[str, Any]:
    items = [item for item in collection.items if _sees(request, item)]
    return {
        "slug": collection.slug,
        "title": collection.title,
        "description": collection.description,
        "owner": {"type": "user", "name": collection.owner, "fullname": collection.owner},
        "private": collection.private,
        "theme": collection.theme,
        "position": collection.position,
        "upvotes": 0,
        "isUpvotedByUser": False,
        "lastUpdated": timestamp(collection.updated_s),
        "url": f"{base_url(request)}/collections/{collection.slug}",
        "items": [
            {
                "_id": item.id,
                "id": item.repo,
                "type": item.kind,
                "repoType": item.kind,
                "position": place,
                **({"note": {"text": item.note, "html": ""}} if item.note else {}),
            }
            for place, item in enumerate(items[:most_items])
        ],
    }


def _has(request: Request, collection: Collection, wanted: set[str]) -> bool:
    """Whether one of the repositories is in it, as far as the caller may know."""
    return any(f"{item.kind}s/{item.repo}" in wanted and _sees(request, item) for item in collection.items)


def _sees(request: Request, item: Item) -> bool:
    try:
        return sees(request, store_of(request).find(item.kind, item.repo))
    except (RepoMissing, Damaged):
        return False


def _text(data: dict[str, Any], key: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise BadRequest(f"the body needs {key!r} as text")
    return value


def _yes(data: dict[str, Any], key: str) -> bool | None:
    value = data.get(key)
    if not isinstance(value, bool | None):
        raise BadRequest(f"{key!r} is true or false, not {value!r}")
    return value


def _count(data: dict[str, Any], key: str) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise BadRequest(f"{key!r} is a count from 0, not {str(value)[:40]}")
    return value


ROUTES = [
    Route("/api/collections", listing),
    Route("/api/collections", create, methods=["POST"]),
    Route("/api/collections/{ns}/{slug}", describe),
    Route("/api/collections/{ns}/{slug}", update, methods=["PATCH"]),
    Route("/api/collections/{ns}/{slug}", delete, methods=["DELETE"]),
    Route("/api/collections/{ns}/{slug}/items", add_item, methods=["POST"]),
    Route("/api/collections/{ns}/{slug}/items/{item}", update_item, methods=["PATCH"]),
    Route("/api/collections/{ns}/{slug}/items/{item}", delete_item, methods=["DELETE"]),
]
