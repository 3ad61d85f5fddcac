"""What the page keeps between two clicks: in memory, bounded, each for a few minutes after it was last used,
behind a random key.

Gradio keeps a component's value for as long as it keeps the session; so the page's components hold only
keys, and the pixels stay here. Nothing is written to disk.
"""

import secrets
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.core.keeping import Keeping
from zoo.errors import BadInput

Kept = TypeVar("Kept")


class Tray(Generic[Kept]):
    """At most `max_bytes` of things; the one used longest ago goes first."""

    def __init__(
        self,
        *,
        max_bytes: int = 512 * 1024 * 1024,
        ttl_s: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._things: Keeping[tuple[Kept, int]] = Keeping(max_bytes=max_bytes, ttl_s=ttl_s, clock=clock)

    def put(self, thing: Kept, *, size: int) -> str:
        """Keep a thing of so many bytes; the key that gets it back."""
        key = secrets.token_urlsafe(18)
        self._things.put(key, (thing, size), size=size)
        return key

    def get(self, key: str) -> Kept:
        """The thing of that key, whose time begins anew.

        Raises:
            BadInput: its time is over.
        """
        found = self._things.get(key)
        if found is None:
            raise BadInput("the image is no longer kept in memory", hint="choose it again")
        self._things.put(key, found, size=found[1])
        return found[0]
