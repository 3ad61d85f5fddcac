"""`medzoo score`: recompute every number from stored answers, without a model."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("predictions", nargs=-1, required=True, type=_FILE)
@click.option(
    "--verdicts", multiple=True, type=_FILE, help="What a judge said, see `medzoo judge`; repeatable."
)
@click.option(
    "--metric", "metrics", multiple=True, help="See `medzoo metrics`; repeatable.  [default: the usual ones]"
)
@click.option("--sft", help="Name of the SFT adapter in the files.  [default: the one of the variant sft]")
@click.option(
    "--pool",
    is_flag=True,
    help="Take adapters of one base and variant as runs of one, that differ in their seed alone. Whether "
    "they differ in data or numbers too, answers cannot tell.",
)
@click.option(
    "--record",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Adapter folder to write its scores, answers and verdicts into; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every score as JSON.")
def score(
    predictions: tuple[Path, ...],
    verdicts: tuple[Path, ...],
    metrics: tuple[str, ...],
    sft: str | None,
    pool: bool,
    folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score the answers in the files PREDICTIONS (predictions.jsonl), the zoo's own or converted ones.

    Adapters of several files are compared where they answered the same questions; a line that stands in
    several files, as the base's do, counts once. Intervals are 95 % bootstrap over images, and with --pool
    over seeds too. Each difference is tested by swapping answers image by image, and corrected (Holm) for
    all that are made with the same metric on the same benchmark: those on the whole of it, and those on its
    parts.
    """
    import json
    from dataclasses import asdict

    from zoo.errors import BadInput
    from zoo.evaluation.metrics import get_metric
    from zoo.evaluation.record import how_made, record
    from zoo.evaluation.score import score_predictions
    from zoo.evaluation.table import cut_lines, left_out_lines, score_table, unread_lines
    from zoo.manifest import read_manifest
    from zoo.records import Prediction, Verdict, read_jsonl

    answers = list(dict.fromkeys(p for file in predictions for p in read_jsonl(file, Prediction)))
    heard = list(dict.fromkeys(v for file in verdicts for v in read_jsonl(file, Verdict)))
    scores = score_predictions(answers, verdicts=heard, sft=sft, names=metrics or None, pool=pool)
    unread = unread_lines(answers, heard, metrics)
    for line in unread:
        click.secho(line, fg="red", err=True)
    for missing in sorted(set(metrics) - {s.metric for s in scores}):
        task = get_metric(missing).task
        raise BadInput(
            f"{missing} is for none of these questions"
            if task is None
            else f"{missing} needs a judge, and there are no verdicts on these answers"
            + (" that could be read" if unread else ""),
            hint=f"medzoo judge --task {task}, then --verdicts" if task else "medzoo metrics",
            param="metric",
        )
    if folders:
        benchmarks, precision = how_made(predictions)
        for folder in folders:
            weights = read_manifest(folder).weights_sha256
            name = next((p.adapter for p in answers if p.digest == weights), None)
            if name is None:
                raise BadInput(f"none of these answers is by the weights in {folder}", param="record")
            record(
                folder,
                name,
                answers,
                [b for b in benchmarks if (b.dataset, b.split) in {(p.dataset, p.split) for p in answers}],
                verdicts=heard,
                sft=sft,
                names=metrics or None,
                precision=precision,
            )
            click.echo(f"recorded in {folder}", err=as_json)
    for line in () if metrics else left_out_lines(answers):
        click.echo(line, err=True)
    for line in cut_lines(answers):
        click.echo(line, err=as_json)
    click.echo(json.dumps([asdict(s) for s in scores], indent=2) if as_json else score_table(scores))
