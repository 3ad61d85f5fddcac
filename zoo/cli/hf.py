"""`medzoo hf`: make `hf medzoo` work, where this package came by pip and not by `hf extensions install`."""

import click


@click.command()
def hf() -> None:
    """Register this installation with the `hf` command, so that `hf medzoo VERB` is `medzoo VERB`.

    It needs no network, where `hf extensions install` fetches from GitHub. It writes one file, into the
    folder in which `hf` keeps its extensions; `hf extensions remove medzoo` undoes it.
    """
    import sysconfig
    from datetime import UTC, datetime
    from importlib.metadata import metadata
    from pathlib import Path

    from huggingface_hub.cli.extensions import EXTENSIONS_ROOT, ExtensionManifest

    from zoo.errors import BadInput

    script = Path(sysconfig.get_path("scripts")) / "hf-medzoo"
    if not script.is_file():
        raise BadInput(f"{script}: no such file", hint="pip install --force-reinstall --no-deps medvlm-zoo")
    folder = EXTENSIONS_ROOT.expanduser() / script.name
    ExtensionManifest(
        owner="medvlm-zoo",
        repo=script.name,
        repo_id=f"medvlm-zoo/{script.name}",
        short_name="medzoo",
        executable_path=str(script),
        type="python",
        installed_at=datetime.now(UTC),
        description=metadata("medvlm-zoo")["Summary"],
    ).save(folder)
    click.echo(f"registered in {folder}\nnext: hf medzoo ls")
