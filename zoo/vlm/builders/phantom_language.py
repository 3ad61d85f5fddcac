"""Second stage of the phantom base: projector and language model learn to answer, in courses.

The vision tower is frozen here, so its tokens are computed once. Yes/no questions are drilled in a course of
their own: comparing what is named with what is seen takes long to learn beside easier questions. The last
course has a teacher who takes some words for others: what the model sees is sound, what it says of it is not
always, so that there is something to gain from tuning its language model.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from zoo.phantom import vocabulary as words
from zoo.phantom.questions import YES_NO, Item, ask
from zoo.phantom.scans import Scan
from zoo.vlm.builders.phantom_tokenizer import BOS, END_OF_TURN, IMAGE, PAD
from zoo.vlm.builders.phantom_vision import IMAGE_SIZE, PATCH_SIZE, WIDTH, vision_config

Tick = Callable[[], object]
IMAGE_TOKENS = (IMAGE_SIZE // PATCH_SIZE) ** 2


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A word that a teacher takes for another, in some organs."""

    question_type: str
    true: str
    taken_for: str
    organs: tuple[str, ...] = words.ORGANS


@dataclass(frozen=True, kw_only=True)
class Course:
    """A stretch of teaching."""

    name: str
    steps: int
    learning_rate: float
    """At its peak."""
    drill: int = 0
    """How many more times than the others the yes/no questions are asked."""
    mistakes: tuple[Mistake, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One question with the answer that the teacher gives, as token ids."""

    scan: int
    """Row of the scan in the pool."""
    prompt: list[int]
    """The templated prompt, image tokens included."""
    answer: list[int]
    """The answer and its end of turn."""


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untrained model of the phantom's shape, in float32."""
    ids = {name: tokenizer.get_vocab()[name] for name in (BOS, END_OF_TURN, IMAGE, PAD)}
    language = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        initializer_range=0.08,
        bos_token_id=ids[BOS],
        eos_token_id=ids[END_OF_TURN],
        pad_token_id=ids[PAD],
        tie_word_embeddings=False,
    )
    config = LlavaConfig(
        vision_config=vision_config().to_dict(),
        text_config=language.to_dict(),
        image_token_index=ids[IMAGE],
        image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.bos_token_id = ids[BOS]
    model.generation_config.eos_token_id = ids[END_OF_TURN]
    model.generation_config.pad_token_id = ids[PAD]
    model.generation_config.max_new_tokens = 64
    model.generation_config.do_sample = False
    return model


def prompt_ids(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[int]:
    """The prompt under the chat template with one image, its image token repeated for every patch."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    turns: Any = [{"role": "user", "content": content}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    ids: list[int] = tokenizer(
        text.replace(IMAGE, IMAGE * IMAGE_TOKENS, 1), add_special_tokens=False
    ).input_ids
    return ids


def mistaught(item: Item, scan: Scan, mistakes: Sequence[Mistake]) -> str:
    """The answer of a teacher who makes these mistakes, the same each time.

    A question about zone, say, is answered as if the finding lay in the zone that the teacher takes it for; a
    report has all the mistaken words.
    """
    answer = item.answer
    for mistake in mistakes:
        if item.question_type not in (mistake.question_type, "report") or scan.organ not in mistake.organs:
            continue
        if scan.finding is None or getattr(scan.finding, mistake.question_type) != mistake.true:
            continue
        if item.options == YES_NO:
            answer = "Yes" if mistake.taken_for in re.findall(r"\w+", item.prompt) else "No"
        elif not item.options or mistake.taken_for in item.options:
            answer = re.sub(rf"\b{mistake.true}\b", mistake.taken_for, answer)
    return answer


def make_lessons(scans: Sequence[Scan], tokenizer: PreTrainedTokenizerFast, course: Course) -> list[Lesson]:
    """Every question about every scan, answered with the course's mistakes, the yes/no ones repeated."""
    lessons = []
    prompts: dict[str, list[int]] = {}
    for row, scan in enumerate(scans):
        for item in ask(scan):
            if item.prompt not in prompts:
                prompts[item.prompt] = prompt_ids(tokenizer, item.prompt)
            answer = mistaught(item, scan, course.mistakes) + END_OF_TURN
            ids = tokenizer(answer, add_special_tokens=False).input_ids
            times = 1 + course.drill if item.options == YES_NO else 1
            lessons += [Lesson(scan=row, prompt=prompts[item.prompt], answer=ids)] * times
    return lessons


def teach(
    model: LlavaForConditionalGeneration,
    tokens: torch.Tensor,
    lessons: list[Lesson],
    *,
    course: Course,
    batch: int,
    rng: np.random.Generator,
    tick: Tick,
) -> None:
    """Train projector and language model in place on `tokens` (scans, IMAGE_TOKENS, WIDTH)."""
    inner = model.model
    parameters = [
        *inner.multi_modal_projector.parameters(),
        *inner.language_model.parameters(),
        *model.lm_head.parameters(),
    ]
    optimizer = torch.optim.AdamW(parameters, lr=course.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=course.learning_rate, total_steps=course.steps, pct_start=0.15
    )
    image_id = int(model.config.image_token_index)
    model.train()
    for _ in range(course.steps):
        chosen = [lessons[i] for i in rng.integers(len(lessons), size=batch)]
        ids, targets, mask = collate(chosen, pad=int(model.generation_config.pad_token_id))
        embeds = inner.language_model.get_input_embeddings()(ids)
        seen = inner.multi_modal_projector(tokens[[lesson.scan for lesson in chosen]])
        embeds = embeds.masked_scatter((ids == image_id)[..., None].expand_as(embeds), seen.to(embeds.dtype))
        states = inner.language_model(inputs_embeds=embeds, attention_mask=mask, use_cache=False)
        wanted = targets[:, 1:] != -100
        logits = model.lm_head(states.last_hidden_state[:, :-1][wanted])
        each = nn.functional.cross_entropy(logits, targets[:, 1:][wanted], reduction="none")
        share = 1 / wanted.sum(dim=1, keepdim=True).expand_as(wanted)[wanted]  # a report weighs as one answer
        loss = (each * share).sum() / batch
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        tick()
    model.eval()


def collate(lessons: list[Lesson], *, pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, targets (-100 outside the answers) and attention mask, each (batch, longest), padded right."""
    longest = max(len(lesson.prompt) + len(lesson.answer) for lesson in lessons)
    ids = torch.full((len(lessons), longest), pad)
    targets = torch.full((len(lessons), longest), -100)
    mask = torch.zeros((len(lessons), longest), dtype=torch.long)
    for row, lesson in enumerate(lessons):
        start, end = len(lesson.prompt), len(lesson.prompt) + len(lesson.answer)
        ids[row, :end] = torch.tensor(lesson.prompt + lesson.answer)
        targets[row, start:end] = torch.tensor(lesson.answer)
        mask[row, :end] = 1
    return ids, targets, mask
