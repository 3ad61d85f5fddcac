"""`medzoo space`: a Hub Space that shows the demo, made and brought up to date by one command."""

from collections import Counter

import click


@click.command()
@click.argument("repo")
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="REPO[@REVISION]",
    help="An adapter of the phantom base to show; give it again for more.  [default: the demo's three]",
)
@click.option("--hub", "endpoint", help="Hub address.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--private", is_flag=True, help="Make the Space a private one; refused if it is public.")
@click.option("--dry-run", is_flag=True, help="Say exactly what would go up, and change nothing.")
def space(repo: str, adapters: tuple[str, ...], endpoint: str | None, private: bool, dry_run: bool) -> None:
    """Show the phantom base and its adapters to whoever comes, in the Hub's Space REPO (`owner/name`).

    What goes up is this program's own source with its Dockerfile, in one commit; the Hub builds and runs it,
    on the free hardware. Strangers may ask about drawn scans there, and nothing else. The same command
    again brings the Space up to date.
    """
    from zoo.space import pinned_adapters, plan_space, push_space, source_folder, space_files

    files = space_files(source_folder(), repo, pinned_adapters(adapters, endpoint=endpoint))
    plan = plan_space(repo, files, private=private, endpoint=endpoint)
    sizes, counts = Counter[str](), Counter[str]()
    for name in plan.sent:
        top = name.partition("/")[0]
        sizes[top] += len(files[name])
        counts[top] += 1
    for top in sorted(sizes):
        click.echo(f"  {top:<20} {counts[top]:>5} files  {sizes[top] / 1e6:8.2f} MB")
    for name in plan.deleted:
        click.echo(f"  {name:<20} is deleted there")
    if not plan.sent and not plan.deleted and plan.head:
        click.echo(f"nothing to send: {plan.url} holds exactly this")
    elif dry_run:
        click.echo(f"would go to {plan.url}, which is {'there' if plan.head else 'yet to be made'}")
    else:
        click.echo(f"{plan.url} is at {push_space(plan)}; the Hub builds it now")
