"""A pair set in memory and the order in which training sees it. Knows nothing of losses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.pairs.build import PAIRS_NAME, REPORT_NAME, PairReport, fingerprint
from training.variant import Variant
from zoo.errors import BadRecord
from zoo.records import PreferencePair, read_jsonl


@dataclass(frozen=True)
class PairSet:
    """The pairs of a folder made by `medzoo pairs`, checked against its fingerprint."""

    folder: Path
    report: PairReport
    pairs: tuple[PreferencePair, ...]

    def open_image(self, name: str) -> Image.Image:
        """One of the set's images."""
        return Image.open(self.folder / name).convert("RGB")


def read_pair_set(folder: Path, variant: Variant, *, base: str) -> PairSet:
    """Read a pair set and see that it is whole and has what the variant needs.

    `base` is the `name@revision` that is to be trained.

    Raises:
        BadRecord: no pair set, one whose files have changed, one of another variant or base, or a pair
            without a half that the variant's objective reads.
    """
    path = folder / REPORT_NAME
    if not path.is_file():
        raise BadRecord(f"{folder} is no pair set: it has no {REPORT_NAME}", hint="medzoo pairs --help")
    try:
        report = PairReport(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise BadRecord(f"{path}: not the report of a pair set ({error})") from error
    for what, was, wanted in (("variant", report.variant, variant.name), ("base", report.base, base)):
        if was != wanted:
            raise BadRecord(
                f"{folder} holds pairs of the {what} {was}, and this run is of {wanted}",
                hint=f"medzoo pairs {variant.name} --base {base.partition('@')[0]} --out DIR",
            )
    found = fingerprint(folder)
    if found != report.fingerprint:
        raise BadRecord(
            f"{folder} has changed since it was made: its fingerprint is {found[:12]}, "
            f"and {REPORT_NAME} says {report.fingerprint[:12]}",
            hint="make the pairs anew with `medzoo pairs`",
        )
    pairs = tuple(read_jsonl(folder / PAIRS_NAME, PreferencePair))
    for pair in pairs:
        if pair.rejected is None and any(b.of_rejected_response for b in variant.branches):
            raise BadRecord(
                f"{folder}: pair {pair.id} has no rejected response, and {variant.name} reads one"
            )
        if pair.rejected_images is None and any(b.on_rejected_image for b in variant.branches):
            raise BadRecord(f"{folder}: pair {pair.id} has no rejected image, and {variant.name} reads one")
    return PairSet(folder, report, pairs)


def epoch_batches(pairs: int, *, batch_size: int, epoch: int, seed: int) -> list[Sequence[int]]:
    """The pair numbers of each batch of an epoch, shuffled by the seed and the epoch alone."""
    order = np.random.default_rng((seed, epoch)).permutation(pairs)
    return [order[i : i + batch_size].tolist() for i in range(0, pairs, batch_size)]
