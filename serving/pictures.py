"""Images as they were sent -> pictures, in a few threads of their own.

One image can keep a thread for seconds, so no more are decoded at once than there are processors, and only so
many wait. Knows nothing of who asks.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from PIL import Image

from serving.core.origin import bound
from zoo.errors import Busy
from zoo.images import Limits, Scan, data_uri_bytes, decode, open_scan

Made = TypeVar("Made")

AT_ONCE = min(4, os.cpu_count() or 1)
MOST = 32
"""Images that are decoded or wait for it."""


class Pictures:
    """Decodes what the requests of one server hold, within `limits`."""

    def __init__(self, limits: Limits, *, at_once: int = AT_ONCE, most: int = MOST) -> None:
        self.limits = limits
        self._most, self._count = most, 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")

    async def open(self, given: bytes | str) -> Image.Image:
        """The picture in a file's bytes or in a data URI. One that nobody waits for any more is not begun.

        Raises:
            Busy: too many wait.
            ImageTooLarge, BadImage: see `zoo.images`.
        """
        return await asyncio.wrap_future(
            self._begin(lambda: decode(_bytes(given, self.limits), limits=self.limits))
        )

    def scan_now(self, given: bytes | str) -> Scan:
        """The same for somebody to look at, for a thread that may wait; see `zoo.images.open_scan`."""
        return self.run_now(lambda: open_scan(_bytes(given, self.limits), limits=self.limits))

    def run_now(self, work: Callable[[], Made]) -> Made:
        """What the work on pictures gives, for a thread that may wait.

        Raises:
            Busy: too many wait.
        """
        return self._begin(work).result()

    def _begin(self, work: Callable[[], Made]) -> "Future[Made]":
        with self._lock:
            if self._count >= self._most:
                raise Busy(f"{self._count} images wait to be read, which is the limit")
            self._count += 1
        begun = self._pool.submit(bound(work))
        begun.add_done_callback(self._end)
        return begun

    def _end(self, _: "Future[Any]") -> None:
        with self._lock:
            self._count -= 1


def _bytes(given: bytes | str, limits: Limits) -> bytes:
    return data_uri_bytes(given, limits=limits) if isinstance(given, str) else given
