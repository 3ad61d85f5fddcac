"""The repos of a soak: what each commit holds, and when it became the repo's head."""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.serving.soak.fingerprints import Fingerprint, Forge
from zoo.hub_publish import publish_folder


@dataclass(frozen=True)
class Commit:
    """One published version of one repo."""

    repo: str
    sha: str
    fingerprint: Fingerprint
    began: float
    """When its publishing began, in seconds of the monotonic clock: it cannot be the head before."""
    ended: float
    """When its publishing was over: it is the head since then at the latest."""


class Shelf:
    """Repos with fingerprint adapters on a Hub, each of which can be published again with another word."""

    def __init__(self, hub: str, forge: Forge, folder: Path, *, repos: int, versions: int) -> None:
        """`versions` are published in all, beyond the first of each repo, to repos in turn."""
        self.names = tuple(f"soak/a{number:02}" for number in range(repos))
        self.commits: dict[str, list[Commit]] = {repo: [] for repo in self.names}
        self.shas: dict[str, list[str]] = {repo: [] for repo in self.names}
        self._hub = hub
        self._lock = threading.Lock()
        shapes = itertools.cycle(itertools.product((1, 2, 4, 8), (1, 3)))
        turns = itertools.islice(itertools.cycle(self.names), repos + versions)
        self._unpublished = [
            (
                repo,
                forge.make(folder / str(number), rank=rank, alpha=alpha, name=alias(repo)),
            )
            for number, (repo, (rank, alpha)) in enumerate(zip(turns, shapes, strict=False))
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: self.publish(), self.names))

    @property
    def left(self) -> int:
        """Versions that are yet to be published."""
        return len(self._unpublished)

    def publish(self) -> Commit | None:
        """Publish the next version; None if all are."""
        with self._lock:
            if not self._unpublished:
                return None
            repo, fingerprint = self._unpublished.pop(0)
        began = time.monotonic()
        sha = publish_folder(fingerprint.folder, repo, message="a version", endpoint=self._hub)
        commit = Commit(repo, sha, fingerprint, began, time.monotonic())
        self.commits[repo].append(commit)
        self.shas[repo].append(sha)
        return commit


def alias(repo: str) -> str:
    """The name under which the server serves a repo."""
    return repo.rpartition("/")[2]


def heads_between(commits: Sequence[Commit], began: float, ended: float) -> list[Commit]:
    """The commits of a repo that may have been its head at some moment of that time."""
    gone = [later.ended for later in commits[1:]] + [float("inf")]
    return [one for one, end in zip(commits, gone, strict=True) if one.began <= ended and end >= began]
