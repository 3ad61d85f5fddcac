"""`medzoo report`: tables and pictures from stored answers, without a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.evaluation.report.write import Format

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("predictions", nargs=-1, required=True, type=_FILE)
@click.option("--verdicts", multiple=True, type=_FILE, help="What judges said, see `medzoo judge`.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Show this metric, see `medzoo metrics`.  [default: the usual]",
)
@click.option("--sft", help="Name of the SFT adapter.  [default: the one of the variant sft]")
@click.option("--pool", is_flag=True, help="Take adapters of one variant that differ in their seed for one.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Draw the learning curves of the run in this adapter folder too; with --out.",
)
@click.option(
    "--layout",
    "layout_name",
    default="default",
    show_default=True,
    help="default, or the tables of a paper: kim, mmedpo, fire-mpo.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "csv", "latex"]),
    default="terminal",
    show_default=True,
    help="What is printed; csv is one row a score.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for all of these, and for pictures.")
def report(
    predictions: tuple[Path, ...],
    verdicts: tuple[Path, ...],
    metrics: tuple[str, ...],
    sft: str | None,
    pool: bool,
    logs: tuple[Path, ...],
    layout_name: str,
    form: "Format",
    out: Path | None,
) -> None:
    """Report on the answers in the files PREDICTIONS, made by `medzoo evaluate` or `medzoo answers`.

    Base and SFT stand first. Beside every figure are its 95 % interval and how many questions it rests on; a
    difference whose interval holds zero is printed as no difference.
    """
    import shutil

    from zoo.cli._out import check_out
    from zoo.errors import BadInput
    from zoo.evaluation.report.layouts import USUAL, get_layout
    from zoo.evaluation.report.scored import score_files
    from zoo.evaluation.report.write import as_format, write_report
    from zoo.evaluation.table import left_out_lines, unread_lines

    layout = None if layout_name == USUAL else get_layout(layout_name)
    if logs and out is None:
        raise BadInput("--log draws pictures, and there is no folder for them", hint="add --out FOLDER")
    if out is not None:
        check_out(out)
    scored = score_files(predictions, verdicts=verdicts, sft=sft, metrics=metrics, layout=layout, pool=pool)
    answers = [p for s in scored for p in s.predictions]
    for line in () if metrics or layout else left_out_lines(answers):
        click.echo(line, err=True)
    for line in unread_lines(answers, scored[0].verdicts, metrics):
        click.secho(line, fg="red", err=True)
    written = [] if out is None else write_report(scored, layout, out, logs=logs)
    width = shutil.get_terminal_size((110, 24)).columns
    click.echo(as_format(scored, layout, form, width=max(80, width)), nl=False)
    for path in written:
        click.echo(str(path), err=True)
