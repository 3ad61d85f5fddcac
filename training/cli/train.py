"""`medzoo train`: the adapter of a variant, from questions or from pairs made before."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from training.cli.options import BASE, REFERENCE, SEED, SET, next_command, parse_settings, question_options


@click.command()
@click.argument("variant_name", metavar="VARIANT")
@BASE
@click.option(
    "--pairs",
    "pairs_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Pairs made before. Without it they are made from the data set, in OUT/pairs.",
)
@question_options
@SET
@REFERENCE
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
    help="Rank of the LoRA, alpha in proportion. Default: the variant's, or the base's cap.",
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
    pairs_dir: Path | None,
    settings: tuple[str, ...],
    reference: str,
    out: Path,
    learning_rate: float | None,
    epochs: int | None,
    batch_size: int | None,
    rank: int | None,
    checkpoint_every: int,
    seed: int,
    **options: Any,
) -> None:
    """Train the LoRA adapter of VARIANT, all its stages and rounds; a killed run goes on from its last
    checkpoint."""
    from training.cli.options import after_sft, find_start, made_before, more_than_one, sources
    from training.execution import Execution
    from training.pairs.report import read_report
    from training.stages import Job, run_stages
    from training.variants import get_variant
    from zoo.bases import get_base
    from zoo.cli._out import check_out
    from zoo.errors import BadInput
    from zoo.manifest import MANIFEST_NAME
    from zoo.vlm.model import load_base

    check_out(out)
    if (out / MANIFEST_NAME).exists():
        raise BadInput(f"{out} holds a finished adapter", hint="choose another --out")
    variant, base = get_variant(variant_name, parse_settings(settings)), get_base(base_name)
    if reference == "sft":
        if pairs_dir and variant.needs_policy:
            raise BadInput(
                "--pairs holds answers of another model than the SFT adapter that is trained first",
                hint="leave --pairs out, or give --reference FOLDER",
            )
        variant = after_sft(variant)
    changes = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size, "rank": rank}
    context = click.get_current_context()
    asked = [
        options[name] if context.get_parameter_source(name) is not ParameterSource.DEFAULT else None
        for name in ("dataset", "split")
    ]
    job = Job(
        sources=sources(out, options, seed=seed)
        if pairs_dir is None or more_than_one(variant)
        else made_before(pairs_dir, *asked, seed=seed),
        seed=seed,
        changes={key: value for key, value in changes.items() if value is not None},
        pairs=pairs_dir,
        execution=Execution(checkpoint_every=checkpoint_every),
    )
    vlm = load_base(base)
    manifest = run_stages(
        vlm, variant, job, out, start=None if reference == "sft" else find_start(vlm, reference)
    )
    own = out / "pairs"
    for line in read_report(own if own.exists() or pairs_dir is None else pairs_dir).lines():
        click.echo(line)
    for stage in manifest.earlier:
        click.echo(
            f"stage {stage.variant}: {stage.steps} steps on {stage.pairs} pairs in {stage.seconds:.0f} s"
        )
    click.echo(
        f"{manifest.identity}: {manifest.training.steps} steps on {manifest.data.pairs} pairs "
        f"in {manifest.cost.seconds:.0f} s, in {out}"
    )
    evaluate = next_command(
        "evaluate",
        out,
        base=base_name,
        dataset=manifest.data.dataset,
        data_dir=options["data_dir"],
        out=f"{out}-answers",
    )
    click.echo(f"  next: {evaluate} --record")
    click.echo(f"  then: {next_command('publish', out, 'OWNER/NAME')}")
