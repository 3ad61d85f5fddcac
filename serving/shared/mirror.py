"""What this server knows of what all share: read anew before each request, and kept for when it cannot be.

A request reads the counts of changes, one small statement, and where they have grown the rows themselves. So
what was changed at any server before a request came here holds for it. Requests that come together share a
read that begins after all of them came. It knows no HTTP.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.defence.keys import Key, find_key
from serving.shared.key_table import KEYS, read_keys
from serving.shared.names_table import Head, NamesTable
from serving.shared.store import Store
from serving.shared.versions import read_versions
from zoo.errors import BadInput, DatabaseAway
from zoo.hub import RepoRef

GRACE_S = 5.0
"""How long keys that cannot be looked up any more are still taken, those of administrators apart."""
log = logging.getLogger("medzoo.shared")


class Mirror:
    """The keys and one scope's names, as they were when last read."""

    def __init__(
        self, store: Store, table: NamesTable, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: DatabaseAway: the database does not answer."""
        self._store, self._table, self._clock = store, table, clock
        self._turn = threading.Lock()
        self._versions: Mapping[str, int] = {}
        self._keys: Sequence[Key] = ()
        self._aliases: Mapping[str, RepoRef] = {}
        self._heads: dict[RepoRef, Head] = {}
        self._commits: Mapping[RepoRef, Sequence[str]] = {}
        self._follow: Callable[[], None] = lambda: None
        self._known_at = 0.0
        self._away = False
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="shared")
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._read()

    @property
    def away(self) -> bool:
        """True if the last read failed, and what is known may be old."""
        return self._away

    @property
    def aliases(self) -> Mapping[str, RepoRef]:
        """What each name stands for."""
        return self._aliases

    @property
    def heads(self) -> Mapping[RepoRef, Head]:
        """The newest commit of each revision that any server was told."""
        return self._heads

    @property
    def commits(self) -> Mapping[RepoRef, Sequence[str]]:
        """The commits that each revision stood for while a name had it, the newest first."""
        return self._commits

    def follow(self, tell: Callable[[], None]) -> None:
        """Call `tell`, from any thread, whenever names or commits have changed, and once now."""
        with self._turn:
            self._follow = tell
            tell()

    def find(self, token: str) -> Key | None:
        """The key that a client sent, or None.

        Raises:
            BadInput: the keys cannot be read, so nobody is let in.
        """
        found = find_key(self._keys, token)
        if self._away and (
            self._clock() - self._known_at > GRACE_S or (found is not None and found.role == "admin")
        ):
            raise BadInput("the shared keys cannot be read")
        return found

    def note(self, ref: RepoRef, head: Head) -> Head:
        """Take note of a commit, unless a newer one is known; the newest."""
        with self._turn:
            known = self._heads.get(ref)
            if known is None or known.turn < head.turn:
                self._heads = {**self._heads, ref: head}
                known = head
        return known

    def refresh(self) -> None:
        """Read what has changed; where that fails, go on with what is known and say so in the log."""
        try:
            self._read()
        except DatabaseAway as error:
            if not self._away:
                log.warning("%s; going on with what is known of names and limits", error.message)
            self._away = True
        else:
            if self._away:
                log.warning("the servers' shared database answers again")
            self._away = False

    async def fresh(self) -> None:
        """The same; what it has read was read after this call."""
        reading = self._reading
        if reading is None or reading.done():
            self._reading = asyncio.create_task(self._refresh_apart())
            await asyncio.shield(self._reading)
            return
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._after(reading))
        await asyncio.shield(self._next)

    def close(self) -> None:
        """End the thread that reads."""
        self._reader.shutdown()

    async def _after(self, reading: "asyncio.Task[None]") -> None:
        await asyncio.wait([reading])
        self._reading, self._next = self._next, None
        await self._refresh_apart()

    async def _refresh_apart(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._reader, self.refresh)

    def _read(self) -> None:
        with self._turn:
            began, moved = self._clock(), False
            with self._store.read() as connection:
                versions = read_versions(connection, (KEYS, self._table.scope))
                if versions[KEYS] != self._versions.get(KEYS):
                    self._keys = read_keys(connection)
                if versions[self._table.scope] != self._versions.get(self._table.scope):
                    aliases, heads = self._table.aliases(connection), self._table.heads(connection)
                    self._commits = self._table.commits(connection)
                    newer = {
                        ref: known
                        for ref, known in self._heads.items()
                        if ref not in heads or heads[ref].turn < known.turn
                    }
                    self._aliases, self._heads, moved = aliases, {**heads, **newer}, True
            self._versions, self._known_at = versions, began
            if moved:  # within the turn, so that nobody is told of the older state last
                self._follow()
