"""Where a checkpoint comes from: which commit, whether its weights are that commit's, under which licence."""

from huggingface_hub.repocard import metadata_load
from tqdm import tqdm

from zoo.bases import file_digests, prove
from zoo.checks import Check, Fault
from zoo.model_files import FolderFiles
from zoo.vlm.checkpoint.subject import Subject


def commit(subject: Subject) -> Check:
    """The commit of a Hub is the one that the base declares."""
    base, found = subject.base, subject.files.commit
    if not found:
        return Check(name="commit", unknown="a folder has none; its digests may prove one")
    if not base.revision:
        why = f"{found}; none is pinned: medzoo bases {base.name} --pin"
        return Check(name="commit", unknown=why)
    if found != base.revision:
        return Check(name="commit", unknown=f"{found}, and the base is pinned to {base.revision}")
    return Check(name="commit", told=found)


def digests(subject: Subject, *, read: bool) -> Check:
    """The weights are those whose digests were published. A Hub tells its own; of a folder they are made,
    showing progress, only if `read`."""
    base, name = subject.base, "digests"
    if not base.files:
        return Check(name=name, unknown=f"none are published of {base.repo} at this commit")
    if base.original and subject.layout is None:
        return Check(name=name, unknown="those that are published are of the layout before conversion")
    found = subject.files.digests
    if isinstance(subject.files, FolderFiles):
        if not read:
            command = f"medzoo bases {base.name} --check {subject.files.name} --digests"
            return Check(name=name, unknown=f"not made: {command}")
        whole = sum(subject.files.sizes.values())
        with tqdm(total=whole, desc="sha256", unit="B", unit_scale=True) as bar:
            found = file_digests(subject.files.folder, advance=bar.update)
    if prove(found, base.files):
        return Check(name=name, told=f"{len(base.files)} files are those of {base.pinned}")
    faults = [
        Fault(
            what="a file is not the published one",
            value=f"{one}: sha256 {found.get(one, 'of no file')}, published {digest}",
            next="fetch it again, or keep it as a base of its own",
        )
        for one, digest in base.files.items()
        if found.get(one) != digest
    ]
    if not faults:
        more = sorted(one for one in found.keys() - base.files.keys() if one.endswith(".safetensors"))
        faults = [Fault(what="weights beside the published ones", value=more[0], next="take them away")]
    return Check(name=name, faults=tuple(faults))


def licence(subject: Subject) -> Check:
    """What the card says of the licence; a card can be wrong, so what the base declares stands."""
    path = subject.files.path("README.md")
    try:
        said = (metadata_load(path) if path else None) or {}
    except Exception as error:  # of many kinds, by what is wrong with the text
        reason = " ".join(str(error).split())[:100]
        return Check(
            name="licence", unknown=f"the card cannot be read ({reason}); {subject.base.license} stands"
        )
    found = said.get("license_name") or said.get("license")
    declared = subject.base.license
    if found == declared:
        return Check(name="licence", told=declared)
    card = f"the card says {found}" if found else "no card says any"
    return Check(name="licence", unknown=f"{card}; {declared} is declared, and stands")
