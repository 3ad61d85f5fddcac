"""What docs/engines.md says of vLLM, on the real one. The tests run in this order: the last one ends it."""

import os
import re
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
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
from zoo.errors import BadAdapter, BadInput, EngineFailed
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


def refuse_tampered(model: VllmModel, good: OnDisk) -> None:
    """What vLLM takes with a 200 and does not apply as it was trained."""
    config = (good.folder / "adapter_config.json").read_bytes()
    tensors = load_file(good.folder / "adapter_model.safetensors")
    odd = {
        "a path that is not there": {name.replace("model.language_model", "model.language_modle"): one
                                     for name, one in tensors.items()},
        "a layer that is missing": {name: one for name, one in tensors.items() if "layers.0" not in name},
        "another's numbers": {name: -one if "lora_B" in name else one for name, one in tensors.items()},
    }  # fmt: skip
    for what, some in odd.items():
        copy = model._copies.put(AdapterFiles(config, memoryview(save(some))), in_use=())
        before = model._run(model.server.models())
        with pytest.raises(BadAdapter, match="its probe's log-probs are"):
            model._run(model._adapters.load(SLOTS + 1, copy, good.manifest))
        assert model._run(model.server.models()) == before, what


def test_adapters_that_vllm_takes_without_a_word_are_refused_by_their_probe(
    model: VllmModel, engine: VllmEngine, eight: list[OnDisk]
) -> None:
    engine.warm(eight[0]).result(300)
    refuse_tampered(model, eight[0])


def test_in_bfloat16_eight_are_proved_by_how_the_base_rounds_and_tampered_ones_are_refused(
    vllm: Vllm, eight: list[OnDisk], tmp_path: Path
) -> None:
    rounded = Vllm(vllm.folder, tmp_path / "log", dtype="bfloat16")
    try:
        rounded.begin()
        model = VllmModel(
            get_base("phantom"), Server(rounded.url), dtype="bfloat16", slots=SLOTS, max_rank=RANK
        )
        engine = VllmEngine(model, Registry(slots=SLOTS), slots=SLOTS)
        assert len({row[0] for row in answers(engine, work(3, None, *eight))}) == 1 + len(eight)
        refuse_tampered(model, eight[0])
        engine.close()
    finally:
        rounded.kill(signal.SIGKILL)


def test_one_that_was_published_anew_answers_for_itself_at_once(
    engine: VllmEngine, embedded: EmbeddedEngine, make_adapter_with_probe: Callable[..., OnDisk]
) -> None:
    before = make_adapter_with_probe("again", seed=50)
    after = make_adapter_with_probe("again", seed=51)
    said = [answers(engine, work(3, one)) for one in (before, after, before, after)]
    ours = [answers(embedded, work(3, one)) for one in (before, after)]
    assert said == ours * 2
    assert ours[0] != ours[1]


def test_an_adapter_comes_and_is_proved_while_others_answer(
    engine: VllmEngine,
    embedded: EmbeddedEngine,
    eight: list[OnDisk],
    make_adapter_with_probe: Callable[..., OnDisk],
) -> None:
    late = make_adapter_with_probe("late", seed=60)
    begun = threading.Event()
    asked = work(3, None, *eight[:5], max_tokens=200)
    answering = engine.submit(asked, lambda piece: begun.set())
    assert begun.wait(120)
    answered_late = answers(engine, work(2, late))
    assert not answering.done.done(), "it was over before the adapter came, which shows nothing"
    said = [(one.text, one.tokens) for one in answering.done.result(300)]
    assert said == [row[:2] for row in answers(embedded, asked)]
    assert answered_late == answers(embedded, work(2, late))


def generated(vllm: Vllm) -> int:
    """Tokens that it has made so far."""
    told = httpx2.get(f"{vllm.url}/metrics", trust_env=False).text
    return int(float(re.findall(r"^vllm:generation_tokens_total\{.*\} (.+)$", told, re.MULTILINE)[0]))


def test_a_question_that_nobody_waits_for_any_more_is_ended_at_vllm_too(
    vllm: Vllm, engine: VllmEngine, eight: list[OnDisk]
) -> None:
    long, short = work(3, *eight, max_tokens=500, temperature=2.0), work(0, None, max_tokens=1)
    whole = sum(one[1] for one in answers(engine, long))
    before, begun = generated(vllm), threading.Event()
    ticket = engine.submit(long, lambda piece: begun.set())
    assert begun.wait(120)
    ticket.cancel()
    alone = False
    while not alone:  # until nothing runs there but what is asked now
        so_far = generated(vllm)
        answers(engine, short)
        alone = generated(vllm) == so_far + 1
    assert generated(vllm) - before < whole / 2


def test_limits_that_vllm_was_not_started_with_are_told_at_the_start_or_to_who_asked(
    vllm: Vllm, engine: VllmEngine
) -> None:
    with pytest.raises(BadAdapter, match=rf"LoRA rank 64 is greater than max_lora_rank {RANK}"):
        VllmModel(get_base("phantom"), Server(vllm.url), dtype="float32", slots=SLOTS, max_rank=64)
    with pytest.raises(BadInput, match="vLLM was started for 1024 together"):
        answers(engine, work(3, None, max_tokens=1000))


def test_a_second_server_on_the_same_vllm_gets_its_own_and_takes_nothing_away(
    vllm: Vllm, engine: VllmEngine, embedded: EmbeddedEngine, eight: list[OnDisk]
) -> None:
    said: list[str] = []
    ours = answers(embedded, work(3, None, *eight))
    assert answers(engine, work(3, None, *eight)) == ours
    second = VllmModel(
        get_base("phantom"), Server(vllm.url), dtype="float32", slots=SLOTS, max_rank=RANK, say=said.append
    )
    other = VllmEngine(second, Registry(slots=SLOTS), slots=SLOTS)
    both = [one.submit(work(3, None, *eight)) for one in (engine, other)]
    assert [[row.text for row in one.done.result(300)] for one in both] == [[row[0] for row in ours]] * 2
    other.close()
    assert answers(engine, work(3, None, *eight)) == ours
    assert "adapters that this server did not load" in said[0]


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
