"""Second stage of the pocket base: projector and language model learn to answer, in courses.

The tower is frozen here, so its tokens of each picture, as it is and disturbed, are made once. Several
questions about one picture lie behind one copy of it: each sees the picture and itself alone and takes its
positions from the picture's end, so nothing is learned of one question from another. The model computes in
bfloat16; what is optimised is a copy of its weights in float32.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from zoo.records import Question
from zoo.vlm.builders.master import Master
from zoo.vlm.builders.pocket_language import END_OF_TURN, IMAGE
from zoo.vlm.builders.pocket_sights import by_picture
from zoo.vlm.builders.pocket_vision import IMAGE_TOKENS
from zoo.vlm.builders.workshop import Workshop

_IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Course:
    """A stretch of teaching."""

    name: str
    epochs: int
    learning_rate: float
    """Of the language model, at its peak; 0: it is frozen."""
    projector_rate: float
    pictures: int = 8
    """Pictures a step, each with as many questions as fit."""
    together: int = 10
    """Most questions behind one picture."""


@dataclass(frozen=True)
class Lesson:
    """What is asked of a picture, as token ids."""

    picture: int
    """Row of the picture in the pool."""
    asked: list[int]
    """What follows the image in the prompt."""
    answer: list[int]
    """The answer and its end of turn."""


def make_lessons(
    questions: Sequence[Question], tokenizer: PreTrainedTokenizerFast
) -> tuple[list[int], list[Lesson]]:
    """The token ids up to the image's end, the same for all, and a lesson of each question."""
    rows = {name: row for row, name in enumerate(by_picture(questions))}
    texts = [prompt_text(tokenizer, question.prompt) for question in questions]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False).input_ids
    answers = tokenizer([q.answer + END_OF_TURN for q in questions], add_special_tokens=False).input_ids
    image = tokenizer.get_vocab()[IMAGE]
    ends = [ids.index(image) + IMAGE_TOKENS for ids in encoded]
    lessons = [
        Lesson(rows[q.images[0]], ids[end:], answer)
        for q, ids, end, answer in zip(questions, encoded, ends, answers, strict=True)
    ]
    return encoded[0][: ends[0]], lessons


def prompt_text(tokenizer: PreTrainedTokenizerFast, prompt: str) -> str:
    """The prompt under the chat template with one image, its token repeated for every patch."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    turns: Any = [{"role": "user", "content": content}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    return text.replace(IMAGE, IMAGE * IMAGE_TOKENS, 1)


@dataclass(frozen=True)
class Batch:
    """Lessons behind their pictures, each row padded right."""

    pictures: torch.Tensor
    """(rows,)"""
    ids: torch.Tensor
    """(rows, tokens)"""
    positions: torch.Tensor
    """(rows, tokens)"""
    sees: torch.Tensor
    """Which token sees which, bool, (rows, 1, tokens, tokens)."""
    targets: torch.Tensor
    """The token that follows within an answer, else -100, (rows, tokens)."""
    share: torch.Tensor
    """What each target weighs: an answer's weigh 1 together, (rows, tokens)."""


def pack(prefix: Sequence[int], rows: Sequence[Sequence[Lesson]], *, pad: int) -> Batch:
    """Rows of lessons that are about one picture each."""
    longest = len(prefix) + max(sum(len(x.asked) + len(x.answer) for x in row) for row in rows)
    shape = (len(rows), longest)
    ids, positions = torch.full(shape, pad), torch.zeros(shape, dtype=torch.long)
    owner, targets = torch.full(shape, -1), torch.full(shape, _IGNORED)
    share = torch.zeros(shape)
    for r, row in enumerate(rows):
        end = len(prefix)
        ids[r, :end], positions[r, :end], owner[r, :end] = torch.tensor(prefix), torch.arange(end), 0
        for number, lesson in enumerate(row, 1):
            tokens = torch.tensor([*lesson.asked, *lesson.answer])
            start, end = end, end + len(tokens)
            ids[r, start:end] = tokens
            positions[r, start:end] = len(prefix) + torch.arange(len(tokens))
            owner[r, start:end] = number
            first = start + len(lesson.asked) - 1
            targets[r, first : end - 1] = tokens[len(lesson.asked) :]
            share[r, first : end - 1] = 1 / len(lesson.answer)
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    same = (owner[:, :, None] == owner[:, None, :]) | (owner[:, None, :] == 0)
    return Batch(
        torch.tensor([row[0].picture for row in rows]),
        ids,
        positions,
        (same & causal)[:, None],
        targets,
        share,
    )


