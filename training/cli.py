"""The verbs that make adapters: variants, pairs, train, publish."""

from pathlib import Path

import click

SEED = click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
BASE = click.option(
    "--base", "base_name", default="phantom", show_default=True, help="Base, see `medzoo bases`."
)


@click.command()
@click.argument("name", required=False)
def variants(name: str | None) -> None:
    """List the variants, or print one in full."""
    import json

    from training.objective import as_data
    from training.variants import get_variant
    from training.variants import variants as all_variants

    if name is None:
        for variant in all_variants().values():
            terms = " + ".join(term["term"] for term in as_data(variant.objective))
            click.echo(f"{variant.name:<20} {variant.title:<28} {terms:<28} {variant.paper}")
        return
    variant = get_variant(name)
    click.echo(f"{variant.name}: {variant.title}\n  paper: {variant.paper}")
    for term in as_data(variant.objective):
        click.echo(f"  term: {json.dumps(term)}")
    click.echo(f"  rejected response: {variant.rejected_response or 'none'}")
    click.echo(f"  rejected image: {variant.rejected_image or 'none'}")
    for key, value in vars(variant.numbers).items():
        click.echo(f"  {key}: {value}")
    for departure in variant.departures:
        click.echo(f"  departure: {departure}")


@click.command()
@click.argument("variant_name", metavar="VARIANT")
@BASE
@click.option("--dataset", default="phantom", show_default=True, help="Data set of the questions.")
@click.option("--split", default="train", show_default=True, help="Split of the questions.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Questions to take, balanced by type.",
)
@SEED
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
def pairs(
    variant_name: str, base_name: str, dataset: str, split: str, limit: int, seed: int, out: Path
) -> None:
    """Make the preference pairs of VARIANT: pairs.jsonl, their images, and a report."""
    from training.pairs.build import build_pairs
    from training.variants import get_variant
    from zoo.bases import get_base
    from zoo.datasets import load_questions

    variant, base = get_variant(variant_name), get_base(base_name)
    questions = load_questions(dataset, split, limit=limit, seed=seed)
    answer = None
    if variant.rejected_response == "answer_to_rejected_image":
        from zoo.vlm.ask import Asker
        from zoo.vlm.model import load_base

        answer = Asker(load_base(base)).answers
    report = build_pairs(variant, questions, out, base=base.pinned, seed=seed, answer=answer)
    click.echo(f"{report.kept} pairs from {report.questions} questions of {dataset}/{split} in {out}")
    for reason, count in report.dropped.items():
        click.echo(f"  dropped {count}: {reason}")
    if variant.rejected_response:
        click.echo(f"  guessing the longer response as chosen is right for {report.longer_is_chosen:.1%}")


@click.command()
@click.argument("variant_name", metavar="VARIANT")
@BASE
@click.option("--pairs", "pairs_dir", required=True, type=click.Path(path_type=Path), help="Folder of pairs.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Adapter folder; a killed run goes on there.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Default: the variant's times the base's scale.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Default: the variant's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pairs a step. Default: the variant's.")
@click.option(
    "--rank",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Rank of the LoRA; alpha is twice the rank.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Steps between checkpoints.",
)
@SEED
def train(
    variant_name: str,
    base_name: str,
    pairs_dir: Path,
    out: Path,
    learning_rate: float | None,
    epochs: int | None,
    batch_size: int | None,
    rank: int,
    checkpoint_every: int,
    seed: int,
) -> None:
    """Train the LoRA adapter of VARIANT on its pairs; a killed run goes on from its last checkpoint."""
    from dataclasses import replace

    from training.adapter import write_adapter
    from training.data import read_pair_set
    from training.loop import Run
    from training.loop import train as run_training
    from training.variants import get_variant
    from zoo.bases import get_base
    from zoo.errors import BadInput
    from zoo.manifest import MANIFEST_NAME
    from zoo.vlm.lora import LoraSpec
    from zoo.vlm.model import load_base

    if (out / MANIFEST_NAME).exists():
        raise BadInput(f"{out} holds a finished adapter", hint="choose another --out")
    variant, base = get_variant(variant_name), get_base(base_name)
    data = read_pair_set(pairs_dir, variant, base=base.pinned)
    numbers = replace(
        variant.numbers,
        learning_rate=learning_rate or variant.numbers.learning_rate * base.learning_rate_scale,
        epochs=epochs or variant.numbers.epochs,
        batch_size=batch_size or variant.numbers.batch_size,
    )
    run = Run(objective=variant.objective, numbers=numbers, lora=LoraSpec(r=rank, alpha=2 * rank), seed=seed)
    vlm = load_base(base)
    trained = run_training(vlm, data, run, out, checkpoint_every=checkpoint_every)
    manifest = write_adapter(vlm, variant, data, run, trained, out)
    click.echo(f"{manifest.identity}: {trained.steps} steps in {trained.seconds:.0f} s, in {out}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("repo")
@click.option("--hub", "endpoint", help="Hub address. Default: HF_ENDPOINT, else huggingface.co.")
@click.option("--private", is_flag=True, help="Make the repo private.")
@click.option("--tag", help="Tag of the commit, such as v1.")
@click.option("--allow-unevaluated", is_flag=True, help="Publish an adapter that nobody has scored.")
def publish(
    folder: Path, repo: str, endpoint: str | None, private: bool, tag: str | None, allow_unevaluated: bool
) -> None:
    """Publish the adapter in FOLDER as REPO (`owner/name`), with its card, in one commit."""
    from training.publish import publish as publish_adapter

    done = publish_adapter(
        folder,
        repo,
        endpoint=endpoint,
        private=private,
        tag=tag,
        allow_unevaluated=allow_unevaluated,
    )
    click.echo(f"published {done.pinned}\n  {done.address}")
    if done.left_out:
        click.echo(f"  left out: {done.left_out}")
