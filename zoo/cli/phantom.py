"""`medzoo phantom`: draw scans and build the tiny base that reads them. Knows the command line alone."""

from pathlib import Path

import click


@click.group()
def phantom() -> None:
    """Drawn scans with known findings, and the tiny base that reads them."""


@phantom.command()
@click.option(
    "--seed", type=click.IntRange(min=0), required=True, help="The scan's seed, any integer from 0."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="PNG file to write; the finding's mask goes beside it as NAME-mask.png.",
)
def draw(seed: int, out: Path) -> None:
    """Draw the scan of a seed with its mask, and print the questions about it."""
    import PIL.Image

    from zoo.errors import BadInput
    from zoo.phantom.questions import ask
    from zoo.phantom.scans import make_scan

    if out.suffix.lower() != ".png":
        raise BadInput(f"{out} does not end in .png", hint=f"--out {out.with_suffix('.png')}")
    scan = make_scan(seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(scan.pixels).save(out)
    click.echo(f"{out}: {scan.modality} of the {scan.organ}")
    if scan.finding is not None:
        mask = out.with_name(f"{out.stem}-mask.png")
        PIL.Image.fromarray(scan.mask).convert("L").save(mask)
        click.echo(f"{mask}: where the {scan.finding.kind} is")
    for item in ask(scan):
        click.echo(f"  {item.question_type:<9} {item.prompt}  ->  {item.answer}")


@phantom.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder to write the base to. Default: the one inside this package.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the build.")
@click.option(
    "--held-out",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Held-out questions to measure it on.",
)
def build(out: Path | None, seed: int, held_out: int) -> None:
    """Build the phantom base from nothing: some ten minutes on 2 cores, the same for the same seed."""
    try:
        from zoo.vlm.builders.phantom import Recipe, build_phantom
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[model]'"
        ) from error
    import zoo.phantom

    folder = out or Path(zoo.phantom.__file__).parent / "base"
    accuracy = build_phantom(folder, Recipe(seed=seed), held_out=held_out)
    click.echo(f"{folder}: right on {held_out} held-out questions")
    for kind, share in accuracy.items():
        click.echo(f"  {kind:<9} {share:6.1%}")


@phantom.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder to write the encoder to. Default: the one inside this package.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the build.")
def build_encoder(out: Path | None, seed: int) -> None:
    """Build the phantom base's contrastive encoder on its vision tower: some four minutes on one core."""
    try:
        from zoo.vlm.builders import phantom_encoder as encoder
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[model]'"
        ) from error
    from zoo.bases import get_base

    base = get_base("phantom")
    folder = out or Path(str(base.encoder))
    measured = encoder.build_encoder(folder, base, encoder.EncoderRecipe(seed=seed))
    click.echo(f"{folder}: right phrases told from wrong ones on validation scans (chance: 50 %)")
    for name, told in measured.items():
        click.echo(
            f"  {name:<12} {told.within:6.1%} on one scan, AUC {told.across:.3f} across {told.scans} scans"
        )
