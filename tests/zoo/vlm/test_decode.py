"""A batch of answers under way: pieces, rows that end and leave, batches in turns, prompts run once."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests._adapters import random_adapter
from zoo.asking import Piece, Sampling, Turn
from zoo.datasets import QuestionSet
from zoo.errors import BadInput
from zoo.vlm import decode
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Decoding, Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.prefill import Prompt, run_prompts

Load = Callable[..., VisionLanguageModel]


def finish(decoding: Decoding) -> list[list[Piece]]:
    """The pieces of each step until no row is open."""
    steps = []
    while decoding.open:
        steps.append(decoding.step())
    return steps


def said(steps: Sequence[Sequence[Piece]], row: int) -> str:
    """All that a row said."""
    return "".join(piece.text for pieces in steps for piece in pieces if piece.row == row)


@contextmanager
def runs(vlm: VisionLanguageModel) -> Iterator[list[tuple[int, int]]]:
    """Rows and tokens of each pass of the language model meanwhile."""
    found: list[tuple[int, int]] = []

    def note(module: Any, words: Any, named: dict[str, Any]) -> None:
        shape = (
            named.get("input_ids") if named.get("inputs_embeds") is None else named["inputs_embeds"]
        ).shape
        found.append((shape[0], shape[1]))

    handle = vlm.model.model.language_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()


@pytest.fixture
def rows(questions: QuestionSet, features: Sequence[ImageFeatures]) -> list[Row]:
    """24 greedy rows with prompts of many lengths."""
    return [Row(f, q.prompt) for f, q in zip(features, questions.questions, strict=True)]


@pytest.fixture
def uneven(
    kind: str, load_tiny: Load, pictures: Sequence[Image.Image]
) -> tuple[VisionLanguageModel, list[Row]]:
    """A tiny base and rows of unlike images, lengths and most tokens, so that one ends after another."""
    vlm = load_tiny(kind)
    vlm.ends = frozenset()  # never said
    shown = ([0], [1, 2], [2], [0, 1], [1])
    prompts = ("w1", "w2 w3 w4 w5 w6 w7", "w9 w10", "w11 w12 w13", "w9 w10 w1 w1 w1")
    return vlm, [
        Row(vlm.encode_images([pictures[n] for n in numbers]), prompt, sampling=Sampling(max_tokens=most))
        for numbers, prompt, most in zip(shown, prompts, (9, 2, 12, 4, 15), strict=True)
    ]


def test_pieces_put_together_are_the_answer_and_the_last_says_why_it_ended(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    answers = generate(vlm, rows)
    decoding = Decoding(vlm, rows)
    assert decoding.prompt_tokens == [len(vlm.prompt_ids(row.prompt, row.features)) for row in rows]
    assert decoding.open == tuple(range(24))
    steps = finish(decoding)
    assert [said(steps, row) for row in range(24)] == [answer.text for answer in answers]
    assert len({answer.tokens for answer in answers}) > 2
    for row, answer in enumerate(answers):
        own = [piece for pieces in steps for piece in pieces if piece.row == row]
        assert [piece.finish for piece in own] == [None] * (len(own) - 1) + ["stop"]
        assert own[-1].tokens == answer.tokens
        assert len(vlm.response_ids(answer.text)) == answer.tokens
    assert decoding.step() == []


def test_an_answer_is_cut_at_its_most_tokens_and_the_end_of_turn_is_one(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    (whole,) = generate(vlm, rows[4:5])
    for most, finished in ((whole.tokens, "stop"), (whole.tokens - 1, "length"), (1, "length")):
        row = replace(rows[4], sampling=Sampling(max_tokens=most))
        steps = finish(Decoding(vlm, [row]))
        assert len(steps) == most
        assert (steps[-1][-1].tokens, steps[-1][-1].finish) == (most, finished)
        assert whole.text.startswith(said(steps, 0))


def test_a_stop_text_ends_its_own_row_and_is_not_said(vlm: VisionLanguageModel, rows: list[Row]) -> None:
    row = rows[4]
    (whole,) = generate(vlm, [row])
    stop = whole.text[5:14]
    assert " " in stop
    assert whole.text.index(stop) == 5
    stopped = replace(row, sampling=Sampling(stop=("nowhere", stop)))
    steps = finish(Decoding(vlm, [stopped, row]))
    assert said(steps, 0) == whole.text[:5].rstrip()
    assert said(steps, 1) == whole.text
    (last,) = [piece for pieces in steps for piece in pieces if piece.row == 0 and piece.finish]
    assert last.finish == "stop"
    assert last.tokens < whole.tokens


def test_rows_that_end_one_after_another_leave_the_others_as_they_are(
    uneven: tuple[VisionLanguageModel, list[Row]],
) -> None:
    vlm, rows = uneven
    together = generate(vlm, rows)
    assert [answer.tokens for answer in together] == [9, 2, 12, 4, 15]
    for answer, row in zip(together, rows, strict=True):
        assert generate(vlm, [row]) == [answer]


def test_rows_that_are_dropped_say_nothing_more_and_leave_the_others_as_they_are(
    uneven: tuple[VisionLanguageModel, list[Row]],
) -> None:
    vlm, rows = uneven
    rows = [replace(row, sampling=Sampling(max_tokens=10)) for row in rows]
    expected = generate(vlm, rows)
    decoding = Decoding(vlm, rows)
    decoding.drop(3)
    steps = [decoding.step(), decoding.step()]
    decoding.drop(0)
    decoding.drop(0)
    steps += [decoding.step()]
    decoding.drop(1)
    steps += finish(decoding)
    assert [said(steps, row) for row in (2, 4)] == [expected[row].text for row in (2, 4)]
    counts = [
        max([p.tokens for pieces in steps for p in pieces if p.row == row], default=0) for row in range(5)
    ]
    assert counts == [2, 3, 10, 0, 10]
    assert expected[0].text.startswith(said(steps, 0))


def test_batches_that_take_turns_are_as_if_each_ran_alone(
    uneven: tuple[VisionLanguageModel, list[Row]],
) -> None:
    vlm, rows = uneven
    batches = (rows[:2], rows[2:], rows[1:4])
    expected = [generate(vlm, batch) for batch in batches]
    under_way = [Decoding(vlm, batch) for batch in batches]
    steps: list[list[list[Piece]]] = [[] for _ in batches]
    while any(decoding.open for decoding in under_way):
        for decoding, own in zip(under_way, steps, strict=True):
            own.append(decoding.step())
    for own, answers in zip(steps, expected, strict=True):
        assert [said(own, row) for row in range(len(answers))] == [answer.text for answer in answers]


def test_prompts_of_one_length_run_together_and_ended_rows_are_run_no_more(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    vlm.ends = frozenset()
    most = (1, 9, 9, 3, 5, 9, 9, 3)
    asked = [replace(row, sampling=Sampling(max_tokens=n)) for row, n in zip(rows, most, strict=False)]
    lengths = Decoding(vlm, asked).prompt_tokens
    with runs(vlm) as passes:
        generate(vlm, asked)
    prompts = len(set(lengths))
    assert sorted(passes[:prompts]) == sorted((lengths.count(n), n) for n in set(lengths))
    assert prompts > 2
    # One of eight that has ended stays; when three have, the five move together.
    assert [count for count, _ in passes[prompts:]] == [8, 8, 5, 5, 5, 5, 5, 5]
    assert {tokens for _, tokens in passes[prompts:]} == {1}


def test_rows_that_share_image_prompt_and_slot_share_one_run_of_the_prompt(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    sampled = [replace(row, sampling=Sampling(temperature=1.5, seed=n)) for row in rows[:3] for n in range(4)]
    apart = [replace(row, features=ImageFeatures(row.features.images)) for row in sampled]
    with runs(vlm) as passes:
        found = generate(vlm, sampled)
    lengths = Decoding(vlm, rows[:3]).prompt_tokens
    assert sorted(passes[: len(set(lengths))]) == sorted((lengths.count(n), n) for n in set(lengths))
    assert found == generate(vlm, apart)
    assert len({answer.text for answer in found}) > 3


def test_a_batch_that_nobody_holds_gives_its_memory_back_at_once(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    gc.disable()  # which would find it, some time
    try:
        decoding = Decoding(vlm, rows)
        decoding.step()
        held = weakref.ref(decoding)
        del decoding
        assert held() is None
    finally:
        gc.enable()


def test_prompts_that_are_too_many_for_one_pass_run_in_several(
    vlm: VisionLanguageModel, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(vlm, rows)
    ((length, count),) = Counter(Decoding(vlm, rows).prompt_tokens).most_common(1)
    monkeypatch.setattr(decode, "_TOKENS", 2 * length)
    with runs(vlm) as passes:
        assert generate(vlm, rows) == expected
    assert count > 2
    assert [rows for rows, tokens in passes if tokens == length] == [2] * (count // 2) + [1] * (count % 2)


def test_a_slot_without_a_bank_or_without_an_adapter_is_refused(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    row = replace(rows[0], slot=1)
    with pytest.raises(BadInput, match=r"slots \[0, 1\] are asked for and no adapter bank"):
        Decoding(vlm, [rows[0], row])
    AdapterBank(vlm, slots=2, max_rank=2)
    with pytest.raises(BadInput, match="slot 1 of the adapter bank is empty"):
        Decoding(vlm, [row]).step()


def test_a_prompt_whose_answer_may_be_longer_than_the_base_takes_is_refused_before_anything_runs(
    vlm: VisionLanguageModel, rows: list[Row]
) -> None:
    (longest,) = Decoding(vlm, rows[:1]).prompt_tokens
    room = vlm.model.config.get_text_config().max_position_embeddings - longest
    with runs(vlm) as passes:
        Decoding(vlm, [replace(rows[0], sampling=Sampling(max_tokens=room))])
        with pytest.raises(BadInput, match=rf"prompt has {longest} tokens.* and {room + 1} more.* 2048 tog"):
            Decoding(vlm, [replace(rows[0], sampling=Sampling(max_tokens=room + 1))])
    assert passes == []


@torch.no_grad()
def test_prompts_of_one_length_may_have_their_images_in_different_places(
    kind: str, load_tiny: Load, pictures: Sequence[Image.Image]
) -> None:
    """Where an image's tokens see each other both ways, each prompt has a mask of its own."""
    vlm = load_tiny(kind)
    features = vlm.encode_images(pictures[:1])
    talks = ((Turn("user", "w1 w2 w3", 1),), (Turn("user", "w1"), Turn("user", "w2", 1)))
    prompts = [Prompt(vlm.prompt_ids(turns, features), features.images) for turns in talks]
    assert len(prompts[0].ids) == len(prompts[1].ids)
    both, _ = run_prompts(vlm, prompts, lambda layer, made: None)
    for prompt, together in zip(prompts, both, strict=True):
        alone, _ = run_prompts(vlm, [prompt], lambda layer, made: None)
        torch.testing.assert_close(together, alone[0], atol=1e-5, rtol=1e-4)


def test_an_adapter_that_is_replaced_under_a_batch_ends_it(
    vlm: VisionLanguageModel, rows: list[Row], tmp_path: Path
) -> None:
    """Also where the rows are picked anew, since others have ended."""
    manifests = [random_adapter(tmp_path / str(seed), vlm, seed=seed, rank=2) for seed in (0, 1)]
    bank = AdapterBank(vlm, slots=2, max_rank=2)
    vlm.ends = frozenset()
    for dropped in ((), (1, 2)):
        bank.load(1, tmp_path / "0", manifests[0])
        decoding = Decoding(
            vlm, [replace(row, slot=slot) for row, slot in zip(rows, (1, 0, 0), strict=False)]
        )
        decoding.step()
        bank.clear(1)
        bank.load(1, tmp_path / "1", manifests[1])
        for row in dropped:
            decoding.drop(row)
        with pytest.raises(BadInput, match="slot 1 of the adapter bank was given up while a batch used it"):
            decoding.step()
        bank.clear(1)


def test_every_tokens_logits_are_those_of_the_whole_sequence(
    kind: str, load_tiny: Load, check_steps: Callable[[VisionLanguageModel], None]
) -> None:
    check_steps(load_tiny(kind))
