"""Passwords as people give them to a server: paced, looked at two at a time, and what came of it in the log
of acts.

Each look takes tens of milliseconds and 64 MiB. A name that nobody has costs and gets what a wrong password
does. Knows no page and no cookie.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from serving.annotations.accounts import Accounts, check_password
from serving.annotations.acts import Acts
from serving.defence.tries import Tries
from serving.shared.tries_table import SharedTries
from zoo.errors import Busy, NoKey, NotAllowed

T = TypeVar("T")
LOOKERS = 2
"""Passwords that are looked at, at once."""
WAITING = 40
"""More who give theirs at the same moment are told to wait."""


class Passwords:
    """The passwords of one server's accounts; used from one event loop."""

    def __init__(self, accounts: Accounts, acts: Acts) -> None:
        self._accounts, self._acts = accounts, acts
        self._tries = Tries()
        self._all_tries: SharedTries | None = None
        self._lookers = ThreadPoolExecutor(LOOKERS, thread_name_prefix="passwords")
        self._waiting = 0

    def count_with(self, tries: SharedTries) -> None:
        """From now on count tries over all servers; this one's own count is for when that cannot be done."""
        self._all_tries = tries

    async def sign_in(self, name: str, password: str, *, address: str, before: str | None) -> str:
        """The token of a fresh session; the one that the browser had `before` ends.

        Raises:
            NoKey: name and password do not go together.
            Busy: too many tries, or too many people at once.
        """
        return await self._paced(name, address, lambda: self._sign_in(name, password, before))

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await self._apart(lambda: self._sign_out(token))

    async def change(self, name: str, old: str, new: str, *, address: str) -> str:
        """Give whoever passed `check_way` another password. The token of a fresh session; all that they had
        end. A wrong old password counts as a try to sign in.

        Raises:
            NotAllowed: the old password is wrong.
            BadInput: see `serving.annotations.accounts.check_password`.
            Busy: too many tries, or too many people at once.
        """
        check_password(new)
        return await self._paced(name, address, lambda: self._change(name, old, new))

    async def _paced(self, name: str, address: str, look: Callable[[], str]) -> str:
        if self._waiting >= WAITING:
            raise Busy("many sign in at this moment", hint="try again in a few seconds", after_s=3)
        self._waiting += 1
        try:
            if wait_s := await self._begin(name, address):
                raise Busy("too many tries", hint=f"try again in {_in_words(wait_s)}", after_s=wait_s)
            token = await self._apart(look)
        finally:
            self._waiting -= 1
        await self._won(name, address)
        return token

    async def _begin(self, name: str, address: str) -> float:
        if self._all_tries is not None:
            with suppress(Busy):
                return await asyncio.to_thread(self._all_tries.begin, name, address)
        return self._tries.begin(name, address, now=monotonic())

    async def _won(self, name: str, address: str) -> None:
        if self._all_tries is not None:
            with suppress(Busy):
                await asyncio.to_thread(self._all_tries.won, name, address)
        self._tries.won(name, address)

    async def _apart(self, look: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lookers, look)

    def _sign_in(self, name: str, password: str, before: str | None) -> str:
        try:
            token = self._accounts.sign_in(name, password)
        except NoKey:  # what was typed as a name may be a password, so only names that are some are written
            self._acts.add("nobody", "sign-in failed", name if self._accounts.known(name) else "")
            raise
        if before:
            self._accounts.sign_out(before)
        self._acts.add(name, "signed in")
        return token

    def _sign_out(self, token: str) -> None:
        if account := self._accounts.find(token):
            self._accounts.sign_out(token)
            self._acts.add(account.name, "signed out")

    def _change(self, name: str, old: str, new: str) -> str:
        try:
            return self._accounts.change_password(name, old, new)
        except NoKey:
            self._acts.add(name, "password change failed", name)
            raise NotAllowed(
                "the old password is wrong", hint="type the one that you signed in with"
            ) from None


def check_way(way: str) -> None:
    """See that somebody who came by this way has a password here.

    Raises:
        NotAllowed: it is a proxy that says who they are, or a key.
    """
    if way == "proxy":
        raise NotAllowed(
            "there is no password to change: a proxy says who you are", hint="change it where you sign in"
        )
    if way != "session":
        raise NotAllowed(
            "there is no password to change: nobody signed in by one",
            hint="a key is changed by the operator (medzoo keys)",
        )


def _in_words(wait_s: float) -> str:
    seconds = math.ceil(wait_s)
    return f"{seconds} seconds" if seconds < 100 else f"{math.ceil(seconds / 60)} minutes"
