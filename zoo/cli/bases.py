"""`medzoo bases`: the bases the zoo knows, and what this machine keeps of them. Knows no base."""

from pathlib import Path

import click


@click.command()
@click.argument("name", required=False)
@click.option(
    "--pin",
    is_flag=False,
    flag_value="main",
    metavar="[REVISION]",
    help="Ask the Hub for the commit of REVISION (main if none is said), and keep it.",
)
@click.option("--unpin", is_flag=True, help="Forget what --pin, --at or medzoo convert kept of it.")
@click.option(
    "--at",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Take the base from FOLDER from now on, once it was checked.",
)
@click.option(
    "--check",
    is_flag=False,
    flag_value="",
    metavar="[FOLDER|REPO]",
    help="Check a checkpoint against the base: what is kept, or a folder, or REPO[@REVISION] on a Hub.",
)
@click.option("--digests", is_flag=True, help="With --check: hash a folder's weights too.")
@click.option(
    "--any-size",
    is_flag=True,
    help="With --check or --at: a stand-in of the same architecture in another size will do.",
)
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def bases(
    name: str | None,
    pin: str | None,
    unpin: bool,
    at: Path | None,
    check: str | None,
    digests: bool,
    any_size: bool,
    hub: str | None,
    as_json: bool,
) -> None:
    """List the bases, or print NAME in full: its images and prompt, its licence, what was published of it.

    A base is one commit of a Hub repo. One that nobody could cite a commit of has to be pinned first, one in
    the layout of other code to be converted first (medzoo convert). Where no Hub is reached, --at names the
    folder that holds it.
    """
    acts = {"--pin": pin is not None, "--unpin": unpin, "--at": at is not None, "--check": check is not None}
    asked = [option for option, given in acts.items() if given]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} exclude each other")
    if asked and name is None:
        raise click.UsageError(f"name the base: medzoo bases NAME {asked[0]}")
    if digests and check is None:
        raise click.UsageError("--digests goes with --check")
    if any_size and check is None and at is None:
        raise click.UsageError("--any-size goes with --check or --at")
    if as_json and asked and check is None:
        raise click.UsageError(f"--json does not go with {asked[0]}")
    if hub and pin is None and check is None:
        raise click.UsageError("--hub goes with --pin or --check")

    if name is None:
        _list(as_json=as_json)
    elif check is not None:
        _check(name, check, any_size=any_size, read_digests=digests, hub=hub, as_json=as_json)
    elif asked:
        from zoo.cli._bases_kept import keep_folder, pin_commit, unpin_base

        if at is not None:
            keep_folder(name, at, any_size=any_size)
        elif pin is not None:
            pin_commit(name, pin, hub=hub)
        else:
            unpin_base(name)
    else:
        _show(name, as_json=as_json)


def _list(*, as_json: bool) -> None:
    from zoo.bases import bases as all_bases
    from zoo.cli._bases_page import as_data, table

    if as_json:
        _print([as_data(base) for base in all_bases().values()])
        return
    for line in table(list(all_bases().values())):
        click.echo(line)
    click.echo(f"\n{len(all_bases())} bases. One in full: medzoo bases NAME")


def _show(name: str, *, as_json: bool) -> None:
    from zoo.bases import known_base
    from zoo.cli._bases_page import as_data, page

    base = known_base(name)
    if as_json:
        _print(as_data(base))
        return
    for line in page(base):
        click.echo(line)


def _check(
    name: str, source: str, *, any_size: bool, read_digests: bool, hub: str | None, as_json: bool
) -> None:
    from zoo.bases import declared_bases, known_base
    from zoo.cli._bases_kept import check_checkpoint
    from zoo.cli._checks import tell

    base = known_base(name)
    if source and (base.folder or Path(source).is_dir()):
        base = declared_bases()[name]  # held against what the base is, not against the copy that is kept
    if not source and base.built_by:
        base.require_usable()  # it lies on no Hub that could be asked
    checks = check_checkpoint(
        base, source or None, any_size=any_size, read_digests=read_digests, endpoint=hub
    )
    tell("checkpoint", source or str(base.folder or base.repo), checks, as_json=as_json)


def _print(data: object) -> None:
    import json

    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
