"""`medzoo bases`: the bases the zoo knows."""

import click


@click.command()
@click.argument("name", required=False)
def bases(name: str | None) -> None:
    """List the bases, or print one in full."""
    from zoo.bases import bases as all_bases
    from zoo.bases import get_base

    if name is None:
        for base in all_bases().values():
            click.echo(f"{base.name:<24} {base.revision[:12]}  {base.license:<14} {base.about}")
        return
    for key, value in vars(get_base(name)).items():
        click.echo(f"{key + ':':<22} {', '.join(value) if isinstance(value, tuple) else value}")
