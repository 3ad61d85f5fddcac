"""`medzoo evaluate`: ask the base and its adapters the questions of benchmarks, score, record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli._asked import adapter_folders, loader_of
from zoo.cli._base import base_options, base_settings
from zoo.cli._ray import check_ray, ray_options


@click.command()
@click.argument("adapters", nargs=-1, metavar="[FOLDER|REPO[@REVISION]]...")
@click.option("--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    default=("phantom/test",),
    show_default=True,
    metavar="NAME[/SPLIT][=FOLDER]",
    help="Data set whose split (test) is asked, and its folder, see `medzoo datasets NAME`. May be repeated.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Questions to ask of each benchmark, balanced by type.",
)
@click.option(
    "--ablation",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Questions of each benchmark to ask again, with noise and with another patient's picture.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the samples of questions.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Most tokens of an answer.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Answers at once, questions times adapters; fewer take less memory.",
)
@click.option(
    "--hub", help="Hub of adapters given as REPO.  [default: HF_ENDPOINT or https://huggingface.co]"
)
@base_options
@ray_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where predictions.jsonl goes.")
@click.option("--sft", help="Name of the SFT adapter.  [default: the one of the variant sft]")
@click.option("--record", is_flag=True, help="Write scores and answers into the adapter folders too.")
def evaluate(
    adapters: tuple[str, ...],
    base_name: str,
    benchmarks: tuple[str, ...],
    limit: int,
    ablation: int,
    seed: int,
    max_tokens: int,
    batch_size: int,
    hub: str | None,
    ray: str | None,
    workers: int | None,
    out: Path,
    sft: str | None,
    record: bool,
    **options: Any,
) -> None:
    """Answer and score benchmarks with the base and with adapters, in one pass.

    An adapter is a folder, or a repo on a Hub, which is fetched and checked. Name the SFT adapter among them
    to see what a preference variant adds to it. --record puts the scores in the place of earlier ones on the
    same split. After a kill the same command goes on where it was.
    """
    from zoo.bases import get_base

    check_ray(ray, workers)
    how, base = base_settings(options), get_base(base_name)

    from zoo.catalog import verified  # the rest imports torch, which takes seconds
    from zoo.cli._out import check_out
    from zoo.evaluation.answers import SFT
    from zoo.evaluation.on_workers import Evaluation, predict_on
    from zoo.evaluation.part import check_unfinished, finish, kept
    from zoo.evaluation.plan import adapter_names
    from zoo.evaluation.predict import predict
    from zoo.evaluation.record import record as record_into
    from zoo.evaluation.run import Answered, EvaluationRun, benchmark_of, write_run
    from zoo.evaluation.score import score_predictions
    from zoo.evaluation.table import cut_lines, left_out_lines, score_table
    from zoo.on_ray.shards import workers_of
    from zoo.records import PREDICTIONS_NAME, write_jsonl
    from zoo.vlm.model import load_base

    check_out(out)
    check_unfinished(out)
    loads = [loader_of(text, limit=limit, seed=seed) for text in benchmarks]
    asked = [load() for load in loads]
    for questions in asked:
        for note in questions.notes:
            click.echo(f"{questions.name}/{questions.split}: {note}", err=True)
    folders, sources = adapter_folders(adapters, hub=hub, record=record)
    manifests = [verified(folder) for folder in folders]
    names = adapter_names(manifests)
    _check_sft([name for name, m in zip(names, manifests, strict=True) if m.variant.name == SFT], names, sft)
    numbers = {"max_tokens": max_tokens, "ablation": ablation, "seed": seed, "rows": batch_size}
    if ray is None:
        found = predict(load_base(base, **how), folders, asked, names=names, folder=out, **numbers)
    else:
        evaluation = Evaluation(
            base=base_name,
            how=how,
            adapters=tuple(folders),
            names=tuple(names),
            benchmarks=tuple(loads),
            numbers=numbers,
        )
        with workers_of(ray, count=workers, device=how["device"]) as processes:
            click.echo(f"{processes}; each loads the base", err=True)
            found = predict_on(processes, evaluation, asked, folder=out)
    run = EvaluationRun(
        base=base.pinned,
        precision=found.precision,
        adapters=[
            Answered(name=name, variant=m.variant.name, digest=m.weights_sha256, source=source)
            for name, m, source in zip(names, manifests, sources, strict=True)
        ],
        benchmarks=[
            benchmark_of(questions, found.answers, notes=notes, max_tokens=max_tokens)
            for questions, notes in zip(asked, found.notes, strict=True)
        ],
        ablation=ablation,
        seed=seed,
        seconds=round(found.seconds, 1),
        resumed=found.resumed,
    )
    with kept(out):
        write_run(out, run)
        write_jsonl(out / PREDICTIONS_NAME, found.answers)  # last: where it is, all is
    finish(out)
    if record:
        for folder, name in zip(folders, names, strict=True):
            record_into(folder, name, found.answers, run.benchmarks, sft=sft, precision=run.precision)
            click.echo(f"recorded in {folder}")
    table = score_table(score_predictions(found.answers, sft=sft))
    click.echo("\n" + "\n".join([*cut_lines(found.answers), table]) + "\n")
    for questions, notes in zip(asked, found.notes, strict=True):
        for note in notes:
            click.echo(f"{questions.name}/{questions.split}: {note}")
    for line in left_out_lines(found.answers):
        click.echo(line, err=True)
    answers = out / PREDICTIONS_NAME
    click.echo(f"{len(found.answers)} answers in {answers}, {run.seconds:.0f} s")
    click.echo(f"  next: medzoo report {answers}\n  or, to have them judged: medzoo judge {answers}")


def _check_sft(found: list[str], names: list[str], sft: str | None) -> None:
    """See, before hours of work, that it is clear which adapter is SFT."""
    from zoo.errors import BadInput, UnknownName

    if sft is not None and sft not in names:
        raise UnknownName("adapter", sft, names)
    if sft is None and len(found) > 1:
        raise BadInput(f"several SFT adapters: {', '.join(found)}", hint="choose one with --sft NAME")
