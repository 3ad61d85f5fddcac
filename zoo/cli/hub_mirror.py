"""`medzoo hub mirror`: repositories copied from one Hub to another. Knows the command line alone."""

import click

_TOKEN = "[default: MEDZOO_FROM_TOKEN or MEDZOO_TO_TOKEN; HF_TOKEN for the Hub of HF_ENDPOINT alone]"


@click.command()
@click.argument("repos", nargs=-1, required=True)
@click.option("--from", "source", required=True, help="Address of the Hub to copy from.")
@click.option("--to", "target", required=True, help="Address of the Hub to copy to.")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit to copy up to.")
@click.option("--type", "kind", type=click.Choice(["model", "dataset"]), default="model", show_default=True)
@click.option("--from-token", envvar="MEDZOO_FROM_TOKEN", help=_TOKEN)
@click.option("--to-token", envvar="MEDZOO_TO_TOKEN", help=_TOKEN)
def mirror(
    repos: tuple[str, ...],
    source: str,
    target: str,
    revision: str,
    kind: str,
    from_token: str | None,
    to_token: str | None,
) -> None:
    """Copy REPOS, with all tags, between any two Hubs; the other way round by swapping --from and --to.

    A second run copies what is new. What the target has of its own is never overwritten. A repository that
    is private or gated here is so there. To huggingface.co goes only what its card puts under a licence that
    is known to let it be passed on.
    """
    from zoo.hub_access import hub_address, hub_api
    from zoo.mirror import mirror as copy

    apis = [
        hub_api(hub_address(address), token, ours_alone=True)
        for address, token in ((source, from_token), (target, to_token))
    ]
    for repo in repos:
        done = copy(
            repo,
            apis[0],
            apis[1],
            kind="model" if kind == "model" else "dataset",
            revision=revision,
            say=lambda line: click.echo(line, err=True),
        )
        if done.commits or done.tags:
            tags = f"; tags {', '.join(done.tags)}" if done.tags else ""
            click.echo(f"{repo}: {done.commits} commits copied{tags}; main is {done.head}")
        else:
            click.echo(f"{repo}: up to date; main is {done.head}")
        for tag in done.left_out:
            click.echo(f"{repo}: the tag {tag} was left out: its commit has no copy", err=True)
