"""Collections: named lists of repositories, a JSON file each. Knows no HTTP, and not who may see what.

A file is replaced whole and in one step, under one lock, so a kill leaves the list as it was before or after.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from zoo.localhub import jsonfile, names
from zoo.localhub.errors import AlreadyThere, BadRequest, CollectionMissing
from zoo.localhub.names import Kind

MOST_TITLE, MOST_DESCRIPTION, MOST_THEME, MOST_NOTE, MOST_ITEMS = 200, 150, 40, 500, 10_000
"""Characters, and repositories in one collection."""
BROKEN = (ValueError, TypeError, KeyError, AttributeError)
"""What `read` raises on a file that holds no collection."""
_ID = re.compile(r"[0-9a-f]{24}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """A repository in a collection."""

    id: str
    kind: Kind
    repo: str
    note: str = ""


@dataclass(frozen=True)
class Collection:
    """A named list of repositories."""

    owner: str
    id: str
    """24 hexadecimal digits, which stay when the title changes."""
    title: str
    description: str = ""
    private: bool = False
    theme: str = "blue"
    position: int = 0
    updated_s: float = 0.0
    """Seconds since 1970, UTC."""
    items: tuple[Item, ...] = ()

    @property
    def slug(self) -> str:
        """`owner/title-id`, the name in addresses."""
        words = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:60].strip("-")
        return f"{self.owner}/{words}-{self.id}" if words else f"{self.owner}/{self.id}"

    def item(self, item_id: str) -> Item:
        """The entry of that id. Raises: CollectionMissing."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise CollectionMissing(f"the collection {self.slug} has no item {item_id[:80]!r}")


class Collections:
    """All collections under a folder: OWNER/ID.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()

    def all(self, owner: str = "*") -> Iterator[Collection]:
        """Every collection, or those of one owner; a broken file does not hide the others."""
        for path in self.folder.glob(f"{owner}/*.json"):
            try:
                found = read(path)
            except BROKEN as error:
                _log.error("no collection is in %s: %s", path, error)
                continue
            if found is not None:
                yield found

    def find(self, slug: str) -> Collection:
        """The collection with that slug; its id alone counts, so that a new title keeps old addresses good.

        Raises:
            CollectionMissing: there is none.
        """
        owner, _, name = slug.partition("/")
        ident = name[-24:]
        if _ID.fullmatch(ident):
            found = read(self._path(names.repo_id(owner, "x").partition("/")[0], ident))
            if found is not None:
                return found
        raise CollectionMissing(f"no collection {slug[:200]!r}")

    def titled(self, owner: str, title: str) -> Collection | None:
        """The collection of that owner and title."""
        return next((one for one in self.all(owner) if one.title == title), None)

    def create(self, owner: str, title: str, *, description: str = "", private: bool = False) -> Collection:
        """A new, empty collection.

        Raises:
            AlreadyThere: the owner has one of that title.
        """
        names.repo_id(owner, "x")
        with self._lock:
            if self.titled(owner, title):
                raise AlreadyThere(f"{owner} has a collection {title!r} already")
            fresh = Collection(owner, secrets.token_hex(12), title, description, private)
            return self._write(fresh)

    def change(self, slug: str, edit: Callable[[Collection], Collection]) -> Collection:
        """Put what `edit` makes of a collection in its place.

        Raises:
            CollectionMissing: it is not there any more.
        """
        with self._lock:
            return self._write(edit(self.find(slug)))

    def delete(self, slug: str) -> None:
        """Delete a collection; the repositories in it stay. Raises: CollectionMissing."""
        with self._lock:
            found = self.find(slug)
            self._path(found.owner, found.id).unlink()

    def follow(self, kind: Kind, repo: str, new: str | None) -> None:
        """Let every collection follow a repository that moved to `new`, or went (None)."""
        with self._lock:
            for one in list(self.all()):
                kept = [
                    replace(item, repo=new or "") if (item.kind, item.repo) == (kind, repo) else item
                    for item in one.items
                ]
                items = tuple(item for item in kept if item.repo)
                if items != one.items:
                    self._write(replace(one, items=items))

    def _path(self, owner: str, ident: str) -> Path:
        return self.folder / owner / f"{ident}.json"

    def _write(self, collection: Collection) -> Collection:
        for text, most in (
            (collection.title, MOST_TITLE),
            (collection.description, MOST_DESCRIPTION),
            (collection.theme, MOST_THEME),
        ):
            if len(names.message(text)) > most:
                raise BadRequest(f"{text[:40]!r}... is longer than {most} characters")
        if not collection.title.strip():
            raise BadRequest("a collection has no title")
        if len(collection.items) > MOST_ITEMS:
            raise BadRequest(f"a collection holds {MOST_ITEMS} repositories at most")
        written = replace(collection, updated_s=time.time())
        jsonfile.write(self._path(written.owner, written.id), asdict(written))
        return written


def read(path: Path) -> Collection | None:
    """The collection in a file; None if there is no such file.

    Raises:
        One of `BROKEN`: it holds no collection.
    """
    data = jsonfile.read(path)
    if data is None:
        return None
    return Collection(**{**data, "items": tuple(Item(**item) for item in data["items"])})


def add(collection: Collection, kind: Kind, repo: str, note: str) -> Collection:
    """The collection with a repository at its end. Raises: AlreadyThere, BadRequest."""
    if any((item.kind, item.repo) == (kind, repo) for item in collection.items):
        raise AlreadyThere(f"the {kind} {repo!r} is in the collection {collection.slug} already")
    item = Item(secrets.token_hex(12), kind, repo, _note(note))
    return replace(collection, items=(*collection.items, item))


def remove(collection: Collection, item_id: str) -> Collection:
    """The collection without an entry. Raises: CollectionMissing."""
    gone = collection.item(item_id)
    return replace(collection, items=tuple(item for item in collection.items if item != gone))


def edit(collection: Collection, item_id: str, *, note: str | None, position: int | None) -> Collection:
    """The collection with an entry's note or place changed; None leaves one as it is.

    Raises: CollectionMissing, BadRequest.
    """
    before = collection.item(item_id)
    place = collection.items.index(before) if position is None else position
    item = before if note is None else replace(before, note=_note(note))
    items = [one for one in collection.items if one != before]
    items.insert(place, item)
    return replace(collection, items=tuple(items))


def _note(text: str) -> str:
    if len(names.message(text)) > MOST_NOTE:
        raise BadRequest(f"a note is longer than {MOST_NOTE} characters: {text[:40]!r}...")
    return text
