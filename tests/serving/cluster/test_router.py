"""The router that Ray Serve runs in the process that asks, over replicas that are none."""

import asyncio
import gc
import weakref
from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")


class Order:
    """What the router reads of an order."""

    def __init__(self, key, among=()):
        self.keys, self.among = [key], among


@pytest.fixture
def chosen():
    """Call it with a coroutine function that is given `choose`: an order's replica, by name."""
    from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
    from ray.serve.request_router import PendingRequest

    from serving.cluster.router import Spread

    deployment = DeploymentID(name="engine", app_name="app")

    async def run(asks):
        router = Spread(deployment, DeploymentHandleSource.UNKNOWN, use_replica_queue_len_cache=True)
        router.initialize_state()
        ids = [ReplicaID(unique_id=name, deployment_id=deployment) for name in ("one", "two", "three")]
        router.update_replicas(
            [SimpleNamespace(replica_id=one, max_ongoing_requests=99, get_queue_len=_slow) for one in ids]
        )
        for one in ids[1:]:  # the first is asked how much it has to do
            router.on_new_queue_len_info(one, 0)

        async def choose(number, order):
            metadata = RequestMetadata(request_id=str(number), internal_request_id=str(number))
            request = PendingRequest(args=[order], kwargs={}, metadata=metadata)
            return (await router._choose_replica_for_request(request)).replica_id.unique_id

        return await asks(choose)

    return lambda asks: asyncio.run(run(asks))


async def _slow(**_):
    await asyncio.sleep(0.01)
    return 0


def test_each_of_many_at_once_goes_to_its_own_home(chosen):
    keys = [f"{number:064x}" for number in range(20)]

    async def asks(choose):
        together = await asyncio.gather(*[choose(100 + n, Order(key)) for n, key in enumerate(keys)])
        alone = [await choose(n, Order(key)) for n, key in enumerate(keys)]
        return alone, together

    alone, together = chosen(asks)
    assert together == alone
    assert set(alone) == {"one", "two", "three"}


def test_it_goes_among_those_that_are_named(chosen):
    async def asks(choose):
        return [await choose(n, Order(str(n), among=("two", "gone"))) for n in range(10)]

    assert set(chosen(asks)) == {"two"}


def test_nothing_of_a_question_that_was_sent_is_kept(chosen):
    async def asks(choose):
        kept = []
        for number in range(5):
            order = Order(str(number))
            kept.append(weakref.ref(order))
            await choose(number, order)
            del order
        await asyncio.sleep(0)
        gc.collect()
        return [one() for one in kept]

    assert chosen(asks) == [None] * 5
