"""A pair set in memory and the order in which training sees it. Knows nothing of losses."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from training.objective import missing_halves, needs
from training.pairs.build import PAIRS_NAME, steps_as_data
from training.pairs.report import PairReport, fingerprint, read_report
from training.variant import Variant
from zoo.errors import BadRecord
from zoo.records import PreferencePair, read_jsonl


@dataclass(frozen=True)
class PairSet:
    """The pairs of a folder made by `medzoo pairs`, checked against its fingerprint."""

    folder: Path
    report: PairReport
    pairs: tuple[PreferencePair, ...]
    _digests: dict[str, str] = field(default_factory=dict, repr=False)

    def digest(self, name: str) -> str:
        """sha256 of an image's bytes."""
        if name not in self._digests:
            self._digests[name] = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        return self._digests[name]

    def open_image(self, name: str) -> Image.Image:
        """One of the set's images."""
        return Image.open(self.folder / name).convert("RGB")


def read_pair_set(folder: Path, variant: Variant, *, base: str) -> PairSet:
    """Read a pair set and see that it is whole and has what the variant needs.

    `base` is the `name@revision` that is to be trained. A set that another variant made by the same steps
    fits as well.

    Raises:
        BadRecord: no pair set, one whose files have changed, one of another recipe or base, or a pair
            without what the variant's objective reads.
    """
    report = read_report(folder)
    hint = f"medzoo pairs {variant.name} --base {base.partition('@')[0]} --out DIR"
    if report.steps != steps_as_data(variant.steps):
        raise BadRecord(
            f"{folder} holds pairs of the variant {report.variant}, made otherwise than those of "
            f"{variant.name}, which this run is of",
            hint=hint,
        )
    if report.base != base:
        raise BadRecord(
            f"{folder} holds pairs of the base {report.base}, and this run is of {base}", hint=hint
        )
    pairs = tuple(read_jsonl(folder / PAIRS_NAME, PreferencePair))
    for pair in pairs:
        _check(pair, variant, folder)
    found = fingerprint(folder)
    if found != report.fingerprint:
        raise BadRecord(
            f"{folder} has changed since it was made: its fingerprint is {found[:12]}, "
            f"and its report says {report.fingerprint[:12]}",
            hint="make the pairs anew with `medzoo pairs`",
        )
    return PairSet(folder, report, pairs)


def fits(variant: Variant, pairs: Path) -> bool:
    """Whether a pair set was made by the steps of one of the variant's stages."""
    steps = read_report(pairs).steps
    return any(steps_as_data(stage.steps) == steps for stage in (*variant.earlier, variant))


def epoch_batches(pairs: int, *, batch_size: int, epoch: int, seed: int) -> list[Sequence[int]]:
    """The pair numbers of each batch of an epoch, shuffled by the seed and the epoch alone."""
    order = np.random.default_rng((seed, epoch)).permutation(pairs)
    return [order[i : i + batch_size].tolist() for i in range(0, pairs, batch_size)]


def _check(pair: PreferencePair, variant: Variant, folder: Path) -> None:
    """See that a pair has all that the variant's objective reads, and nothing impossible."""

    def refuse(what: str) -> BadRecord:
        return BadRecord(f"{folder}: pair {pair.id} {what}", hint="make the pairs anew with `medzoo pairs`")

    for name in (*pair.images, *(pair.rejected_images or ())):
        if not (folder / name).is_file():
            raise refuse(f"names the image {name}, which is not there")
    halves = {"rejected": pair.rejected, "rejected_images": pair.rejected_images}
    for branch, missing in missing_halves(variant.objective).items():
        absent = [part for part in branch.parts if halves[part] is None]
        if absent and (missing == "refuse" or (missing == "chosen" and len(absent) == len(branch.parts))):
            what = "rejected response" if "rejected" in absent else "rejected image"
            raise refuse(f"has no {what}, and {variant.name} reads one")
    for need in needs(variant.objective):
        if need == "weight" and pair.weight is None:
            raise refuse(f"has no weight, and {variant.name} reads one")
        if need == "spans" and not (pair.chosen_spans and (pair.rejected is None or pair.rejected_spans)):
            side = "rejected" if pair.chosen_spans else "chosen"
            raise refuse(f"has no spans of its {side} response, and {variant.name} reads some")
        if need == "rewards" and not pair.rewards:
            raise refuse(f"has no rewards, and {variant.name} reads some")
    if pair.weight is not None and not (math.isfinite(pair.weight) and pair.weight >= 0):
        raise refuse(f"has the weight {pair.weight}")
    parts = [(pair.chosen, s) for s in pair.chosen_spans or ()]
    parts += [(pair.rejected or "", s) for s in pair.rejected_spans or ()]
    parts += [(pair.chosen, (r[0], r[1])) for r in pair.rewards or ()]
    for text, (start, end) in parts:
        if not 0 <= start < end <= len(text):
            raise refuse(f"has the span {start} to {end}, outside its text of {len(text)} characters")
