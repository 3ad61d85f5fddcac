"""The Hub behind the library: what is asked of one, and the one at an address."""

from pathlib import Path
from typing import Protocol

from zoo.hub import fetch, fetch_to_share, last_resolved, resolve


class Hub(Protocol):
    """What the library asks of a Hub."""

    def resolve(self, repo: str, revision: str) -> str:
        """The full sha that a revision stands for now."""

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """What this Hub last said, for when it cannot be asked."""

    def fetch(self, repo: str, sha: str) -> Path:
        """The folder of the adapter's files."""


class ZooHub:
    """The Hub at an address, through `zoo.hub`. Of an adapter larger than `max_bytes` nothing is fetched.
    Adapters lie in `folder`, which several servers may share, or with none where Hubs' clients keep files."""

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        max_bytes: int = 2 * 1024**3,
        folder: Path | None = None,
    ) -> None:
        self._endpoint, self._token, self._max_bytes, self._folder = endpoint, token, max_bytes, folder

    def resolve(self, repo: str, revision: str) -> str:
        """See `zoo.hub.resolve`."""
        return resolve(repo, revision, endpoint=self._endpoint, token=self._token)

    def last_resolved(self, repo: str, revision: str) -> str | None:
        """See `zoo.hub.last_resolved`."""
        return last_resolved(repo, revision, endpoint=self._endpoint)

    def fetch(self, repo: str, sha: str) -> Path:
        """See `zoo.hub.fetch` and `zoo.hub.fetch_to_share`."""
        if self._folder is not None:
            return fetch_to_share(
                self._folder,
                repo,
                sha,
                max_bytes=self._max_bytes,
                endpoint=self._endpoint,
                token=self._token,
            )
        return fetch(
            repo,
            sha,
            evidence=False,
            max_bytes=self._max_bytes,
            endpoint=self._endpoint,
            token=self._token,
        )[0]
