"""The homes of adapters as Ray Serve's request router, which runs in the process that asks.

What it chooses by it reads from the order itself. It is not told by Serve's multiplexed model id: without its
mixin Serve keeps every request that has one, pictures and all, as long as the router lives. Nor is it a FIFO
router, which gives the replica that was chosen for one question to the question that has waited longest.
"""

import threading
from collections import Counter
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from serving.cluster.homes import ranked


class Spread(RequestRouter):  # type: ignore[misc]
    """Sends a question to the idlest home of its adapters, by what this process has under way."""

    def initialize_state(self) -> None:
        """Called once, by Ray Serve."""
        self._lock = threading.Lock()
        self._under_way: Counter[ReplicaID] = Counter()

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The replicas to try, one after the other."""
        order = pending_request.args[0] if pending_request and pending_request.args else None
        by_name = {one.replica_id.unique_id: one for one in candidate_replicas}
        busy = {name: self._under_way[one.replica_id] for name, one in by_name.items()}
        best = ranked(getattr(order, "keys", ()), busy, among=getattr(order, "among", ()))
        return [[by_name[name]] for name in best]

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """A question is on its way to a replica."""
        super().on_send_request(replica_id)
        with self._lock:
            self._under_way[replica_id] += 1

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: Any) -> None:
        """It is over, however it ended."""
        with self._lock:
            self._under_way[replica_id] -= 1
            self._under_way += Counter()  # forgets those with nothing under way
