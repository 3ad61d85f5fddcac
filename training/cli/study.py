"""`medzoo study`: all variants on one base and data set, beside the base and SFT."""

import math
from pathlib import Path

import click


@click.command()
@click.option("--variants", "names", metavar="A,B", help="Variants beside sft. Default: all.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@click.option(
    "--rates",
    default="0.1,0.3,1,3",
    show_default=True,
    metavar="X,Y",
    help="Learning rates to choose from on the validation split, as multiples of the variant's own.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=400, show_default=True, help="Training questions."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Of the last stage. Default: each variant's own.")
@click.option(
    "--validation-limit",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Questions that choose the rates.",
)
@click.option(
    "--test-limit",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Questions that the tables score.",
)
@click.option("--base", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option("--dataset", default="phantom", show_default=True, help="Data set, see `medzoo datasets`.")
@click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that holds the data set.",
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Precision of the base.",
)
@click.option(
    "--workers",
    "count",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Processes, one thread each.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to make."
)
def study(
    names: str | None,
    seeds: int,
    rates: str,
    limit: int,
    epochs: int | None,
    validation_limit: int,
    test_limit: int,
    base: str,
    dataset: str,
    data_dir: Path | None,
    dtype: str,
    count: int,
    out: Path,
) -> None:
    """Train every variant on the same questions and compare it with the base and with SFT on held-out ones.

    Each variant's learning rate is chosen on the validation split. A study that was stopped goes on with the
    same command. OUT gets study.md (tables), study.json (every number) and study.png. A run that failed is
    listed there, and tried again once its outcome.json is removed.
    """
    from training.study.plan import SFT, Settings
    from training.study.run import run_study
    from training.study.workers import workers
    from training.variants import get_variant, variants
    from zoo.errors import BadInput

    asked = [get_variant(name.strip()).name for name in names.split(",")] if names else list(variants())
    try:
        multiples = sorted({float(word) for word in rates.split(",")})
    except ValueError:
        multiples = []
    if not multiples or not all(0 < multiple < math.inf for multiple in multiples):
        raise BadInput(f"--rates {rates}: these are not all numbers above 0", hint="--rates 0.1,0.3,1,3")
    settings = Settings(
        variants=(SFT, *sorted({*asked} - {SFT})),
        seeds=seeds,
        rates=tuple(multiples),
        limit=limit,
        epochs=epochs,
        validation_limit=validation_limit,
        test_limit=test_limit,
        base=base,
        dataset=dataset,
        data_dir=str(data_dir.resolve()) if data_dir else "",
        dtype=dtype,
    )
    with workers(count, settings, out) as do:
        run_study(settings, out, do)
    click.echo((out / "study.md").read_text(encoding="utf-8"))
    click.echo(f"in {out}: study.md, study.json, study.png")
