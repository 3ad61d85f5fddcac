"""`medzoo convert`: checkpoints and adapters of LLaVA's original code in the form that is read here.

Knows the command line alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.bases import Base

_VARIANT = re.compile(r"[a-z][a-z0-9_]{0,95}")
"""The form that all names of variants have. Which there are is not asked: theirs may be none of ours."""


@click.command()
@click.argument("source")
@click.option("--base", "name", required=True, help="The base that it is, such as llava-med-v1.5.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write: a new one, or the one of a run that was stopped.",
)
@click.option(
    "--tower",
    default="",
    metavar="FOLDER|REPO",
    help="CLIP for a checkpoint that holds no vision tower.  [default: the base's own]",
)
@click.option(
    "--shard-gb",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
    help="Most gigabytes of a file of weights.",
)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Use the folder as this base.")
@click.option(
    "--variant",
    metavar="NAME",
    help="For an adapter: what trained it, such as mmedpo, one of `medzoo variants` or not. Lists, cards and "
    "servers call it so, and others are compared with what is called sft.",
)
@click.option(
    "--projector-base",
    type=click.Path(file_okay=False, path_type=Path),
    help="For an adapter with a projector of its own: a new folder for a copy of the base with it.",
)
def convert(
    source: str,
    name: str,
    out: Path,
    tower: str,
    shard_gb: float,
    keep: bool,
    variant: str | None,
    projector_base: Path | None,
) -> None:
    """Convert SOURCE, a folder or REPO[@REVISION], from the layout of LLaVA's original code.

    A checkpoint of LLaVA-Med v1.5 or HuatuoGPT-Vision becomes one that transformers reads. Run again
    after it was stopped it goes on; once it is finished it says of what it was made. A folder with a LoRA
    becomes an adapter of the base as it is kept here.
    """
    from zoo.bases import declared_bases, keep_base, known_base
    from zoo.cli._out import check_out
    from zoo.errors import BadInput

    base = known_base(name)
    if _is_adapter(source):
        if not variant:
            raise BadInput(f"{source} holds a LoRA", hint="name what trained it: --variant mmedpo")
        if variant == "base" or not _VARIANT.fullmatch(variant):
            raise BadInput(
                f"--variant {variant[:80]!r} is no name of a variant",
                hint="small letters, digits and underscores, a letter first, and not base: such as mmedpo",
            )
        check_out(out)
        if projector_base:
            check_out(projector_base)
        _convert_adapter(base, Path(source), out, variant, projector_base)
        return
    if variant or projector_base:
        raise BadInput(f"{source} holds no LoRA, which --variant and --projector-base are for")
    if base.folder is not None:
        base = declared_bases()[name]  # the original, not a folder that it was converted to
    check_out(out)
    with _installed():
        from zoo.vlm.convert.checkpoint import convert_checkpoint
        from zoo.vlm.convert.settings import passing_on
    record = convert_checkpoint(
        base,
        source,
        out,
        tower=tower,
        max_bytes=int(shard_gb * 1e9),
        say=lambda line: click.echo(line, err=True),
    )
    click.echo(f"folder    {out}")
    click.echo(f"base      {record.base}@{record.revision}")
    click.echo(f"proof     {_proof(record.proven, record.repo)}")
    click.echo(f"tensors   {record.tensors} in {len(record.shards)} files; left out: {len(record.dropped)}")
    click.echo(f"tower     {record.tower}")
    click.echo(f"<image>   {record.image_row}")
    for line in record.differences:
        click.echo(f"differs   {line}")
    click.echo(f"licence   {base.license}: {passing_on(base)}")
    if keep:
        keep_base(name, revision=record.revision, folder=out)
        click.echo(f"  next: medzoo serve --base {name}")
    else:
        click.echo(f"  next: medzoo bases {name} --at {out}")


def _convert_adapter(
    base: "Base", source: Path, out: Path, variant: str, projector_base: Path | None
) -> None:
    with _installed():
        from zoo.vlm.convert.adapter import convert_adapter
    manifest = convert_adapter(base, source, out, variant=variant, projector_base=projector_base)
    click.echo(f"folder   {out}")
    click.echo(f"adapter  {manifest.identity}, rank {manifest.lora.r}, {', '.join(manifest.lora.targets)}")
    click.echo(f"base     {manifest.base.name}@{manifest.base.revision}")
    for line in manifest.variant.departures:
        click.echo(f"unknown  {line}")
    click.echo(f"licence  {manifest.license}: it is not published")
    if manifest.base.revision != base.revision:
        click.echo(f"  next: medzoo bases {base.name} --at {projector_base}")
    else:
        click.echo(f"  next: medzoo evaluate {out} --dataset phantom")


@contextmanager
def _installed() -> Iterator[None]:
    """Say what to install where a library is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[model]'"
        ) from error


def _is_adapter(source: str) -> bool:
    from zoo.manifest import CONFIG_NAME

    return (Path(source) / CONFIG_NAME).is_file()


def _proof(proven: bool, repo: str) -> str:
    if proven:
        return f"the files are those of that commit of {repo}"
    return f"nothing shows that it is a commit of {repo}; adapters of such a commit are refused on it"
