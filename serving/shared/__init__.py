"""What several servers share: keys, names and the commits they stand for, limits. One database, opened."""

import asyncio
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from serving.defence.pace import Quota, Verdict
from serving.shared.limits import BEAT_S, SharedLimits
from serving.shared.mirror import Mirror as Mirror
from serving.shared.names_table import NamesTable as NamesTable
from serving.shared.store import Store as Store
from serving.shared.tries_table import SharedTries
from zoo.errors import DatabaseAway

COUNTERS = 4
"""Requests that are counted at once."""
log = logging.getLogger("medzoo.shared")


class Shared:
    """One server's part in what all share."""

    def __init__(self, where: str, *, scope: str, quota: Quota) -> None:
        """Open the database; `scope` are the servers that give the same answers: one base, one Hub.

        Raises:
            BadInput: it cannot be opened; see `Store`.
            DatabaseAway: it does not answer.
        """
        self._store = Store(where)
        self.table = NamesTable(self._store, scope)
        self.mirror = Mirror(self._store, self.table)
        self.tries = SharedTries(self._store)
        self._limits, self._quota = SharedLimits(self._store, quota), quota
        self._counters = ThreadPoolExecutor(COUNTERS, thread_name_prefix="limits")
        self._ending = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="shared heart", daemon=True)
        self._heart.start()

    async def fresh(self) -> None:
        """Learn what keys and names are now; see `Mirror.fresh`."""
        await self.mirror.fresh()

    def differences(self) -> list[str]:
        """What the servers that live were told otherwise than this one, for its operator.

        Raises:
            DatabaseAway: the database does not answer.
        """
        return [
            f"limits here are {_shown(self._quota)}, and {_shown(other)} at a server that runs: "
            "set MEDZOO_REQUESTS_PER_MINUTE, MEDZOO_BURST and MEDZOO_MAX_CONCURRENT alike"
            for other in self._limits.others()
        ]

    async def enter(self, client: str) -> tuple[Verdict, str] | None:
        """A request has come, for the limits; None: the database is away, and this server's own hold."""
        if self.mirror.away:
            return None
        counted = self._counters.submit(self._limits.enter, client)
        try:
            return await asyncio.shield(asyncio.wrap_future(counted))
        except DatabaseAway:
            return None
        except asyncio.CancelledError:  # whoever asked has gone
            counted.add_done_callback(self._let_go)
            raise

    def leave(self, request: str) -> None:
        """One that was allowed is over; nobody waits until that is counted."""
        if not self._ending.is_set():
            self._counters.submit(self._limits.leave, request)

    def close(self) -> None:
        """End the threads and close the database."""
        self._ending.set()
        self._heart.join()
        self._counters.shutdown()
        self.mirror.close()
        try:
            self._limits.end()
        except DatabaseAway as error:
            log.warning("%s: what was under way here counts for some seconds more", error.message)
        self._store.close()

    def _let_go(self, counted: "Future[tuple[Verdict, str]]") -> None:
        if counted.exception() is None and counted.result()[0].allowed:
            self.leave(counted.result()[1])

    def _beat(self) -> None:
        """For whatever asks without a request too, names are read now and then."""
        while not self._ending.wait(BEAT_S):
            self.mirror.refresh()
            try:
                self._limits.beat()
            except DatabaseAway as error:
                log.debug("%s", error.message)


def _shown(quota: Quota) -> str:
    return f"{quota.per_minute} a minute, {quota.burst} at a time, {quota.at_once} under way"
