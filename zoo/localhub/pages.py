"""A long list a page at a time. A page begins after an entry's place, not at a number.

So what comes or goes between two pages makes no entry appear twice and none be passed over.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from zoo.localhub.errors import BadRequest

T = TypeVar("T")
Place = tuple[str | float, str]
"""What the list is ordered by, and an id that no other entry has."""


def page(
    found: Iterable[T],
    place: Callable[[T], Place],
    *,
    cursor: str,
    limit: int,
    descending: bool = True,
) -> tuple[list[T], str]:
    """The entries after `cursor` ("" for the first page), at most `limit`, and the next page's cursor or "".

    Raises:
        BadRequest: the cursor is none that came from here.
    """
    ordered = sorted(found, key=lambda one: place(one)[1])
    ordered.sort(key=lambda one: place(one)[0], reverse=descending)
    if cursor:
        key, ident = _decode(cursor)
        try:
            ordered = [one for one in ordered if _beyond(place(one), key, ident, descending)]
        except TypeError:
            raise BadRequest("the cursor is of another list") from None
    found_page = ordered[:limit]
    return found_page, _encode(place(found_page[-1])) if len(ordered) > limit else ""


def _beyond(place: Place, key: str | float, ident: str, descending: bool) -> bool:
    if place[0] == key:
        return place[1] > ident
    less: bool = place[0] < key  # type: ignore[operator]
    return less == descending


def _encode(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _decode(cursor: str) -> Place:
    try:
        key, ident = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError, RecursionError):
        key = ident = None
    if not isinstance(key, str | float | int) or not isinstance(ident, str):
        raise BadRequest("the cursor is none that this Hub gave")
    return key, ident
