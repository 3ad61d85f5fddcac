"""Who is signed in, for the gate: remembered for a few seconds, so that a request waits for no disk.

Where a session ends in this process, by a sign-out or a closed account, what is remembered ends with it; what
another process has ended, as `medzoo accounts` does, ends within `KEPT_S`.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.annotations.accounts import SESSION_HOURS, Accounts
from serving.annotations.records import Account, AccountRole
from serving.defence.keys import Role

KEPT_S = 5.0
MOST = 10_000
"""Answers that are remembered, also that there is no such session."""
READERS = 4
_ROLES: dict[AccountRole, Role] = {"rater": "annotate", "administrator": "admin"}


class People:
    """The accounts of one database as `serving.defence.callers.People`; used from one event loop."""

    def __init__(self, accounts: Accounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts, self._clock = accounts, clock
        self._kept: dict[str, tuple[tuple[str, Role] | None, float]] = {}
        self._named: dict[str, float] = {}
        self._ended = accounts.ended
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="accounts")

    async def role_of_session(self, token: str) -> tuple[str, Role] | None:
        """Whose session it is and what they may do; None if it has ended."""
        key = hashlib.sha256(token.encode()).hexdigest()
        return await self._look(key, lambda: self._accounts.find(token))

    async def role_of_name(self, name: str) -> tuple[str, Role] | None:
        """The account of that name, None if there is none or it is closed. The log of acts tells of it once
        in the time of a session."""
        found = await self._look(f"name {name}", lambda: self._accounts.find_name(name))
        if found and self._clock() >= self._named.get(name, 0.0):
            self._named[name] = self._clock() + SESSION_HOURS * 3600
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._readers, self._accounts.named_by_proxy, name)
            except Exception:
                del self._named[name]  # who cannot be written down is not let in
                raise
        return found

    async def _look(self, key: str, read: Callable[[], Account | None]) -> tuple[str, Role] | None:
        if self._ended != self._accounts.ended or len(self._kept) >= MOST:
            self._kept.clear()
        ended = self._ended = self._accounts.ended
        found, until = self._kept.get(key, (None, 0.0))
        if self._clock() < until:
            return found
        account = await asyncio.get_running_loop().run_in_executor(self._readers, read)
        found = (account.name, _ROLES[account.role]) if account else None
        if ended == self._accounts.ended:  # else it may have been read before the end
            self._kept[key] = (found, self._clock() + KEPT_S)
        return found
