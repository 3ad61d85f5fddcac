"""Copying a repository from one Hub to another: its files at each tag and at a revision, commit by commit.

The Hubs' protocol gives no git history, so a copy is a commit of its own, whose text names the commits that
it equals (`Mirrored-From:`). By these lines a second run knows what is there, in both directions and along
chains. Nothing is overwritten: a target with commits that the source does not know is left as it is.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from huggingface_hub import CardData, CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from zoo.errors import HubError
from zoo.hub_access import asking, cache_of, is_shared
from zoo.licences import AND, redistributable

RepoType = Literal["model", "dataset"]
_MARK = re.compile(r"^Mirrored-From: ([0-9a-f]{40})$", re.MULTILINE)
_OPENNESS = {"manual": 0, "auto": 1, False: 2, None: 2}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Step:
    """A commit of a history."""

    sha: str
    title: str
    same_as: frozenset[str]
    """Its own sha and those of the commits that it is a copy of."""


@dataclass
class Mirrored:
    """What one run copied."""

    head: str
    """The target's commit that the source's revision is now."""
    commits: int = 0
    tags: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Tags that name a commit that was never copied, since it had no tag when its successors were."""


@dataclass(frozen=True)
class _Pair:
    """One repository on two Hubs."""

    repo: str
    kind: RepoType
    source: HfApi
    target: HfApi

    def history(self, api: HfApi, revision: str) -> list[Step]:
        """Oldest first."""
        with asking(self.repo, api.endpoint):
            found = api.list_repo_commits(self.repo, repo_type=self.kind, revision=revision)
        return [
            Step(
                one.commit_id,
                one.title,
                frozenset({one.commit_id, *_MARK.findall(f"{one.title}\n{one.message}")}),
            )
            for one in reversed(found)
        ]

    def files(self, api: HfApi, revision: str) -> dict[str, RepoFile]:
        with asking(self.repo, api.endpoint):
            entries = api.list_repo_tree(self.repo, repo_type=self.kind, revision=revision, recursive=True)
            return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

    def tags(self, api: HfApi) -> dict[str, str]:
        with asking(self.repo, api.endpoint):
            refs = api.list_repo_refs(self.repo, repo_type=self.kind)
        return {tag.name: tag.target_commit for tag in refs.tags}


def mirror(
    repo: str,
    source: HfApi,
    target: HfApi,
    *,
    kind: RepoType = "model",
    revision: str = "main",
    say: Callable[[str], None] = lambda line: None,
) -> Mirrored:
    """Bring the target's `main` and tags to what the source has at `revision` and at the tags on its way.

    A repository that is not there yet is made, as private and as gated as the source's. A run that was cut
    off goes on where it ended: what was fetched is in the cache, what was committed is found by its text.

    Raises:
        HubError: the target has commits or tags of its own, is open to more people than the source, or is
            huggingface.co and the card's licence is not known to allow passing on; a file arrived changed; a
            Hub refused.
        NotOnHub: the source has no such repository or revision, or not for this user.
    """
    pair = _Pair(repo, kind, source, target)
    with asking(f"{repo}@{revision}", source.endpoint):
        head = str(source.repo_info(repo, repo_type=kind, revision=revision).sha)
    _make_room(pair)
    there, here = pair.history(source, head), pair.history(target, "main")
    known = _common(pair, there, here)
    stands = here[-1].sha
    # The source's commits that are in the target already, by the source's sha.
    copies = {
        step.sha: copy.sha for step in there[: known + 1] for copy in here if step.same_as & copy.same_as
    }
    tags, done = pair.tags(source), Mirrored(stands)
    wanted = set(tags.values()) | {head}
    for step in there[known + 1 :]:
        if step.sha in wanted:
            before = stands
            stands = _copy(pair, step, stands, say)
            done.commits += stands != before
            copies[step.sha] = stands
            _tag(pair, step.sha, tags, copies, done)
    for sha in dict.fromkeys(tags.values()):
        _tag(pair, sha, tags, copies, done)
    done.head = stands
    return done


