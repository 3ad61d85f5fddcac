"""A pair set made by several processes of a cluster, each with the tools that the command names.

Shards go to a disk that all see, by whoever made them, so `training.pairs.build` assembles what it always
does. Each process works out by itself what is to be made and makes nothing where that is another set.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from training.cli.options import find_start, parse_settings, sources
from training.pairs.build import Builder, build_pairs
from training.pairs.report import PairReport
from training.stages import Sources, tools_of
from training.start import policy_name
from training.variant import Variant
from training.variants import get_variant
from zoo.bases import get_base
from zoo.errors import BadInput
from zoo.evaluation.run import versions
from zoo.llm import ChatEndpoint, Usage
from zoo.on_ray.shards import Workers
from zoo.vlm.ask import Asker
from zoo.vlm.model import load_base, load_outline
from zoo.vlm.precision import in_words, settled


@dataclass(frozen=True, kw_only=True)
class PairSet:
    """All that a process is told: the words of the command. Paths must hold wherever it runs."""

    variant: str
    settings: tuple[str, ...]
    base: str
    how: Mapping[str, Any]
    """What `load_base` takes beside the base."""
    reference: str
    """Of the model that the pairs ask: `base`, a folder or a repo."""
    options: Mapping[str, Any]
    """Those of `question_options`."""
    seed: int
    out: Path
    versions: Mapping[str, str]
    """Of the packages that decide what a model says, where the command was typed."""


def pairs_on(workers: Workers, told: PairSet, found: Sources) -> PairReport:
    """Make a pair set by `workers`; `found` are its sources, as this process reads them.

    Raises:
        BadInput: see `training.pairs.build.build_pairs`; a worker would make another set.
        ZooError: what went wrong in a worker, or with all of them.
    """
    told = replace(told, how=settled(told.how, on_gpu=workers.on_gpu))
    stage, base, precision = _stage(told), get_base(told.base), ""
    if stage.needs_policy and found.answers is None:  # the model's name alone is needed here
        vlm = load_outline(base)
        named = Asker(vlm, name=policy_name(base, find_start(vlm, told.reference)))
        found, precision = replace(found, answers=named), in_words(told.how)

    def make_shards(numbers: Sequence[int]) -> Iterator[int]:
        made = workers.answers(partial(_Worker, told), numbers)
        for number, used in zip(numbers, made, strict=True):
            for model, usage in zip(_endpoints(found), used, strict=True):
                model.count(usage)
            yield number

    with tools_of(stage, base, found, precision=precision) as tools:
        return build_pairs(
            stage.name, stage.steps, tools, told.out, base=base.pinned, make_shards=make_shards
        )


class _Worker:
    """Makes shards, and tells of each what its language models were asked for it."""

    def __init__(self, told: PairSet) -> None:
        if versions() != told.versions:
            raise BadInput(
                f"packages: {dict(told.versions)} here, and {versions()} in a worker",
                hint="every node needs the same packages: docs/scale.md",
            )
        stage, base = _stage(told), get_base(told.base)
        found = sources(told.out, told.options, seed=told.seed, says=False)
        vlm = start = None
        if stage.needs_policy and found.answers is None:
            vlm = load_base(base, **told.how)
            start = find_start(vlm, told.reference)
        self._models = _endpoints(found)
        self._kept = ExitStack()  # the adapter stays on the model as long as the process
        tools = self._kept.enter_context(tools_of(stage, base, found, vlm=vlm, start=start))
        self._builder = Builder(stage.name, stage.steps, tools, told.out, base=base.pinned)

    def __call__(self, shard: int) -> list[Usage]:
        before = [model.usage for model in self._models]
        self._builder.make(shard)
        return [model.usage - was for model, was in zip(self._models, before, strict=True)]


def _stage(told: PairSet) -> Variant:
    """The first stage, whose pairs they are."""
    variant = get_variant(told.variant, parse_settings(told.settings))
    return (*variant.earlier, variant)[0]


def _endpoints(found: Sources) -> list[ChatEndpoint]:
    """The language models that are asked over a network."""
    return [model for model in (found.writer, *found.debaters) if isinstance(model, ChatEndpoint)]
