"""The homes of adapters as Ray Serve's request router, which runs in the process that asks.

A comparison's digests come as one multiplexed id, between spaces; it is for choosing alone.
"""

import threading
from collections import Counter
from typing import Any

from ray.serve.request_router import FIFOMixin, PendingRequest, ReplicaID, RequestRouter, RunningReplica

from serving.cluster.homes import ranked


class Spread(FIFOMixin, RequestRouter):  # type: ignore[misc]
    """Sends a question to the idlest home of its adapters, by what this process has under way."""

    def initialize_state(self) -> None:
        """Called once, by Ray Serve."""
        self._lock = threading.Lock()
        self._under_way: Counter[ReplicaID] = Counter()

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The replicas to try, one after the other."""
        keys = pending_request.metadata.multiplexed_model_id.split() if pending_request else []
        by_name = {one.replica_id.unique_id: one for one in candidate_replicas}
        busy = {name: self._under_way[one.replica_id] for name, one in by_name.items()}
        return [[by_name[name]] for name in ranked(keys, busy)]

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """A question is on its way to a replica."""
        super().on_send_request(replica_id)
        with self._lock:
            self._under_way[replica_id] += 1

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: Any) -> None:
        """It is over, however it ended."""
        with self._lock:
            self._under_way[replica_id] = max(0, self._under_way[replica_id] - 1)
