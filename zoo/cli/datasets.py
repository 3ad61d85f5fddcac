"""`medzoo datasets`: the data sets the zoo knows, their terms, and the layout it expects of them."""

import click


@click.command()
@click.argument("name", required=False)
def datasets(name: str | None) -> None:
    """List the data sets, or print one in full with its splits and the folder it is read from."""
    from zoo.datasets import datasets as all_datasets
    from zoo.datasets import get_dataset

    if name is None:
        for one in all_datasets().values():
            terms = f"{one.license:<24} {_may_publish(one.publishable):<18} {_may_send(one.restricted):<22}"
            click.echo(f"{one.name:<10} {terms} {one.about}")
        click.echo(f"\n{len(all_datasets())} data sets. One in full, with its folder: medzoo datasets NAME")
        return
    one = get_dataset(name)
    click.echo(f"{one.name}: {one.about}")
    click.echo(f"  licence: {one.license}")
    click.echo(f"  pairs and pictures made from it: {_may_publish(one.publishable)}")
    click.echo(f"  its texts: {_may_send(one.restricted)}")
    for risk in one.risks:
        click.echo(f"  {risk}")
    click.echo(f"  splits: {', '.join(one.splits)}")
    click.echo(f"  folder (--data-dir): {one.layout or 'none needed'}")
    if one.source:
        click.echo(f"  fetched without a folder from: {one.source.repo}@{one.source.revision}")


def _may_publish(publishable: bool) -> str:
    return "may be published" if publishable else "never published"


def _may_send(restricted: bool) -> str:
    return "stay on this machine" if restricted else "may go to a service"
