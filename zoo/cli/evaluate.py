"""`medzoo evaluate`: ask the base and its adapters a benchmark's questions, score, record."""

from pathlib import Path

import click


@click.command()
@click.argument("adapters", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`.")
@click.option("--dataset", default="phantom", show_default=True, help="Data set of the questions.")
@click.option("--split", default="test", show_default=True, help="Split of the questions.")
@click.option("--limit", default=600, show_default=True, help="Questions to ask, balanced by type.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample of questions.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where predictions.jsonl goes.")
@click.option("--record", is_flag=True, help="Write scores and answers into the adapter folders too.")
def evaluate(
    adapters: tuple[Path, ...],
    base_name: str,
    dataset: str,
    split: str,
    limit: int,
    seed: int,
    out: Path,
    record: bool,
) -> None:
    """Answer and score a benchmark with the base and the adapters in the folders ADAPTERS, in one pass."""
    from zoo.bases import get_base
    from zoo.datasets import load_questions
    from zoo.evaluation.predict import adapter_name, predict
    from zoo.evaluation.score import BASE, as_evaluations, score_predictions
    from zoo.evaluation.table import score_table
    from zoo.manifest import read_manifest, write_manifest
    from zoo.records import write_jsonl
    from zoo.vlm.model import load_base

    base = get_base(base_name)
    questions = load_questions(dataset, split, limit=limit, seed=seed)
    manifests = [read_manifest(folder) for folder in adapters]
    sft = next((adapter_name(m) for m in manifests if m.variant.name == "sft"), "sft")
    predictions = predict(load_base(base), adapters, questions)
    write_jsonl(out / "predictions.jsonl", predictions)
    scores = score_predictions(predictions, sft=sft)
    click.echo(score_table(scores))
    click.echo(f"\n{len(predictions)} answers in {out / 'predictions.jsonl'}")
    if not record:
        return
    for folder, manifest in zip(adapters, manifests, strict=True):
        name = adapter_name(manifest)
        evaluations = as_evaluations(scores, predictions, name)
        write_manifest(folder, manifest.model_copy(update={"evaluation": evaluations}))
        write_jsonl(folder / "predictions.jsonl", [p for p in predictions if p.adapter in (BASE, sft, name)])
        click.echo(f"recorded in {folder}")
