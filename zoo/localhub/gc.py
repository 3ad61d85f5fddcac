"""Clearing an embedded Hub's folder of what no branch or tag leads to, and packing what one does.

Only on a folder without faults and without a server. What is packed is on disk before a loose copy goes.
Files younger than `min_age_s` stay, since their commit may be on its way.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from zoo.localhub.check import check
from zoo.localhub.disk import force_to_disk
from zoo.localhub.errors import Damaged
from zoo.localhub.gitrepo import GitRepo
from zoo.localhub.names import KINDS
from zoo.localhub.pointer import Pointer
from zoo.localhub.store import Store

MIN_AGE_S = 3600.0


@dataclass(frozen=True)
class Freed:
    """What went, or would go."""

    large_files: int
    large_bytes: int
    git_objects: int
    """Those that nothing leads to."""
    packed: int
    """Loose git objects that are in a pack now."""


def collect(store: Store, *, min_age_s: float = MIN_AGE_S, dry_run: bool = False) -> Freed:
    """Clear the folder; with `dry_run` only tell what would go.

    Raises:
        Damaged: something is wrong in the folder, so that what is needed cannot be told.
    """
    fault = next(check(store), None)
    if fault:
        raise Damaged(f"nothing was cleared, since there are faults: {fault.where}: {fault.what}",
                      hint=f"medzoo hub check --root {store.root}")  # fmt: skip
    before_s = time.time() - min_age_s
    wanted: set[str] = set()
    gone = packed = 0
    for kind in KINDS:
        for _, folder in store.folders(kind):
            dead, moved = _git(store, folder, before_s, dry_run)
            gone, packed = gone + dead, packed + moved
            # Of what is left: a young blob that nothing leads to may be a commit's on its way.
            pointers: dict[Pointer, str] = {}
            repo = GitRepo(folder)
            for _ in repo.reachable(pointers):
                pass
            wanted |= {pointer.sha256 for pointer in pointers}
            wanted |= repo.large_files(young_from_s=before_s)
    files, freed = store.objects.prune(wanted, before_s=before_s, dry_run=dry_run)
    return Freed(files, freed, gone, packed)


def _git(store: Store, folder: Path, before_s: float, dry_run: bool) -> tuple[int, int]:
    """Pack one repository; return how many objects went and how many loose ones were packed."""
    repo, packs = GitRepo(folder), folder / "objects" / "pack"
    live: set[str] = set()
    for _ in repo.reachable({}, live):
        pass
    loose = {f"{path.parent.name}{path.name}": path for path in (folder / "objects").glob("??/*")}
    old = {oid: path for oid, path in loose.items() if oid in live or path.stat().st_mtime < before_s}
    dead = set(repo.objects()) - live - (loose.keys() - old.keys())
    told = len(dead), len(loose.keys() & live)
    if dry_run or not (old or dead):
        return told
    fresh = Path(tempfile.mkdtemp(dir=store.incoming, prefix="pack-"))
    repo.pack(live, fresh)
    force_to_disk(list(fresh.iterdir()))
    packs.mkdir(exist_ok=True)
    new = [packs / path.name for path in sorted(fresh.iterdir(), reverse=True)]  # the index comes last
    for path in new:
        os.replace(fresh / path.name, path)
    force_to_disk(new)
    for path in [*(set(packs.iterdir()) - set(new)), *old.values()]:
        path.unlink()
    fresh.rmdir()
    return told