def _make_room(pair: _Pair) -> None:
    """Make the repository where it is missing; refuse one that more people can read than the source's."""
    with asking(pair.repo, pair.source.endpoint):
        origin = pair.source.repo_info(pair.repo, repo_type=pair.kind)
    if is_shared(pair.target.endpoint):
        terms = _terms(getattr(origin, "card_data", None))
        if not terms or not all(map(redistributable, terms)):
            raise HubError(
                f"{pair.repo}: its licence ({AND.join(terms) or 'none is stated'}) is not known to let it be "
                f"passed on to {pair.target.endpoint}",
                hint="mirror it to a Hub of your own, or, if it is yours, state its licence in its README.md",
            )
    with asking(pair.repo, pair.target.endpoint):
        try:
            found = pair.target.repo_info(pair.repo, repo_type=pair.kind)
        except RepositoryNotFoundError:
            pair.target.create_repo(pair.repo, repo_type=pair.kind, private=bool(origin.private))
            if origin.gated:
                pair.target.update_repo_settings(pair.repo, repo_type=pair.kind, gated=origin.gated)
            return
        if origin.gated and not found.gated and _is_empty(pair, pair.history(pair.target, "main")):
            # an earlier run was cut off between the two steps above
            pair.target.update_repo_settings(pair.repo, repo_type=pair.kind, gated=origin.gated)
            found.gated = origin.gated
    if (origin.private and not found.private) or _OPENNESS[found.gated] > _OPENNESS[origin.gated]:
        raise HubError(
            f"{pair.repo}: more people can read it on {pair.target.endpoint} than on {pair.source.endpoint}",
            hint="make it as private and as gated there as it is here, then run the same command again",
        )


def _terms(card: CardData | None) -> list[str]:
    """The licences on a card, which all hold at once; `other` says nothing by itself."""
    stated = [card.get("license_name"), card.get("license")] if card else []
    every = [str(one) for each in stated for one in (each if isinstance(each, list) else [each]) if one]
    return [one.replace("-and-", AND) for one in every if one != "other"]


def _is_empty(pair: _Pair, here: Sequence[Step]) -> bool:
    """Whether the target holds nothing but what a new repository does."""
    return len(here) == 1 and set(pair.files(pair.target, here[0].sha)) <= {".gitattributes"}


def _common(pair: _Pair, there: Sequence[Step], here: Sequence[Step]) -> int:
    """The place in the source's history of the commit that the target stands on; -1: the target is empty.

    Raises:
        HubError: it stands on none of them.
    """
    stands = here[-1]
    for place in reversed(range(len(there))):
        if there[place].same_as & stands.same_as:
            sha, present = there[place].sha, pair.files(pair.target, stands.sha)
            if _differences(pair, sha, pair.files(pair.source, sha), present):
                break
            return place
    else:
        if _is_empty(pair, here):
            return -1
        if any(step.same_as & there[-1].same_as for step in here):
            raise HubError(
                f"{pair.repo}: {pair.target.endpoint} is ahead of {pair.source.endpoint}",
                hint="swap --from and --to",
            )
    raise HubError(
        f"{pair.repo}: {pair.target.endpoint} has commits that {pair.source.endpoint} does not know, "
        f"and keeps them: main is {stands.sha} ({stands.title})",
        hint="bring the two together by hand, or delete or rename the repository there",
    )


