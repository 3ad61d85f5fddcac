"""Ray Serve on both sides without a cluster: what crosses is pickled as it is between processes."""

import asyncio
import threading
import time

import pytest

from serving.cluster.engine import RemoteEngine
from serving.cluster.replica import Place
from serving.cluster.wire import ReplicaLost
from serving.core.engine import OnDisk, Work
from serving.core.registry import Registry
from serving.core.requests import AdapterId
from serving.defence.pace import Quota
from serving.opening import build_service
from serving.settings import read_settings
from serving.shared import Shared
from tests._adapters import random_adapter
from tests.serving.conftest import FakeHub
from zoo.asking import Sampling, question
from zoo.bases import get_base
from zoo.errors import BadInput, EngineFailed

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")
LIMIT_S = 60


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The engine over one replica with the phantom base."""
    from ray import serve

    from serving.cluster.serves import ServeReplicas, engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.cluster.replica.place", lambda: Place(number=0, name="one"))
        patch.setattr("serving.cluster.replica.set_up_logs", lambda form: None)
        settings = read_settings(device="cpu", slots=3)
        handle = serve.run(engines(settings), _local_testing_mode=True)
        replicas, base = ServeReplicas(handle, end=lambda: None), get_base("phantom").pinned
        made = RemoteEngine(replicas, Registry(slots=3), base=base, slots=3)
        yield made
        made.close()


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    from zoo.vlm.model import load_base

    vlm = load_base(get_base("phantom"), device="cpu")
    found = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp("adapters") / str(seed)
        manifest = random_adapter(folder, vlm, seed=seed)
        found.append(OnDisk(AdapterId(f"zoo/{seed}", "c" * 40, manifest.weights_sha256), folder, manifest))
    return found


def work(image, *adapters, tokens=8):
    return Work(
        images=(image,),
        turns=question("What is shown?"),
        adapters=adapters,
        sampling=Sampling(max_tokens=tokens),
        deadline=time.monotonic() + LIMIT_S,
    )


def test_a_comparison_comes_in_pieces_and_whole_and_says_by_which_weights(engine, adapters, image):
    pieces = []
    outputs = engine.submit(work(image, *adapters, None), pieces.append).done.result(LIMIT_S)
    assert [one.digest for one in outputs] == [*(one.id.digest for one in adapters), ""]
    for row, output in enumerate(outputs):
        assert "".join(piece.text for piece in pieces if piece.row == row).startswith(output.text)


def test_a_look_a_load_and_an_unload(engine, adapters, image):
    assert engine.look(work(image, adapters[0])).result(LIMIT_S)[0].digest == adapters[0].id.digest
    assert engine.warm(adapters[1]).result(LIMIT_S) is None
    engine._standing.look()
    assert engine.metrics[0].startswith(b"# HELP")
    assert engine.unload(adapters[1].id).result(LIMIT_S) is None


def test_an_error_of_the_replica_comes_as_itself(engine, image):
    with pytest.raises(BadInput):
        engine.submit(work(image, None, tokens=100_000)).done.result(LIMIT_S)


def test_what_is_cancelled_ends_at_the_replica(engine, adapters, image):
    heard = threading.Event()
    ticket = engine.submit(work(image, *adapters, tokens=200), lambda _: heard.set())
    assert heard.wait(LIMIT_S)
    ticket.cancel()
    ends = time.monotonic() + LIMIT_S
    while b"medzoo_queue_rows 0" not in engine.metrics[0] or engine._open:
        assert time.monotonic() < ends
        engine._standing.look()


def test_two_replicas_are_asked_for_unless_more_are_allowed():
    from serving.cluster.serves import engines

    fixed = engines(read_settings(replicas=3))._bound_deployment
    scaled = engines(read_settings(replicas=1, max_replicas=4, max_rows=8))._bound_deployment
    assert fixed.num_replicas == 3
    auto = scaled._deployment_config.autoscaling_config
    assert (auto.min_replicas, auto.max_replicas, auto.target_ongoing_requests) == (1, 4, 4)


def test_what_a_replica_does_not_need_it_is_not_told():
    from serving.cluster.serves import engines

    settings = read_settings(shared="postgresql://u:SECRET@h/d", annotations="a", keys_file="k")
    (told,) = engines(settings)._bound_deployment.init_args
    assert "SECRET" not in repr(told.model_dump())
    assert (told.annotations, told.keys_file, told.shared) == (None, None, None)


def test_names_that_servers_share_stand_for_the_same_at_a_cluster(
    engine, adapters, image, tmp_path, monkeypatch
):
    monkeypatch.setattr("serving.opening.open_engine", lambda *_, **__: engine)
    hub, quota = FakeHub(), Quota(per_minute=60, burst=9, at_once=9)
    for one in adapters:
        hub.add(one.id.repo, one.id.sha, one.folder)
    parts = [Shared(str(tmp_path / "shared.db"), scope="phantom", quota=quota) for _ in range(2)]

    def answered_by(service, part):
        part.mirror.refresh()  # as before every request
        return service.compare([image], "What is shown?", ["mine", "base"]).answers[0].adapter.digest

    try:
        first, second = (
            build_service(read_settings(slots=3), hub=hub, aliases={}, say=pytest.fail, shared=part)
            for part in parts
        )
        asyncio.run(first.load("mine", "zoo/0"))
        assert answered_by(second, parts[1]) == adapters[0].id.digest
        asyncio.run(second.load("mine", "zoo/1", replace=True))
        assert answered_by(first, parts[0]) == adapters[1].id.digest
    finally:
        for part in parts:
            part.close()


class Handle:
    """A handle of Ray Serve whose stream ends with an error."""

    def __init__(self, error):
        self.error, self.run, self.cancelled = error, self, False

    def options(self, **_):
        return self

    def remote(self, _):
        return self

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise self.error

    def cancel(self):
        self.cancelled = True


def rpc(code):
    import grpc

    return grpc.aio.AioRpcError(grpc.StatusCode[code], grpc.aio.Metadata(), grpc.aio.Metadata(), "SECRET")


@pytest.mark.parametrize(
    "error",
    [lambda: rpc("CANCELLED"), lambda: rpc("INTERNAL"), asyncio.CancelledError],
    ids=("cancelled", "internal", "task cancelled"),
)
def test_a_stream_that_is_cut_off_below_is_a_lost_replica_and_never_an_answer(error):
    from serving.cluster.serves import ServeReplicas

    handle = Handle(error())
    with pytest.raises(ReplicaLost):
        asyncio.run(anext(ServeReplicas(handle, end=lambda: None).run(None)))
    assert handle.cancelled


def test_a_question_that_is_too_large_for_the_replicas_says_so_and_what_to_set():
    from serving.cluster.serves import ServeReplicas

    with pytest.raises(EngineFailed, match="larger than the replicas take") as found:
        asyncio.run(anext(ServeReplicas(Handle(rpc("RESOURCE_EXHAUSTED")), end=lambda: None).run(None)))
    assert "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH" in str(found.value)
    assert "SECRET" not in str(found.value)
