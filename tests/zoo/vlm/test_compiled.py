"""A base that is loaded to be compiled: the same tokens, and nothing that comes compiles it again."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests._adapters import random_adapter
from zoo.asking import Sampling
from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.manifest import read_manifest
from zoo.vlm import compiled
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that are made, which run as torch runs them, without a C++ compiler."""
    made: list[Any] = []

    def keep(graph: torch.fx.GraphModule, _: Sequence[torch.Tensor]) -> Callable[..., Any]:
        made.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compile_ = partial(torch.compile, fullgraph=True, dynamic=False, recompile_limit=8, backend=keep)
    function = compile_(compiled._newest)
    monkeypatch.setattr(compiled, "_graph", lambda: function)
    return made


@pytest.mark.parametrize("kind", ["qwen2.5-vl", "qwen3-vl", "gemma3 narrow"])
def test_every_tokens_logits_are_those_of_the_whole_sequence(
    kind: str,
    load_tiny: Callable[..., VisionLanguageModel],
    check_steps: Callable[[VisionLanguageModel], None],
    graphs: list[Any],
) -> None:
    check_steps(load_tiny(kind, compiled=True))
    assert len(graphs) == 1


def test_other_adapters_rows_lengths_and_samples_compile_nothing_again(
    tmp_path: Path, questions: QuestionSet, graphs: list[Any]
) -> None:
    plain, fast = (load_base(get_base("phantom"), compiled=how) for how in (False, True))
    folders = [tmp_path / f"a{number}" for number in range(3)]
    for seed, folder in enumerate(folders):
        random_adapter(folder, plain, seed=seed, rank=4 + 4 * seed, spread=0.2)
    banks = [AdapterBank(plain, slots=3, max_rank=16), AdapterBank(fast, slots=3, max_rank=16, graph_rows=8)]
    for bank in banks:
        bank.load(1, folders[0], read_manifest(folders[0]))
        bank.load(2, folders[1], read_manifest(folders[1]))
    images = [
        [vlm.encode_images([questions.open_image(q.images[0])]) for q in questions.questions]
        for vlm in (plain, fast)
    ]

    def same(slots: Sequence[int], first: int, sampling: Sampling) -> list[str]:
        """What both say, one a slot, to the questions from that one on."""
        found = [
            generate(
                vlm,
                [
                    Row(images[which][first + n], questions.questions[first + n].prompt, slot, sampling)
                    for n, slot in enumerate(slots)
                ],
            )
            for which, vlm in enumerate((plain, fast))
        ]
        assert found[0] == found[1]
        return [answer.text for answer in found[1]]

    greedy = Sampling(max_tokens=12)
    before = same([0, 1, 2, 1], 0, greedy)
    same([2, 2, 1], 7, Sampling(max_tokens=20, temperature=1.5, seed=3))
    for bank in banks:
        bank.clear(2)
        bank.load(2, folders[2], read_manifest(folders[2]))
    after = same([0, 1, 2, 1], 0, greedy)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False, True]
    assert len(graphs) == 1, "four rows and up to 128 tokens are one graph"
    same([1, 0, 2, 0, 1], 3, greedy)
    assert len(graphs) == 2


@pytest.mark.slow
def test_phantom_says_through_the_compiler_what_it_says_plainly(questions: QuestionSet) -> None:
    answers = []
    for how in (False, True):
        vlm = load_base(get_base("phantom"), compiled=how)
        rows = [
            Row(vlm.encode_images([questions.open_image(q.images[0])]), q.prompt) for q in questions.questions
        ]
        answers.append([a for start in range(0, 24, 4) for a in generate(vlm, rows[start : start + 4])])
    assert answers[0] == answers[1]
