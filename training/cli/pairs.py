"""`medzoo pairs`: the preference pairs of a variant, as an inspectable folder."""

from pathlib import Path
from typing import Any

import click

from training.cli.options import (
    BASE,
    QUESTION_NAMES,
    REFERENCE,
    SEED,
    SET,
    next_command,
    parse_settings,
    question_options,
    see_reference,
    typed,
)
from zoo.cli._base import BASE_NAMES, base_options, base_settings
from zoo.cli._ray import check_ray, ray_options


@click.command()
@click.argument("variant_name", metavar="VARIANT")
@BASE
@question_options
@SET
@REFERENCE
@base_options
@ray_options
@SEED
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
def pairs(
    variant_name: str,
    base_name: str,
    settings: tuple[str, ...],
    reference: str,
    ray: str | None,
    workers: int | None,
    seed: int,
    out: Path,
    **options: Any,
) -> None:
    """Make the preference pairs of VARIANT: pairs.jsonl, their images, and a report.

    A build that was killed goes on where it was; `medzoo publish FOLDER OWNER/NAME` publishes the result as a
    data set. The pairs of a staged variant are those of its first stage; `medzoo train` makes the others.
    """
    from zoo.bases import get_base
    from zoo.cli._out import check_out
    from zoo.datasets import get_dataset
    from zoo.errors import BadInput

    check_ray(ray, workers)
    how, base = base_settings(options), get_base(base_name)
    check_out(out)
    if out.exists():
        raise BadInput(f"{out} exists already", hint=f"choose another --out, or remove it: rm -r {out}")
    get_dataset(options["dataset"])
    see_reference(reference)
    from training.cli.options import find_start, more_than_one, sources
    from training.pairs.build import PAIRS_NAME
    from training.pairs.report import REPORT_NAME
    from training.variants import get_variant  # torch: seconds to import

    variant = get_variant(variant_name, parse_settings(settings))

    from training.stages import make_pairs

    stage = (*variant.earlier, variant)[0]
    found = sources(out, options, seed=seed)
    asks_model = stage.needs_policy and found.answers is None
    if reference != "base" and not asks_model:
        click.echo(f"--reference {reference} makes no difference: these pairs ask no model of it", err=True)
    if reference == "sft" and asks_model:
        raise BadInput(
            "--reference sft trains an adapter first, which `pairs` does not",
            hint="--reference FOLDER, or `medzoo train` without --pairs",
        )
    if ray is None:
        vlm = start = None
        if asks_model:
            from zoo.vlm.model import load_base

            vlm = load_base(base, **how)
            start = find_start(vlm, reference)
        report = make_pairs(stage, base, found, out, vlm=vlm, start=start)
    else:
        from training.cli._pairs_on_workers import PairSet, pairs_on
        from zoo.evaluation.run import versions
        from zoo.on_ray.shards import workers_of

        told = PairSet(
            variant=variant_name,
            settings=settings,
            base=base_name,
            how=how,
            reference=reference if asks_model else "base",
            options=options,
            seed=seed,
            out=out,
            versions=versions(),
        )
        with workers_of(ray, count=workers, device=how["device"] if asks_model else "cpu") as processes:
            click.echo(f"{processes}{'; each loads the base' if asks_model else ''}", err=True)
            report = pairs_on(processes, told, found)
    for line in report.lines():
        click.echo(line)
    for model in (found.writer, *found.debaters):
        if model is not None:
            click.echo(f"  asked {model.name}: {getattr(model, 'usage', '')}")
    click.echo(f"in {out}: {PAIRS_NAME}, {REPORT_NAME}, images")
    again = typed("settings", "reference", *BASE_NAMES)
    if more_than_one(variant):
        again += typed(*QUESTION_NAMES, "seed")  # the other stages' pairs are made then
    train = next_command(
        "train", variant_name, *again, base=base_name, pairs=out, out=f"{out}-{variant_name}"
    )
    click.echo(f"  next: {train}")
    if report.publishable:
        click.echo(f"  or: {next_command('publish', out, 'OWNER/NAME')}")
