"""The embedded engine as the settings say, for a server of its own and for each replica of a cluster."""

from serving.core.registry import Registry
from serving.core.watch import Watch
from serving.engines.embedded import EmbeddedEngine
from serving.settings import Settings
from zoo.bases import Base


def open_embedded(base: Base, settings: Settings, registry: Registry, *, watch: Watch) -> EmbeddedEngine:
    """Load the base into this process.

    Raises:
        ZooError: it cannot be loaded.
    """
    from serving.engines.banked import load_banked  # torch: seconds to import

    model = load_banked(
        base,
        device=settings.device,
        dtype=settings.dtype,
        quantize="4bit" if settings.load_in_4bit else "8bit" if settings.load_in_8bit else None,
        compiled=settings.compile,
        slots=settings.slots,
        max_rank=settings.max_rank,
        max_rows=settings.max_rows,
    )
    return EmbeddedEngine(
        model,
        registry,
        slots=settings.slots,
        max_rows=settings.max_rows,
        max_waiting_rows=settings.max_waiting_rows,
        window_s=settings.batch_window_ms / 1000,
        feature_bytes=settings.feature_bytes,
        feature_ttl_s=settings.feature_ttl_s,
        host_bytes=settings.host_bytes,
        watch=watch,
    )
