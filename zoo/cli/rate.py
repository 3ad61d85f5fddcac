"""`medzoo rate`: a blinded sheet by which experts rate answers offline."""

from pathlib import Path

import click


@click.command()
@click.argument(
    "predictions", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--questions",
    type=click.IntRange(min=1),
    help="Questions to draw; all answers to each are rated.  [default: all]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the order of questions and letters.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The sheet (CSV). Its key goes to OUT.key.json: keep it from the raters.",
)
def rate(predictions: tuple[Path, ...], questions: int | None, seed: int, out: Path) -> None:
    """Write a sheet for experts to rate the answers in the files PREDICTIONS, adapters hidden behind letters.

    Give each expert a copy under the expert's name (anna.csv), to fill in `misunderstanding` (none, minor or
    severe) and, where there are errors, `error types` (MM modality, AM anatomy, SLC side and place, LAS not
    specific enough). `medzoo agreement` reads the copies. The sheet holds questions, true answers and answers
    in clear text.
    """
    from zoo.cli._out import check_out
    from zoo.errors import BadInput
    from zoo.evaluation.sheets import KEY_ENDING, write_sheet
    from zoo.records import Prediction, read_jsonl

    check_out(out, file=True)
    if out.exists():
        raise BadInput(f"{out} exists already, and may hold ratings", hint="choose another --out")
    answers = [p for path in predictions for p in read_jsonl(path, Prediction)]
    rows = write_sheet(out, answers, questions=questions, seed=seed)
    click.echo(f"{rows} answers to rate in {out}\nkey, not for the raters: {out}{KEY_ENDING}")
    click.echo(f"  next: medzoo agreement ANNA.csv BEN.csv --key {out}{KEY_ENDING}")
