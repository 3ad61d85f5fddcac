"""What `medzoo bases` keeps of a base on this machine: a commit that a Hub was asked for, or a folder."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from zoo.bases import (
    Base,
    declared_bases,
    downloaded_commit,
    forget_base,
    keep_base,
    known_base,
    prove,
    revision_of,
)
from zoo.errors import BadInput

if TYPE_CHECKING:
    from zoo.checks import Check


def pin_commit(name: str, revision: str, *, hub: str | None) -> None:
    """Ask a Hub for the commit that `revision` stands for and keep it.

    Raises:
        BadInput: the base comes with this package, or no commit of it could be loaded.
        HubError: the Hub does not answer, or has no such repo or revision for this user.
    """
    from zoo.hub import resolve
    from zoo.hub_access import hub_address, shown

    before, declared = known_base(name), declared_bases()[name]
    if declared.folder is not None:
        raise BadInput(f"{name} comes with this package: there is no commit to pin")
    if declared.built_by:
        raise BadInput(f"{name} lies on no Hub: there is no commit to pin", hint=declared.built_by)
    address = hub_address(hub)
    sha = resolve(declared.repo, revision, endpoint=address)
    after = forget_base(name) if sha == declared.revision and before != declared else before
    if sha != after.revision or after.folder is not None:
        after = keep_base(name, revision=sha)
    _say_change(before, after)
    if declared.gated:
        click.echo(
            f"  its files are for those who accepted the terms at {shown(address)}/{declared.repo}: "
            "set HF_TOKEN to a token of such a user"
        )
    if after.obstacle:
        click.echo(f"  next: {after.obstacle.next}")


def unpin_base(name: str) -> None:
    """Forget what is kept of a base.

    Raises:
        BadInput: nothing is kept of it.
    """
    before = known_base(name)
    after = forget_base(name)
    _say_change(before, after)
    if before.folder is not None and before.folder.is_dir():
        click.echo(f"  {before.folder} is still there")
    if after.obstacle:
        click.echo(f"  next: {after.obstacle.next}")


def keep_folder(name: str, folder: Path, *, any_size: bool) -> None:
    """Keep a folder as the place of a base, if every check of it holds; hashes all of it, showing progress.

    Its revision is the commit that the files are shown to be of, else a digest of the files.

    Raises:
        BadInput: it is not the base, or the base comes with this package.
    """
    from tqdm import tqdm

    from zoo.bases import file_digests, files_in

    before, declared = known_base(name), declared_bases()[name]
    if declared.folder is not None:
        raise BadInput(f"{name} comes with this package, in {declared.folder}")
    checks = check_checkpoint(declared, folder, any_size=any_size)
    if faults := [fault for one in checks for fault in one.faults]:
        others = len(faults) - 1
        more = f", and {others} fault{'s' if others > 1 else ''} more" if others else ""
        raise BadInput(
            f"{folder} is not {name}: {faults[0].what}: {faults[0].value}{more}",
            hint=f"medzoo bases {name} --check {quote(str(folder))}{' --any-size' if any_size else ''}",
        )
    size = sum(path.stat().st_size for path in files_in(folder))
    with tqdm(total=size, desc="sha256", unit="B", unit_scale=True) as bar:
        digests = file_digests(folder, advance=bar.update)
    revision, why = _revision(declared, folder, digests)
    after = keep_base(name, revision=revision, folder=folder)
    _say_change(before, after)
    click.echo(f"  {why}")


def check_checkpoint(base: Base, source: str | Path | None, **how: Any) -> "list[Check]":
    """See `zoo.vlm.checkpoint.check_checkpoint`.

    Raises:
        ClickException: what it needs is not installed.
    """
    try:
        from zoo.vlm.checkpoint import check_checkpoint as look
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed\n  next: pip install 'medvlm-zoo[model]'"
        ) from error
    return look(base, source, **how)


def _revision(declared: Base, folder: Path, digests: Mapping[str, str]) -> tuple[str, str]:
    """A folder's revision, and what it rests on."""
    from zoo.vlm.convert.record import read_record

    if prove(digests, declared.files):
        return declared.revision, "its weights are those that were published for that commit"
    weights = {name: digest for name, digest in digests.items() if name.endswith(".safetensors")}
    record = read_record(folder)
    if record and record.base == declared.name and record.shards == weights:
        return record.revision, "its weights are those that the conversion on record there wrote"
    commit = downloaded_commit(folder, digests)
    if commit and not declared.original and commit == (declared.revision or commit):
        return commit, "its weights are those that `hf download` noted of that commit"
    return revision_of(digests), (
        "nothing shows which commit it is, so it is a base of its own; "
        "`hf download REPO --revision COMMIT --local-dir FOLDER` leaves a note that does"
    )


def _say_change(before: Base, after: Base) -> None:
    if (before.revision, before.folder) == (after.revision, after.folder):
        click.echo(f"{after.name} stays as it was: {_place(after)}")
        return
    click.echo(f"{after.name}\n  was  {_place(before)}\n  is   {_place(after)}")
    if before.revision and before.revision != after.revision:
        click.echo(
            f"  adapters of {before.revision[:12] or 'another'} are of another base: neither trained on, "
            "served nor compared with this one"
        )


def _place(base: Base) -> str:
    revision = base.revision or "no commit"
    return f"{revision} in {base.folder}" if base.folder else f"{revision} of {base.repo}"
