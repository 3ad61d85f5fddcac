"""What the engine needs of a deployment's replicas; `serves` has them of Ray Serve, tests of their own."""

from collections.abc import AsyncGenerator
from typing import Protocol

from serving.cluster.wire import Failed, Item, Order, Report
from serving.core.requests import AdapterId


class Replicas(Protocol):
    """The replicas of one deployment."""

    def run(self, order: Order) -> AsyncGenerator[list[Item], None]:
        """Give an order to one, best to a home of its adapters, and what it sends; closing this cancels it.
        Waits until there is a replica.

        Raises:
            ReplicaLost: it is no more.
            EngineFailed: the order is too large to be sent.
        """

    def unload(self, adapter: AdapterId) -> list[Failed | None]:
        """Have each empty an adapter's slot, and wait for all that answer."""

    def reports(self, pinned: frozenset[tuple[str, str]], *, timeout_s: float) -> list[Report]:
        """How each stands that answers in time; told what is evicted last."""

    def close(self) -> None:
        """Nothing more is asked. Once."""
