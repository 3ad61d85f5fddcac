"""What docs/engines.md says of vLLM, on the real one. The tests run in this order: the last one ends it."""

import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save

from serving.core.engine import Engine, OnDisk, Work
from serving.core.registry import Registry
from serving.engines.banked import load_banked
from serving.engines.embedded import EmbeddedEngine
from serving.engines.vllm.engine import VllmEngine
from serving.engines.vllm.model import VllmModel
from serving.engines.vllm.server import Server
from tests.vllm.conftest import RANK, SLOTS, Vllm
from zoo.asking import Piece, Sampling, question
from zoo.bases import get_base
from zoo.errors import BadAdapter, EngineFailed
from zoo.phantom.scans import make_scan
from zoo.vlm.weights import AdapterFiles

pytestmark = pytest.mark.vllm

QUESTIONS = (
    "What does this scan show?",
    "Which organ is shown?",
    "Is there a nodule?",
    "Describe the image.",
    "On which side is the finding?",
)


def work(number: int, *adapters: OnDisk | None, max_tokens: int = 40, **sampling: Any) -> Work:
    return Work(
        images=(Image.fromarray(make_scan(100 + number).pixels),),
        turns=question(QUESTIONS[number]),
        adapters=adapters,
        sampling=Sampling(max_tokens=max_tokens, **sampling),
    )


def answers(engine: Engine, asked: Work) -> list[tuple[str, int, int, str]]:
    done = engine.submit(asked).done.result(300)
    return [(one.text, one.tokens, one.prompt_tokens, one.finish) for one in done]


@pytest.fixture(scope="module")
def embedded(vllm: Vllm) -> Iterator[EmbeddedEngine]:
    model = load_banked(get_base("phantom"), device="cpu", slots=SLOTS, max_rank=RANK)
    engine = EmbeddedEngine(model, Registry(slots=SLOTS), slots=SLOTS)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def model(vllm: Vllm) -> VllmModel:
    return VllmModel(get_base("phantom"), Server(vllm.url), dtype="float32", slots=SLOTS, max_rank=RANK)


@pytest.fixture(scope="module")
def engine(model: VllmModel) -> Iterator[VllmEngine]:
    made = VllmEngine(model, Registry(slots=SLOTS), slots=SLOTS)
    yield made
    made.close()


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_greedy_answers_of_the_base_and_eight_adapters_are_the_embedded_engines(
    engine: VllmEngine, embedded: EmbeddedEngine, eight: list[OnDisk], number: int
) -> None:
    asked = work(number, None, *eight)
    ours = answers(embedded, asked)
    assert answers(engine, asked) == ours
    assert len(set(ours)) == len(ours), "adapters that say the same would prove nothing"


@pytest.mark.parametrize("stop", ["e", "is"])
def test_a_stop_text_cuts_where_the_embedded_engine_cuts(
    engine: VllmEngine, embedded: EmbeddedEngine, eight: list[OnDisk], stop: str
) -> None:
    asked = work(0, None, *eight, stop=(stop,))
    assert answers(engine, asked) == answers(embedded, asked)


def test_answers_stream_side_by_side(engine: VllmEngine, eight: list[OnDisk]) -> None:
    pieces: list[Piece] = []
    engine.submit(work(3, *eight), pieces.append).done.result(300)
    first = {row: next(n for n, piece in enumerate(pieces) if piece.row == row) for row in range(len(eight))}
    last = [n for n, piece in enumerate(pieces) if piece.finish]
    assert len(pieces) > 2 * len(eight)
    assert sorted(first.values())[1] < last[0]


def test_adapters_that_vllm_takes_without_a_word_are_refused_by_their_probe(
    model: VllmModel, engine: VllmEngine, eight: list[OnDisk]
) -> None:
    good = eight[0]
    engine.warm(good).result(300)
    config = (good.folder / "adapter_config.json").read_bytes()
    tensors = load_file(good.folder / "adapter_model.safetensors")
    odd = {
        "a path that is not there": {name.replace("model.language_model", "model.language_modle"): one
                                     for name, one in tensors.items()},
        "a layer that is missing": {name: one for name, one in tensors.items() if "layers.0" not in name},
        "another's numbers": {name: -one if "lora_B" in name else one for name, one in tensors.items()},
    }  # fmt: skip
    for what, some in odd.items():
        content = AdapterFiles(config, memoryview(save(some)))
        copy = model._copies.put(content, in_use=())
        before = {one["id"] for one in model._run(model.server.models())}
        with pytest.raises(BadAdapter, match="a log-prob of its probe is"):
            model._run(model._adapters.load(SLOTS + 1, copy, good.manifest))
        assert {one["id"] for one in model._run(model.server.models())} == before, what


def test_one_that_was_published_anew_answers_for_itself_at_once(
    engine: VllmEngine, embedded: EmbeddedEngine, make_adapter_with_probe: Callable[..., OnDisk]
) -> None:
    before = make_adapter_with_probe("again", seed=50)
    after = make_adapter_with_probe("again", seed=51)
    said = [answers(engine, work(3, one)) for one in (before, after, before, after)]
    ours = [answers(embedded, work(3, one)) for one in (before, after)]
    assert said == ours * 2
    assert ours[0] != ours[1]


def test_the_time_of_a_comparison_of_eight_is_told(
    engine: VllmEngine, embedded: EmbeddedEngine, eight: list[OnDisk], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for name, one in (("vLLM", engine), ("embedded", embedded)):
        took = []
        for number in (*range(len(QUESTIONS)), *range(len(QUESTIONS))):
            began = time.monotonic()
            tokens = sum(answer[1] for answer in answers(one, work(number, *eight)))
            took.append(time.monotonic() - began)
        lines.append(
            f"{name}: {statistics.median(took[len(QUESTIONS) :]):.3f} s, {tokens} tokens in the last"
        )
    with capsys.disabled():
        print(f"\na comparison of 8, median of 5: {'; '.join(lines)}; load {os.getloadavg()[0]:.1f}")
    assert len(lines) == 2


def test_a_vllm_that_dies_gives_a_named_error_and_its_successor_the_right_answers(
    vllm: Vllm, engine: VllmEngine, embedded: EmbeddedEngine, eight: list[OnDisk]
) -> None:
    ours = answers(embedded, work(3, None, *eight))
    begun: list[Piece] = []

    def end_it(piece: Piece) -> None:
        if not begun:
            os.killpg(vllm._process.pid, signal.SIGTERM)  # type: ignore[union-attr]
        begun.append(piece)

    ticket = engine.submit(work(3, *eight, max_tokens=256, temperature=2.0), end_it)
    with pytest.raises(EngineFailed, match="vLLM was lost while it answered"):
        ticket.done.result(120)
    vllm.kill(signal.SIGKILL)
    vllm.begin()
    while not engine.alive:
        time.sleep(0.1)
    assert answers(engine, work(3, None, *eight)) == ours


def test_nothing_of_it_is_left_on_disk(model: VllmModel, engine: VllmEngine) -> None:
    root: Path = model._copies._root
    assert root.is_dir()
    engine.close()
    assert not root.exists()