def loss_of(model: LlavaForConditionalGeneration, batch: Batch, tokens: torch.Tensor) -> torch.Tensor:
    """Summed over the batch's answers: the mean cross-entropy of an answer's tokens. `tokens` are what the
    tower makes of the pictures, (rows, patches, width)."""
    inner: Any = model.model
    embeds = inner.get_input_embeddings()(batch.ids)
    seen = inner.multi_modal_projector(tokens.to(embeds.dtype))
    where = (batch.ids == model.config.image_token_index)[..., None].expand_as(embeds)
    embeds = embeds.masked_scatter(where, seen.to(embeds.dtype))
    hidden = inner.language_model(
        inputs_embeds=embeds, attention_mask=batch.sees, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    wanted = batch.targets != _IGNORED
    logits = model.lm_head(hidden[wanted]).float()
    each = nn.functional.cross_entropy(logits, batch.targets[wanted], reduction="none")
    return (each * batch.share[wanted]).sum()


def epoch_rows(lessons: Sequence[Lesson], course: Course, rng: np.random.Generator) -> list[list[Lesson]]:
    """All lessons once, in rows about one picture, shuffled; rows of like length lie together in a step."""
    of: dict[int, list[Lesson]] = {}
    for i in rng.permutation(len(lessons)):
        of.setdefault(lessons[i].picture, []).append(lessons[i])
    rows = [
        part[i : i + course.together] for part in of.values() for i in range(0, len(part), course.together)
    ]
    return [rows[i] for i in rng.permutation(len(rows))]


def steps_of(rows: Sequence[Sequence[Lesson]], size: int) -> list[Sequence[Sequence[Lesson]]]:
    """The rows of each step."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


@dataclass(frozen=True)
class Taught:
    """How a course went."""

    epochs: int
    """Epochs that were run."""
    losses: list[float]
    """Validation loss an answer after each epoch."""
    best: int
    """The epoch whose weights are kept."""


def teach(
    model: LlavaForConditionalGeneration,
    course: Course,
    *,
    prefix: Sequence[int],
    lessons: Sequence[Lesson],
    tokens: torch.Tensor,
    held: Sequence[Lesson],
    held_tokens: torch.Tensor,
    seed: int,
    shop: Workshop,
    time_left: Callable[[], bool],
    tick: Callable[[int], object],
) -> Taught:
    """Train in place on `tokens` (pictures, views, patches, width); the weights of the epoch that was best on
    the `held` lessons are kept.

    It ends when two epochs were no better, the epochs are over, or no time is left for another one. `tick`
    with the lessons done. What is drawn follows from seed, epoch and step, so a course that goes on ends as
    one in one go.
    """
    inner: Any = model.model
    model.requires_grad_(False)
    taught: list[tuple[list[nn.Parameter], float]] = [
        (list(inner.multi_modal_projector.parameters()), course.projector_rate)
    ]
    if course.learning_rate:
        taught.append((list(inner.language_model.layers.parameters()), course.learning_rate))
    for parameters, _ in taught:
        for parameter in parameters:
            parameter.requires_grad_(True)
    master = Master(taught)
    kept = [p for parameters, _ in taught for p in parameters]
    pad = int(model.generation_config.pad_token_id)
    epoch, step, losses, best = 0, 0, list[float](), None
    if state := shop.load(course.name):
        epoch, step, losses, best = state["epoch"], state["step"], state["losses"], state["best"]
        master.restore(state)
    per_epoch = math.ceil(len(epoch_rows(lessons, course, np.random.default_rng(0))) / course.pictures)
    tick(epoch * len(lessons))
    model.train()
    while epoch < course.epochs and time_left() and not _worse(losses):
        rows = steps_of(epoch_rows(lessons, course, np.random.default_rng([seed, epoch])), course.pictures)
        tick(sum(len(row) for part in rows[:step] for row in part))
        for at in range(step, len(rows)):
            rng = np.random.default_rng([seed, epoch, at])
            batch = pack(prefix, rows[at], pad=pad)
            views = torch.from_numpy(rng.integers(tokens.shape[1], size=len(rows[at])))
            loss = loss_of(model, batch, tokens[batch.pictures, views]) / sum(map(len, rows[at]))
            torch.autograd.backward(loss)
            done = (epoch * per_epoch + at) / (course.epochs * per_epoch)
            master.step(min(1.0, (epoch * per_epoch + at + 1) / 30) * (0.1 + 0.9 * (1 - done)))
            tick(sum(map(len, rows[at])))
            if shop.is_due and at + 1 < len(rows):
                shop.save(course.name, _state(epoch, at + 1, losses, best, master))
        epoch, step = epoch + 1, 0
        losses.append(held_loss(model, prefix, held, held_tokens, course))
        if losses[-1] == min(losses):
            best = [p.detach().clone() for p in kept]
        shop.save(course.name, _state(epoch, 0, losses, best, master))
    with torch.no_grad():
        for parameter, value in zip(kept, best or [], strict=best is not None):
            parameter.copy_(value)
    model.eval()
    return Taught(epoch, losses, losses.index(min(losses)) + 1 if losses else 0)


def _worse(losses: Sequence[float]) -> bool:
    """Whether validation loss was no better than its best in two epochs after it."""
    return len(losses) > 2 and min(losses[-2:]) >= min(losses[:-2])


def _state(epoch: int, step: int, losses: list[float], best: Any, master: Master) -> dict[str, Any]:
    return {"epoch": epoch, "step": step, "losses": losses, "best": best} | master.state()


@torch.no_grad()
def held_loss(
    model: LlavaForConditionalGeneration,
    prefix: Sequence[int],
    held: Sequence[Lesson],
    held_tokens: torch.Tensor,
    course: Course,
) -> float:
    """Cross-entropy an answer over the held lessons, `held_tokens` (pictures, patches, width)."""
    model.eval()
    total = 0.0
    for part in steps_of(epoch_rows(held, course, np.random.default_rng(0)), course.pictures):
        batch = pack(prefix, part, pad=int(model.generation_config.pad_token_id))
        total += float(loss_of(model, batch, held_tokens[batch.pictures]))
    model.train()
    return total / len(held)
