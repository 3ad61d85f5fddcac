"""Run a recipe over a question set into an inspectable folder.

    pairs.jsonl         the pairs, one a line
    images/  rejected/  the images they name, PNG
    pairs.json          what was kept, what was dropped and why, and the set's fingerprint

The folder appears whole or not at all; the same questions, recipe, base and seed give the same bytes. A build
that was killed goes on from its last whole batch, which `OUT.part` holds.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from training.alone import LOCK_NAME, alone
from training.pairs.prompts import prompt_ids
from training.pairs.report import (
    PairReport,
    fingerprint,
    halves_of,
    longer_is_chosen,
    makers_of,
    words_of,
    write_report,
)
from training.pairs.spans import same_text
from training.pairs.step import Draft, Dropped, Only, Step, Tools, pair_seed
from zoo.errors import BadImage, BadInput
from zoo.records import PreferencePair, Question, read_jsonl, to_line, write_jsonl

PAIRS_NAME = "pairs.jsonl"
_BATCH = 64
_IDENTITY_NAME = ".identity.json"
_SHARDS = ".shards"
_SEEN_S = 65.0
"""Longest that a network's disk may still say of a file that it is not there: NFS's 60 seconds and some."""


MakeShards = Callable[[Sequence[int]], Iterable[int]]
"""Makes shards of those numbers, and gives each number once its shard is there, in order."""


def build_pairs(
    name: str,
    steps: Sequence[Step],
    tools: Tools,
    out: Path,
    *,
    base: str,
    make_shards: MakeShards | None = None,
) -> PairReport:
    """Make the pair set of the variant `name` by its steps, for the base `name@revision`.

    With `make_shards` others make the shards, each by a `Builder` of the same set; `tools` are then asked for
    their names alone.

    Raises:
        BadInput: `out` exists already, `OUT.part` is of another build, or no question gave a pair.
    """
    with alone(part_of(out), doing="making pairs in"):
        if out.exists():
            raise BadInput(f"{out} exists already", hint=f"choose another --out, or remove it: rm -r {out}")
        return _build(name, steps, tools, out, base=base, make_shards=make_shards)


def _build(
    name: str, steps: Sequence[Step], tools: Tools, out: Path, *, base: str, make_shards: MakeShards | None
) -> PairReport:
    questions = tools.questions.questions
    part = part_of(out)
    _open_part(part, _identity(name, steps, tools, base))
    if make_shards is None:
        make_shards = Builder(name, steps, tools, out, base=base).all
    sizes = [len(questions[start : start + _BATCH]) for start in range(0, len(questions), _BATCH)]
    missing = [number for number in range(len(sizes)) if not _is_there(part, number)]
    there = len(questions) - sum(sizes[number] for number in missing)
    with tqdm(total=len(questions), initial=there, desc="pairs", unit="question") as bar:
        for number in make_shards(missing):
            if not _appears(part, number):
                raise BadInput(f"{part}: the shard {number} that a worker wrote is not there", hint=_ONE_DISK)
            bar.update(sizes[number])
    shards = [_shard(part, number) for number in range(len(sizes))]
    pairs = [pair for shard in shards for pair in read_jsonl(shard.with_suffix(".jsonl"), PreferencePair)]
    dropped: Counter[str] = Counter()
    for shard in shards:
        dropped.update(json.loads(shard.with_suffix(".json").read_text(encoding="utf-8")))
    if not pairs:
        shutil.rmtree(part)
        raise BadInput(
            f"no question of {tools.questions.name}/{tools.questions.split} gave a pair: "
            + ", ".join(f"{count} {reason}" for reason, count in dropped.items()),
            hint="medzoo variants VARIANT tells what it needs; medzoo datasets tells what a data set has",
        )
    write_jsonl(part / PAIRS_NAME, pairs)
    longer = longer_is_chosen(pairs)
    report = PairReport(
        variant=name,
        base=base,
        policy=tools.policy.name if tools.policy and any(s.needs_policy for s in steps) else "",
        dataset=tools.questions.name,
        split=tools.questions.split,
        license=tools.questions.license,
        publishable=tools.questions.publishable,
        seed=tools.seed,
        steps=steps_as_data(steps),
        questions=len(questions),
        kept=len(pairs),
        dropped=dict(sorted(dropped.items())),
        halves=halves_of(pairs),
        words=words_of(pairs),
        longer_is_chosen=longer,
        length_only_accuracy=max(longer, round(1 - longer, 4)),
        makers=makers_of(pairs),
        fingerprint=fingerprint(part),
    )
    write_report(part, report)
    shutil.rmtree(part / _SHARDS)  # last, so that a build killed before is gone on with
    (part / _IDENTITY_NAME).unlink()
    os.replace(part, out)
    (out / LOCK_NAME).unlink(missing_ok=True)  # held until here, so that nobody begins anew
    return report


class Builder:
    """Makes shards of a pair set that is being built, in this process or in another."""

    def __init__(self, name: str, steps: Sequence[Step], tools: Tools, out: Path, *, base: str) -> None:
        """See `build_pairs`.

        Raises:
            BadInput: the set that is being built at `out` is another one, or none is.
        """
        self._steps, self._tools, self._part = steps, tools, part_of(out)
        self._identity = _identity(name, steps, tools, base)
        self._see_same()

    def make(self, number: int) -> None:
        """Make the shard of that number: the batch's images, then its pairs, then, last, its drops.

        Raises:
            BadInput: meanwhile another set is being built there, or none.
        """
        batch = self._tools.questions.questions[number * _BATCH : (number + 1) * _BATCH]
        came = _run(self._steps, batch, self._tools)
        self._see_same()  # a worker may outlive its command, which was killed, and the set
        _write_shard(self._part, _shard(self._part, number), came)

    def _see_same(self) -> None:
        if not (self._part / _IDENTITY_NAME).is_file():
            raise BadInput(f"a worker does not see {self._part}", hint=_ONE_DISK)
        if differ := _differing(self._part, self._identity):
            raise BadInput(
                f"a worker would make {self._part} with other {', '.join(differ)}",
                hint="every node needs the same packages and files: docs/scale.md",
            )

    def all(self, numbers: Sequence[int]) -> Iterator[int]:
        """Make those one by one."""
        for number in numbers:
            self.make(number)
            yield number


_ONE_DISK = "--out must be on a disk that all workers and this machine see under one path: docs/scale.md"


def part_of(out: Path) -> Path:
    """Where a pair set lies until it is whole."""
    return out.with_name(out.name + ".part")


def _shard(part: Path, number: int) -> Path:
    return part / _SHARDS / f"{number:06d}"


def _is_there(part: Path, number: int) -> bool:
    return _shard(part, number).with_suffix(".json").exists()


def _appears(part: Path, number: int) -> bool:
    """Whether a shard that was written is there, on a network's disk perhaps after a while."""
    ends = time.monotonic() + _SEEN_S
    while not (there := _is_there(part, number)) and time.monotonic() < ends:
        time.sleep(0.5)
    return there