def _copy(pair: _Pair, step: Step, parent: str, say: Callable[[str], None]) -> str:
    """Commit the files of a source's commit on top of the target's `parent`; return the new commit."""
    wanted, present = pair.files(pair.source, step.sha), pair.files(pair.target, parent)
    changed = _differences(pair, step.sha, wanted, present)
    adds = [path for path in changed if path in wanted]
    say(
        f"{pair.repo}: {step.sha[:7]} {step.title}: {len(adds)} files, {_size(wanted[path] for path in adds)}"
    )
    fetched = {path: _fetch(pair, step.sha, wanted[path]) for path in adds}
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path, fetched[path]) if path in wanted else CommitOperationDelete(path)
        for path in changed
    ]
    if not operations:
        return parent
    with asking(pair.repo, pair.target.endpoint):
        commit = str(
            pair.target.create_commit(
                pair.repo,
                operations,
                commit_message=step.title,
                commit_description="\n".join(f"Mirrored-From: {sha}" for sha in sorted(step.same_as)),
                repo_type=pair.kind,
                parent_commit=parent,
            ).oid
        )
    arrived = pair.files(pair.target, commit)
    wrong = sorted(arrived.keys() ^ wanted.keys())
    wrong += [path for path in fetched if path in arrived and not _holds(fetched[path], arrived[path])]
    if wrong:
        raise HubError(
            f"{pair.repo}: {wrong[0]} arrived changed on {pair.target.endpoint}, in commit {commit}"
        )
    return commit


def _fetch(pair: _Pair, sha: str, entry: RepoFile) -> Path:
    with asking(f"{pair.repo}@{sha}", pair.source.endpoint):
        path = Path(
            pair.source.hf_hub_download(
                pair.repo,
                entry.path,
                repo_type=pair.kind,
                revision=sha,
                cache_dir=cache_of(pair.source.endpoint),
            )
        )
    if not _holds(path, entry):
        raise HubError(
            f"{pair.repo}: {entry.path} came from {pair.source.endpoint} with other bytes than it announces",
            hint=f"delete {path.resolve()} and run the same command again",
        )
    return path


def _tag(pair: _Pair, sha: str, tags: Mapping[str, str], copies: Mapping[str, str], done: Mirrored) -> None:
    """Put the source's tags of a commit on its copy."""
    names = [name for name, tagged in tags.items() if tagged == sha]
    if not names:
        return
    present = pair.tags(pair.target)
    if sha not in copies:
        done.left_out += [name for name in names if name not in present]
        return
    # That a commit's text calls it a copy proves nothing.
    if _differences(pair, sha, pair.files(pair.source, sha), pair.files(pair.target, copies[sha])):
        raise HubError(
            f"{pair.repo}: {copies[sha]} on {pair.target.endpoint} claims to be a copy of {sha}, which "
            f"{', '.join(names)} names, and holds other files",
            hint="delete or rename the repository there, then run the same command again",
        )
    for name in names:
        if name not in present:
            with asking(f"{pair.repo}@{name}", pair.target.endpoint):
                pair.target.create_tag(pair.repo, tag=name, revision=copies[sha], repo_type=pair.kind)
            done.tags.append(name)
        elif present[name] != copies[sha]:
            raise HubError(
                f"{pair.repo}: the tag {name!r} on {pair.target.endpoint} names {present[name]}, "
                f"not {copies[sha]}, the copy of the source's",
                hint="delete or rename that tag there",
            )


def _differences(
    pair: _Pair, sha: str, wanted: Mapping[str, RepoFile], present: Mapping[str, RepoFile]
) -> list[str]:
    """Paths that are in one alone or hold something else; `wanted` are the source's files at `sha`."""
    return sorted(
        path
        for path in wanted.keys() | present.keys()
        if path not in wanted or path not in present or not _equal(pair, sha, wanted[path], present[path])
    )


def _equal(pair: _Pair, sha: str, one: RepoFile, other: RepoFile) -> bool:
    """Whether two Hubs hold the same bytes; one may keep in git what the other keeps outside."""
    if bool(one.lfs) == bool(other.lfs):
        return _told(one) == _told(other)
    return one.size == other.size and _holds(_fetch(pair, sha, one), other)


def _told(entry: RepoFile) -> str:
    return entry.lfs.sha256 if entry.lfs else entry.blob_id


def _holds(path: Path, entry: RepoFile) -> bool:
    """Whether a file on disk is what a Hub says of it."""
    size = path.stat().st_size
    digest = hashlib.sha256() if entry.lfs else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest() == _told(entry)


def _size(entries: Iterator[RepoFile]) -> str:
    return f"{sum(entry.size for entry in entries) / 1e6:.1f} MB"
