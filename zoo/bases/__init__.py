"""The bases the zoo knows: one file each, found by listing this folder.

What a base is, is said here; where it lies on this machine, and a commit asked of the Hub, the user's own
file says (`_kept`). A base is identified by `name@revision`: a Hub commit, or a digest of its files.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

from zoo.bases._declaration import LLAMA_TARGETS as LLAMA_TARGETS
from zoo.bases._declaration import Base as Base
from zoo.bases._declaration import ImageRule as ImageRule
from zoo.bases._declaration import Obstacle as Obstacle
from zoo.bases._declaration import Published as Published
from zoo.bases._declaration import Term as Term
from zoo.bases._declaration import published as published
from zoo.bases._folder import downloaded_commit as downloaded_commit
from zoo.bases._folder import file_digests as file_digests
from zoo.bases._folder import files_in as files_in
from zoo.bases._folder import folder_revision as folder_revision
from zoo.bases._folder import prove as prove
from zoo.bases._folder import revision_of as revision_of
from zoo.bases._kept import Kept, kept_bases
from zoo.bases._kept import forget as _forget
from zoo.bases._kept import keep as _keep
from zoo.discovery import declared
from zoo.errors import UnknownName


@cache
def declared_bases() -> dict[str, Base]:
    """Every base of this folder by name, as its file declares it.

    Raises:
        BadDeclaration: a file that declares no `BASE`.
    """
    found = {}
    for name, base in declared(__name__, __path__, "BASE", Base).items():
        revision = folder_revision(base.folder) if base.folder else base.revision
        one = replace(base, name=base.name or name, revision=revision)
        found[one.name] = one
    return found


@cache
def bases() -> dict[str, Base]:
    """Every base by name, with what the user's file says of it.

    Raises:
        BadDeclaration: a file that declares no `BASE`.
        BadInput: the user's file cannot be read.
    """
    kept = kept_bases()
    return {
        name: _as_kept(base, kept[name]) if name in kept else base for name, base in declared_bases().items()
    }


def known_base(name: str) -> Base:
    """The base of that name, whether it can be loaded here or not.

    Raises:
        UnknownName: there is none.
    """
    if name not in bases():
        raise UnknownName("base", name, bases())
    return bases()[name]


def get_base(name: str) -> Base:
    """The base of that name, to be loaded.

    Raises:
        UnknownName: there is none.
        BadInput: it cannot be loaded here, with what to type first.
    """
    base = known_base(name)
    base.require_usable()
    return base


def keep_base(name: str, *, revision: str, folder: Path | None = None) -> Base:
    """Remember on this machine which commit of a base is meant, or in which folder it lies; what is kept of
    other bases stays.

    Raises:
        UnknownName: there is no such base.
        BadInput: the user's file cannot be written.
    """
    known_base(name)
    _keep(name, Kept.of(revision, folder))
    bases.cache_clear()
    return known_base(name)


def forget_base(name: str) -> Base:
    """Undo `keep_base`; the folder itself stays. The base is given as its file declares it.

    Raises:
        UnknownName: there is no such base.
        BadInput: nothing is kept of it, or the user's file cannot be written.
    """
    known_base(name)
    _forget(name)
    bases.cache_clear()
    return known_base(name)


def how_to_have(name: str, revision: str) -> str:
    """What to do so that this machine takes a declared base at another revision."""
    declared = declared_bases()[name]
    if declared.folder is not None:
        return "install the version of medvlm-zoo that has that revision, or train it again"
    if declared.built_by:
        return f"medzoo bases {name} --at FOLDER, the one that it was trained on, or train it again"
    return f"medzoo bases {name} --pin {revision}, or train it again"


def _as_kept(base: Base, kept: Kept) -> Base:
    return replace(
        base,
        revision=kept.revision,
        folder=Path(kept.folder) if kept.folder else None,
        files=base.files if kept.revision == base.revision else {},
        revision_source=base.revision_source if kept.revision == base.revision else "",
    )
