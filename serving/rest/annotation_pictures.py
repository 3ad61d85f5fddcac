"""The pictures of cases, opened for a while, so that moving a window or a frame costs no opening.

Bounded in memory; who may see one is not decided here.
"""

import io
import os
import threading
from collections.abc import Callable

from serving.core.keeping import Keeping
from zoo.errors import BadInput
from zoo.images import Limits, Scan, Window, open_scan

AT_ONCE = min(4, os.cpu_count() or 1)
"""Pictures that are decoded at once."""
BYTES = 256 * 1024 * 1024
TTL_S = 120.0


class Opened:
    """Scans by case and number."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scans: Keeping[Scan] = Keeping(max_bytes=BYTES, ttl_s=TTL_S)
        self._room = threading.Semaphore(AT_ONCE)

    def get(self, case: int, number: int, read: Callable[[], bytes]) -> Scan:
        """The picture, by `read` if it is not open.

        Raises:
            ZooError: see `zoo.images.open_scan`, and what `read` raises.
        """
        key = f"{case}/{number}"
        scan = self._scans.get(key)
        if scan is None:
            with self._room:
                scan = open_scan(read(), limits=self._limits)
            self._scans.put(key, scan, size=scan.size_bytes)
        return scan

    def show(
        self, scan: Scan, *, frame: int | None, centre: float | None, width: float | None, inverted: bool
    ) -> bytes:
        """A frame as a PNG file.

        Raises:
            BadInput: half a window, or one of what has none.
            BadImage: there is no such frame.
        """
        if (centre is None) != (width is None):
            raise BadInput("a window has a centre and a width", hint="give both or none", param="width")
        window = Window(centre=centre, width=width) if centre is not None and width is not None else None
        out = io.BytesIO()
        with self._room:
            scan.show(frame=frame, window=window, inverted=inverted).save(out, "PNG", compress_level=1)
        return out.getvalue()

    def forget(self) -> None:
        """Let go of all of them."""
        self._scans.clear()
