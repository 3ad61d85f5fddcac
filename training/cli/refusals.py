"""What `medzoo train` refuses before it loads anything: names, folders and pairs that do not go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.cli.options import next_command, typed

if TYPE_CHECKING:
    from training.variant import Variant


def variant_of(name: str, settings: Mapping[str, str], *, of_many: bool) -> Variant:
    """The variant of that name; with its name in the error, where it is one of many."""
    from training.variants import get_variant
    from zoo.errors import BadInput, ZooError

    try:
        return get_variant(name, settings)
    except ZooError as error:
        if not of_many:
            raise
        raise BadInput(f"{name}: {error.message}", hint=error.hint) from None


def see_whose_folder(out: Path, *, several: bool) -> None:
    """See that `out` holds nothing of a run of the other kind, and no finished adapter."""
    from zoo.errors import BadInput
    from zoo.manifest import JOB_NAME, LIST_NAME, MANIFEST_NAME

    other = "choose another --out"
    if (out / MANIFEST_NAME).exists():
        raise BadInput(f"{out} holds a finished adapter", hint=other)
    if several and (out / JOB_NAME).exists():
        raise BadInput(
            f"{out} holds the unfinished run of one variant", hint=f"type its command again, or {other}"
        )
    if not several and (out / LIST_NAME).exists():
        raise BadInput(
            f"{out} holds the adapters of several variants",
            hint=f"type the list's command again ({LIST_NAME} names its variants), or {other}",
        )


def see_pairs(pairs: Path | None, asked: Sequence[Variant], out: Path, *, sft: bool) -> None:
    """See that the pairs made before are those of the variants that are named; of all, that they are some's.

    Raises:
        BadInput: they are not, or they hold the base's answers and training begins from an SFT adapter.
    """
    from training.data import fits
    from training.pairs.report import read_report
    from zoo.errors import BadInput

    if pairs is None:
        return
    given = click.get_current_context().params
    unfit = [variant.name for variant in asked if not fits(variant, pairs)]
    if unfit and (given["names"] or len(unfit) == len(asked)):
        report = read_report(pairs)
        raise BadInput(
            f"{pairs} holds pairs of the variant {report.variant}, made otherwise than those of "
            f"{', '.join(unfit)}",
            hint=next_command(
                "train",
                *given["names"],
                *typed(*({*given} - {"names", "out", "pairs_dir", "dataset", "split"})),
                dataset=report.dataset,
                split=report.split,
                out=out,
            ),
        )
    if sft and any(variant.needs_policy for variant in asked if variant.name not in unfit):
        raise BadInput(
            "--pairs holds answers of another model than the SFT adapter that is trained first",
            hint="leave --pairs out, or give --reference FOLDER",
        )
