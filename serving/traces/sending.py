"""Spans on their way to a collector that may be slow or away: few wait, the others are dropped and counted.

Nobody who ends a span waits for anything. Knows no collector but by OpenTelemetry's exporter.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)

MOST = 4096
"""Spans that wait."""
AT_ONCE = 512
EVERY_S = 1.0
LAST_WORDS_S = 2.0
"""How long the end waits for what is left to be sent, and again once the exporter was told to stop."""


class Sending(SpanProcessor):
    """Sends what has ended, `at_once` spans at most, each time that many wait or `every_s` after the last."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        dropped: Callable[[int], None],
        most: int = MOST,
        at_once: int = AT_ONCE,
        every_s: float = EVERY_S,
        last_words_s: float = LAST_WORDS_S,
    ) -> None:
        self._exporter, self._dropped = exporter, dropped
        self._most, self._at_once = most, at_once
        self._every_s, self._last_words_s = every_s, last_words_s
        self._waiting: deque[ReadableSpan] = deque()
        self._changed = threading.Condition()
        self._closing = self._is_away = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Let it wait, if there is room."""
        with self._changed:
            room = len(self._waiting) < self._most and not self._closing
            if room:
                self._waiting.append(span)
            if len(self._waiting) >= self._at_once:
                self._changed.notify()
        if not room:
            self._dropped(1)

    def shutdown(self) -> None:
        """Send what waits, for a few seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._last_words_s)
        with self._changed:
            left, self._waiting = len(self._waiting), deque()
        if left:
            self._dropped(left)
        self._exporter.shutdown()
        self._thread.join(self._last_words_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or len(self._waiting) >= self._at_once, self._every_s
                )
                batch = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
                if self._closing and not batch:
                    return
            if batch:
                self._send(batch)

    def _send(self, batch: Sequence[ReadableSpan]) -> None:
        try:
            done = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:  # the edge: the collector's library is another's code
            log.error("spans could not be sent: %s", type(error).__name__)
            done = False
        if not done:
            self._dropped(len(batch))
        if done is self._is_away:  # said once, not for each batch
            self._is_away = not done
            log.warning("the collector of traces %s", "is back" if done else "does not take spans")
