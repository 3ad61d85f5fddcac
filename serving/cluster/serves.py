"""Ray Serve on both sides: the deployment of the engine's replicas, and what asks it.

`engines` is what `serve deploy` imports; see deploy/ray/serve.yaml.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import ray
from grpc import StatusCode  # type: ignore[import-untyped]
from grpc.aio import AioRpcError  # type: ignore[import-untyped]
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.exceptions import DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from serving.cluster.replica import EngineReplica
from serving.cluster.wire import Failed, Item, Order, ReplicaLost, Report
from serving.core.requests import AdapterId
from serving.settings import Settings
from zoo.errors import EngineFailed
from zoo.on_ray.private import PAST_THE_STORE

QUIET = LoggingConfig(log_level="ERROR", enable_access_log=False)
NOT_TOLD = ("annotations", "keys_file", "shared", "engine_key")
"""Settings that replicas do not need; Ray keeps what it is given."""
UNLOADED_S = 600.0
"""Longest wait for a replica to empty a slot that answers still use."""


def engines(settings: Settings) -> serve.Application:
    """The replicas of one base as an application of Ray Serve. Its arguments are settings of `medzoo serve`,
    by name; what they do not say the environment says where this is called."""
    most = settings.max_replicas or settings.replicas
    scaled: dict[str, Any] = {"num_replicas": settings.replicas}
    if most > settings.replicas:
        scaled = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=settings.replicas,
                max_replicas=most,
                target_ongoing_requests=settings.max_rows / 2,
            )
        }
    on_gpu = settings.device != "cpu" and ray.is_initialized() and ray.cluster_resources().get("GPU", 0) > 0
    return serve.deployment(
        EngineReplica,
        name="engine",
        # Beyond what an engine queues, so that it is the engine that says: busy.
        max_ongoing_requests=2 * (settings.max_rows + settings.max_waiting_rows) + 16,
        health_check_period_s=2,
        health_check_timeout_s=10,  # three times, and one that hangs is replaced
        graceful_shutdown_timeout_s=settings.timeout_s + 10,  # longer than an answer
        ray_actor_options={"num_cpus": 0, "num_gpus": 1 if on_gpu else 0},
        request_router_config=RequestRouterConfig(request_router_class="serving.cluster.router.Spread"),
        logging_config=QUIET,
        **scaled,
    ).bind(settings.model_copy(update=dict.fromkeys(NOT_TOLD)))


class ServeReplicas:
    """See `serving.cluster.replicas.Replicas`."""

    def __init__(self, handle: DeploymentHandle, *, end: Callable[[], None]) -> None:
        """`end` is called when nothing more is asked."""
        self._handle = handle.options(**PAST_THE_STORE)
        self._streams = handle.options(stream=True, **PAST_THE_STORE)
        self._end = end

    async def run(self, order: Order) -> AsyncGenerator[list[Item], None]:
        """See `Replicas`."""
        sent = self._streams.run.remote(order)
        try:
            async for burst in sent:
                yield burst
        except (RayActorError, RequestCancelledError, DeploymentUnavailableError) as error:
            raise ReplicaLost(type(error).__name__) from None
        except AioRpcError as error:
            if error.code() is StatusCode.RESOURCE_EXHAUSTED:
                raise EngineFailed(
                    "the question is larger than the replicas take",
                    hint="ask about smaller images, or set RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH on "
                    "every node; docs/cluster.md",
                ) from None
            raise ReplicaLost(error.code().name) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ReplicaLost("cancelled") from None  # not by whoever waits
        finally:
            sent.cancel()

    def unload(self, adapter: AdapterId) -> list[Failed | None]:
        """See `Replicas`."""
        return self._all("unload", adapter, timeout_s=UNLOADED_S)

    def reports(self, pinned: frozenset[tuple[str, str]], *, timeout_s: float) -> list[Report]:
        """See `Replicas`."""
        return self._all("report", pinned, timeout_s=timeout_s)

    def close(self) -> None:
        """See `Replicas`."""
        with suppress(Exception):  # a cluster that is gone already
            self._handle.shutdown()
            self._streams.shutdown()
        self._end()

    def _all(self, method: str, *given: Any, timeout_s: float) -> list[Any]:
        """What every replica gives that answers in time."""
        asked = self._handle.broadcast(method, *given)
        try:
            found = asked.results(timeout_s=timeout_s, return_exceptions=True)
        except (TimeoutError, DeploymentUnavailableError):  # there are none
            return []
        return [one for one in found if not isinstance(one, BaseException)]