def steps_as_data(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps with their numbers as JSON-ready data."""
    found = []
    for step in steps:
        half = {"half": step.half} if isinstance(step, Only) else {}
        inner: Any = step.step if isinstance(step, Only) else step
        found.append({"name": type(inner).__name__, **half, **asdict(inner)})
    return found


def _identity(name: str, steps: Sequence[Step], tools: Tools, base: str) -> dict[str, Any]:
    """All that decides a pair set but the pictures and regions themselves, JSON-ready."""
    given = {question: asdict(response) for question, response in tools.questions.given.items()}
    return {
        "variant": name,
        "base": base,
        "steps": steps_as_data(steps),
        "seed": tools.seed,
        "dataset": f"{tools.questions.name}/{tools.questions.split}",
        "questions": _digest(map(to_line, tools.questions.questions)),
        "known": _digest(map(to_line, tools.questions.known)),
        "given": _digest([json.dumps(given, sort_keys=True)]),
        "prompts": prompt_ids(),
        "policy": tools.policy.name if tools.policy else None,
        "precision": tools.precision,
        "similarity": tools.similarity.name if tools.similarity else None,
        "heat_maps": fingerprint(tools.heat_maps) if tools.heat_maps else None,
        "writer": tools.writer.name if tools.writer else None,
        "debaters": [model.name for model in tools.debaters],
    }


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode())
    return digest.hexdigest()


def _differing(part: Path, identity: dict[str, Any]) -> list[str]:
    """In what the unfinished build in a folder is another one."""
    path = part / _IDENTITY_NAME
    was = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    here = json.loads(json.dumps(identity))
    return [key for key in {**here, **was} if was.get(key) != here.get(key)]


def _open_part(part: Path, identity: dict[str, Any]) -> None:
    """Begin an unfinished build in its folder, or see that the one there is of this build."""
    differ = _differing(part, identity)
    if not differ:
        (part / _SHARDS).mkdir(exist_ok=True)  # gone where it was stopped at its very end
        return
    if any((part / _SHARDS).glob("*.json")):
        raise BadInput(
            f"{part} holds an unfinished pair set with other {', '.join(differ)}",
            hint=f"choose another --out, or remove it: rm -r {part}",
        )
    for folder in (_SHARDS, "images", "rejected"):  # nothing was finished in them
        shutil.rmtree(part / folder, ignore_errors=True)
    (part / _SHARDS).mkdir()
    fresh = _own_part(part)
    fresh.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, part / _IDENTITY_NAME)


def _run(steps: Sequence[Step], batch: Sequence[Question], tools: Tools) -> list[Draft | Dropped]:
    """Take the questions of one batch through all steps; what comes out, in the questions' order."""
    drafts = [_begin(question, tools) for question in batch]
    dropped: list[Dropped] = []
    for step in steps:
        came = step.run(drafts, tools)
        dropped += [d for d in came if isinstance(d, Dropped)]
        drafts = [d for d in came if isinstance(d, Draft)]
    order = {question.id: number for number, question in enumerate(batch)}
    drafts.sort(key=lambda d: (order[d.question.id], d.half))
    return [*(_checked(draft) for draft in drafts), *dropped]


def _begin(question: Question, tools: Tools) -> Draft:
    try:
        images = tuple(tools.questions.open_image(name) for name in question.images)
    except BadImage as error:
        named = error.message if question.id in error.message else f"{question.id}: {error.message}"
        raise BadImage(named, hint=error.hint) from error
    return Draft(
        question=question,
        images=images,
        seed=pair_seed(tools.seed, question.id),
        prompt=question.prompt,
        chosen=question.answer,
    )


def _checked(draft: Draft) -> Draft | Dropped:
    if not draft.chosen.strip():
        return Dropped(draft, "empty chosen response")
    if draft.rejected is not None and same_text(draft.rejected, draft.chosen):
        return Dropped(draft, "rejected equals chosen")
    for text, spans in ((draft.chosen, draft.chosen_spans), (draft.rejected, draft.rejected_spans)):
        if spans and not all(0 <= start < end <= len(text or "") for start, end in spans):
            raise BadInput(
                f"{draft.id}: spans {spans} lie outside their text of {len(text or '')} characters"
            )
    return draft


def _write_shard(part: Path, shard: Path, came: Sequence[Draft | Dropped]) -> None:
    """The batch's images, then its pairs, then, last, its drops: with them the batch is done."""
    pairs, done = _own_part(part), _own_part(part)
    write_jsonl(pairs, [_pair(part, d) for d in came if isinstance(d, Draft)])
    os.replace(pairs, shard.with_suffix(".jsonl"))
    reasons = Counter(d.reason for d in came if isinstance(d, Dropped))
    done.write_text(json.dumps(reasons) + "\n", encoding="utf-8")
    os.replace(done, shard.with_suffix(".json"))


def _own_part(part: Path) -> Path:
    """A file to write that no other process writes, where it goes with the shards if it is left."""
    return part / _SHARDS / f"{secrets.token_hex(6)}.part"


def _pair(folder: Path, draft: Draft) -> PreferencePair:
    question = draft.question
    rejected_images = None
    if draft.rejected_images is not None:
        stem = _file_name(draft.id.removesuffix("/pair"))
        rejected_images = tuple(f"rejected/{stem}-{i}.png" for i in range(len(draft.rejected_images)))
        for name, image in zip(rejected_images, draft.rejected_images, strict=True):
            _save(folder, name, image)
    images = tuple(f"images/{_file_name(name)}.png" for name in question.images)
    for name, image in zip(images, draft.images, strict=True):
        if not (folder / name).exists():
            _save(folder, name, image)
    return PreferencePair(
        id=draft.id,
        question_id=question.id,
        images=images,
        prompt=draft.prompt,
        chosen=draft.chosen,
        rejected=draft.rejected,
        rejected_images=rejected_images,
        weight=draft.weight,
        chosen_spans=draft.chosen_spans,
        rejected_spans=draft.rejected_spans,
        rewards=draft.rewards,
        made_by={**draft.made_by, "seed": draft.seed},
    )


def _save(folder: Path, name: str, image: Image.Image) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    part = _own_part(folder)
    image.save(part, format="PNG")
    os.replace(part, folder / name)


def _file_name(name: str) -> str:
    """A question's id or image name as one safe file name."""
    stem = name.removesuffix(".png").removesuffix(".jpg")
    safe = "".join(c if c.isalnum() or c in "-." else "-" for c in stem)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"  # no two names become one
