"""The embedded engine's turns over a vLLM: same queue, slots, deadlines and ends; each comparison is a batch
of its own, since vLLM puts rows together by itself. While vLLM is away it takes nothing on."""

import time
from collections.abc import Callable

from serving.core.registry import Registry
from serving.core.watch import Watch
from serving.engines.embedded import EmbeddedEngine
from serving.engines.vllm.model import VllmModel
from zoo.errors import Stopped


class VllmEngine(EmbeddedEngine):
    """Runs comparisons on one vLLM."""

    def __init__(
        self,
        model: VllmModel,
        registry: Registry,
        *,
        slots: int,
        max_rows: int = 16,
        max_waiting_rows: int = 64,
        feature_bytes: int = 256 * 1024 * 1024,
        feature_ttl_s: float = 600.0,
        host_bytes: int = 1024 * 1024 * 1024,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `EmbeddedEngine`; `feature_bytes` of pictures as vLLM takes them are kept in memory."""
        self._vllm = model
        super().__init__(
            model,
            registry,
            slots=slots,
            max_rows=max_rows,
            max_batches=max_rows,
            max_waiting_rows=max_waiting_rows,
            window_s=0.0,
            feature_bytes=feature_bytes,
            feature_ttl_s=feature_ttl_s,
            host_bytes=host_bytes,
            together=False,
            watch=watch,
            clock=clock,
        )

    @property
    def alive(self) -> bool:
        """True while the engine takes work."""
        return super().alive and self._vllm.reachable

    def check_room(self, *, rows: int, client: str) -> None:
        """Raise Busy or Stopped, also while vLLM is away; see `serving.core.engine.Engine`."""
        if super().alive and not self._vllm.reachable:
            raise Stopped(
                f"vLLM at {self._vllm.server.url} does not answer",
                hint="ask again in a few seconds; if it stays so, look at vLLM's log",
            )
        super().check_room(rows=rows, client=client)

    def close(self) -> None:
        """End now; see `serving.core.engine.Engine`."""
        self._closing = True
        self._vllm.interrupt()  # or a load that hangs there would be waited for
        super().close()
        self._vllm.close()
