"""`medzoo evaluate`: ask the base and its adapters a benchmark's questions, score, record."""

from pathlib import Path
from typing import Any

import click

from zoo.cli._base import base_options, base_settings


@click.command()
@click.argument("adapters", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option("--dataset", default="phantom", show_default=True, help="Data set of the questions.")
@click.option("--split", default="test", show_default=True, help="Split of the questions.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the data set, see `medzoo datasets NAME`.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Questions to ask, balanced by type.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the sample of questions.")
@base_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where predictions.jsonl goes.")
@click.option("--record", is_flag=True, help="Write scores and answers into the adapter folders too.")
def evaluate(
    adapters: tuple[Path, ...],
    base_name: str,
    dataset: str,
    split: str,
    data_dir: Path | None,
    limit: int,
    seed: int,
    out: Path,
    record: bool,
    **options: Any,
) -> None:
    """Answer and score a benchmark with the base and the adapters in the folders ADAPTERS, in one pass.

    Name the SFT adapter among them to see what a preference variant adds to it. --record puts the scores
    in the place of earlier ones on the same split.
    """
    from datetime import UTC, datetime

    from zoo.bases import get_base
    from zoo.cli._out import check_out
    from zoo.datasets import load_questions
    from zoo.errors import BadInput
    from zoo.evaluation.answers import benchmark_fingerprint
    from zoo.evaluation.predict import adapter_name, predict
    from zoo.evaluation.record import record as record_into
    from zoo.evaluation.score import score_predictions
    from zoo.evaluation.table import score_table
    from zoo.manifest import Benchmark, read_manifest
    from zoo.records import PREDICTIONS_NAME, write_jsonl
    from zoo.vlm.model import load_base

    how = base_settings(options)
    check_out(out)
    if (out / PREDICTIONS_NAME).exists():
        raise BadInput(f"{out / PREDICTIONS_NAME} exists already", hint="choose another --out, or remove it")
    base = get_base(base_name)
    questions = load_questions(dataset, split, limit=limit, seed=seed, data_dir=data_dir)
    for note in questions.notes:
        click.echo(note, err=True)
    manifests = [read_manifest(folder) for folder in adapters]
    vlm = load_base(base, **how)
    predictions = predict(vlm, adapters, questions)
    scores = score_predictions(predictions)
    if record:
        benchmark = Benchmark(
            dataset=dataset,
            split=split,
            questions=len(questions.questions),
            images=len({image for q in questions.questions for image in q.images}),
            fingerprint=benchmark_fingerprint(predictions),
            license=questions.license,
            publishable=questions.publishable,
            notes=list(questions.notes),
            max_tokens=64,
            predictions_sha256="0" * 64,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for folder, manifest in zip(adapters, manifests, strict=True):
            record_into(folder, adapter_name(manifest), predictions, [benchmark], precision=vlm.precision)
            click.echo(f"recorded in {folder}")
    write_jsonl(out / PREDICTIONS_NAME, predictions)
    click.echo(f"\n{score_table(scores)}\n\n{len(predictions)} answers in {out / PREDICTIONS_NAME}")
