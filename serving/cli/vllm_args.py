"""`medzoo vllm-args`: the command line that starts a vLLM for `medzoo serve --engine vllm`."""

from pathlib import Path

import click


@click.command("vllm-args")
@click.option("--base", help="Name of the base, one of `medzoo bases`.  [default: phantom]")
@click.option("--slots", type=click.IntRange(1, 256), help="Adapters loaded at once.  [default: 8]")
@click.option("--max-rank", type=click.IntRange(1), help="Largest rank of an adapter.  [default: 64]")
@click.option("--dtype", help="float32, bfloat16 or float16.  [default: bfloat16, float32 with --cpu]")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--cpu", is_flag=True, help="For a vLLM on a CPU.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a copy of the base there under the names that vLLM looks for, and start it on that.",
)
def vllm_args(port: int, cpu: bool, folder: Path | None, **given: str | int | None) -> None:
    """Print the command that starts vLLM for a base, with the limits of the settings.

    The same options and MEDZOO_ variables as those of `medzoo serve` decide, so that both agree. The second
    command, on standard error, is the service for it.
    """
    from serving.engines.vllm.start import names_to_change, vllm_start, write_copy
    from serving.settings import read_settings
    from zoo.bases import get_base
    from zoo.errors import BadInput
    from zoo.vlm.fetched import fetch_model, where_files_are

    settings = read_settings(**{name: value for name, value in given.items() if value is not None})
    base = get_base(settings.base)
    base.require_usable()
    click.echo(f"the files of {base.pinned}: {where_files_are(base)}", err=True)
    source = base.folder or fetch_model(base.repo, base.revision)
    dtype = settings.dtype if settings.dtype != "auto" else "float32" if cpu else "bfloat16"
    if folder is not None:
        write_copy(base, source, folder)
    elif changed := names_to_change(source):
        raise BadInput(
            f"vLLM would not find {len(changed)} tensors of {base.name}, such as {next(iter(changed))}",
            hint=f"medzoo vllm-args --base {base.name} --folder DIR writes a copy that it reads",
        )
    start = vllm_start(settings, (folder or source).resolve(), dtype=dtype, port=port, cpu=cpu)
    click.echo(str(start))
    rank = f"MEDZOO_MAX_RANK={settings.max_rank} " if "max_rank" in settings.model_fields_set else ""
    click.echo(
        f"then: {rank}medzoo serve --base {base.name} --engine vllm --engine-url http://127.0.0.1:{port} "
        f"--dtype {dtype} --slots {settings.slots}",
        err=True,
    )
