"""Images as they were sent -> pictures, in a few threads of their own.

One image can keep a thread for seconds, so no more are decoded at once than there are processors, and only so
many wait. Knows nothing of who asks.
"""

import asyncio
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from zoo.errors import Busy
from zoo.images import Limits, data_uri_bytes, decode

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
        return await asyncio.wrap_future(self._begin(given))

    def open_now(self, given: bytes | str) -> Image.Image:
        """The same for a thread that may wait."""
        return self._begin(given).result()

    def _begin(self, given: bytes | str) -> "Future[Image.Image]":
        with self._lock:
            if self._count >= self._most:
                raise Busy(f"{self._count} images wait to be read, which is the limit")
            self._count += 1
        begun = self._pool.submit(_decode, given, self.limits)
        begun.add_done_callback(self._end)
        return begun

    def _end(self, _: "Future[Image.Image]") -> None:
        with self._lock:
            self._count -= 1


def _decode(given: bytes | str, limits: Limits) -> Image.Image:
    data = data_uri_bytes(given, limits=limits) if isinstance(given, str) else given
    return decode(data, limits=limits)
