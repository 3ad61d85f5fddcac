"""Publishing a folder to a Hub as one commit: what would change, and changing it so that it can be repeated.

A plan only reads. Carrying it out goes by steps (repo, gate, commit, tag), each of which finds out first
whether it was done already: whoever repeats a publish that broke off, or whose reply was lost, makes no
second commit and no second tag. It knows no licence and no card.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import DatasetInfo, ModelInfo, RepoSibling

from zoo.errors import HubError
from zoo.hub import (
    ADAPTER,
    ANSWER_S,
    FolderKind,
    by_version,
    files_of,
    is_ours,
    once_more,
    parse_ref,
    parse_repo,
)
from zoo.hub_access import asking, hub_address, hub_api, moved_on, shown

WAITS_S = (1.0, 5.0)
"""Pauses before a step whose connection broke is tried again, in seconds."""
_RACES = 5
"""How often a version that someone else takes meanwhile is followed by another try."""
Gate = Literal["auto", "manual"]
"""Who may read the files: those who ask, or those whose request an owner granted."""
Change = Literal["new", "changed", "same"]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """A file that the repo is to hold."""

    name: str
    size: int
    sha256: str
    change: Change
    """Against the head of the repo's main branch."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What publishing a folder would do to a repo as it is now."""

    folder: Path
    repo: str
    address: str
    kind: FolderKind
    message: str
    files: tuple[PlannedFile, ...]
    deleted: tuple[str, ...]
    """Files of the kind that the repo has and the folder has not."""
    withheld: tuple[str, ...]
    """Files of the folder that stay there."""
    head: str | None
    """The commit that the plan rests on; None for a repo that is yet to be created."""
    private: bool
    gated: Gate | None
    """As it will be."""
    gate_is_new: bool
    """Whether the gate is yet to be set."""
    asked_tag: str | None
    """The tag that was asked for; None for the next version."""
    tag: str
    """The tag that the commit will have, or has."""

    @property
    def sent(self) -> tuple[PlannedFile, ...]:
        """The files that go up."""
        return tuple(one for one in self.files if one.change != "same")

    @property
    def is_done(self) -> bool:
        """Whether the head holds exactly these files already, so that no commit is needed."""
        return self.head is not None and not self.sent and not self.deleted


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a repo's main branch holds after publishing."""

    sha: str
    tag: str
    pushed: bool
    """False if it held the same before."""


def plan_publish(
    folder: Path,
    repo: str,
    *,
    message: str,
    kind: FolderKind = ADAPTER,
    private: bool = False,
    gated: Gate | None = None,
    tag: str | None = None,
    leave_out: tuple[str, ...] = (),
    endpoint: str | None = None,
    token: str | None = None,
) -> Plan:
    """What publishing `folder` to `repo` would do; nothing is changed anywhere.

    Only files of the kind's patterns go up, less those named in `leave_out`. Files of other kinds that
    someone added to the repo stay. `tag` names the commit; without it that is the next free of v1, v2 ...

    Raises:
        BadInput: the folder lacks a file that its kind needs, or the tag is no name for one.
        HubError: the repo is public and was to be private, or the tag stands for another commit.
    """
    repo, address = parse_repo(repo), hub_address(endpoint)
    if tag is not None:
        parse_ref(f"{repo}@{tag}")
    every = files_of(folder, kind)
    names = [name for name in every if name not in leave_out]
    api = hub_api(address, token)
    with asking(repo, address):
        told = _told(api, repo, kind)
        tags = _tags(api, repo, kind) if told else {}
    there = {one.rfilename: one for one in (told.siblings if told else None) or []}
    files = tuple(_planned(folder, name, there.get(name)) for name in names)
    deleted = tuple(sorted(name for name in there if is_ours(name, kind) and name not in names))
    head = told.sha if told else None
    is_done = head is not None and not deleted and all(one.change == "same" for one in files)
    if told and private and not told.private:
        raise HubError(
            f"{repo} on {shown(address)} is public already, so nothing was published",
            hint="publish without --private, to another repo, or make that one private first",
        )
    if tag in tags and not (is_done and tags[tag] == head):
        raise _taken(repo, tag, address)
    now = (told.gated or None) if told else None
    return Plan(
        folder=folder,
        repo=repo,
        address=address,
        kind=kind,
        message=message,
        files=files,
        deleted=deleted,
        withheld=tuple(name for name in every if name in leave_out),
        head=head,
        private=bool(told.private) if told else private,
        gated=gated or now,
        gate_is_new=gated is not None and gated != now,
        asked_tag=tag,
        tag=tag or (_version_at(tags, head) if is_done else None) or _next_version(tags),
    )


def carry_out(plan: Plan, *, token: str | None = None) -> Version:
    """Do what the plan says; a step whose connection breaks is looked into and tried again.

    The gate is set before the files are there, so that they are never open without it.

    Raises:
        HubError: the Hub refused, or the repo's head is no longer the plan's.
        HubUnreachable: the connection kept breaking; the same publish again goes on from there.
    """
    api = hub_api(plan.address, token)
    kind = plan.kind.repo_type
    with asking(plan.repo, plan.address):
        head = plan.head
        if head is None:
            _again(lambda: api.create_repo(plan.repo, repo_type=kind, private=plan.private, exist_ok=True))
            told = _again(lambda: _told(api, plan.repo, plan.kind))
            if told is None or (plan.private and not told.private):
                raise HubError(f"{plan.repo} on {shown(plan.address)} is not the repo that was just created")
            if any(is_ours(one.rfilename, plan.kind) for one in told.siblings or []):
                raise moved_on(plan.repo)
            head = told.sha
        if plan.gate_is_new:
            _again(lambda: api.update_repo_settings(plan.repo, repo_type=kind, gated=plan.gated))
        sha = plan.head if plan.is_done else _commit(api, plan, head)
        assert sha is not None
        tag = _again(lambda: _tag(api, plan, sha))
    return Version(sha=sha, tag=tag, pushed=not plan.is_done)


def publish_folder(folder: Path, repo: str, *, token: str | None = None, **wanted: Any) -> str:
    """Plan and carry out at once, with what `plan_publish` takes; return the full sha of the repo's head."""
    return carry_out(plan_publish(folder, repo, token=token, **wanted), token=token).sha


def _commit(api: HfApi, plan: Plan, parent: str | None) -> str:
    """The commit of the plan's files on top of `parent`, made once however often the reply is lost."""
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path_in_repo=f.name, path_or_fileobj=plan.folder / f.name) for f in plan.sent),
        *(CommitOperationDelete(path_in_repo=name) for name in plan.deleted),
    ]

    def make() -> str:
        try:
            return api.create_commit(
                plan.repo,
                operations,
                repo_type=plan.kind.repo_type,
                commit_message=plan.message,
                parent_commit=parent,
            ).oid
        except HfHubHTTPError as error:
            if error.response.status_code == 412 and (sha := _held(api, plan, parent)):
                return sha  # it is ours, of a try whose reply was lost
            raise

    return _again(make)


def _held(api: HfApi, plan: Plan, parent: str | None) -> str | None:
    """The head's sha if it is a commit after `parent` with exactly the plan's files, else None."""
    told = _told(api, plan.repo, plan.kind)
    if told is None or told.sha == parent:
        return None
    there = {one.rfilename: one for one in told.siblings or []}
    ours = {name for name in there if is_ours(name, plan.kind)}
    planned = [_planned(plan.folder, one.name, there.get(one.name)) for one in plan.files]
    same = ours == {one.name for one in planned} and all(one.change == "same" for one in planned)
    return told.sha if same else None


def _tag(api: HfApi, plan: Plan, sha: str) -> str:
    """The tag of that commit, made if it has none yet; a version that someone else took is not this one's."""
    for _ in range(_RACES):
        tags = _tags(api, plan.repo, plan.kind)
        tag = plan.asked_tag or _version_at(tags, sha) or _next_version(tags)
        if tags.get(tag) == sha:
            return tag
        if tag in tags:
            raise _taken(plan.repo, tag, plan.address)
        try:
            api.create_tag(plan.repo, repo_type=plan.kind.repo_type, tag=tag, revision=sha)
            return tag
        except HfHubHTTPError as error:
            if error.response.status_code != 409:
                raise
    raise HubError(
        f"{plan.repo}@{sha} is published, but has no tag: {shown(plan.address)} refused {tag!r} each time",
        hint="run the same command again",
    )


def _again(step: Callable[[], Result]) -> Result:
    """Take a step, and once more after each of `WAITS_S` if the connection broke or the Hub failed."""
    for wait_s in WAITS_S:
        try:
            return step()
        except httpx2.TransportError:
            pass
        except HfHubHTTPError as error:
            if error.response.status_code < 500:
                raise
        time.sleep(wait_s)
    return step()


def _told(api: HfApi, repo: str, kind: FolderKind) -> ModelInfo | DatasetInfo | None:
    """What the Hub says of the repo's main branch with its files' digests; None if there is no such repo."""
    ask = api.model_info if kind.repo_type == "model" else api.dataset_info
    try:
        return once_more(lambda: ask(repo, timeout=ANSWER_S, files_metadata=True))
    except RepositoryNotFoundError:
        return None


def _tags(api: HfApi, repo: str, kind: FolderKind) -> dict[str, str]:
    return {tag.name: tag.target_commit for tag in api.list_repo_refs(repo, repo_type=kind.repo_type).tags}


def _version_at(tags: dict[str, str], sha: str | None) -> str | None:
    """The newest version that stands for that commit."""
    return max(
        (tag for tag, at in tags.items() if at == sha and by_version(tag)[0]), key=by_version, default=None
    )


def _next_version(tags: dict[str, str]) -> str:
    return f"v{1 + max((by_version(tag)[0] for tag in tags), default=0)}"


def _taken(repo: str, tag: str, address: str) -> HubError:
    return HubError(
        f"{repo} on {shown(address)} has a tag {tag!r} already, and a tag is never moved",
        hint="take another --tag, or none for the next version",
    )


def _planned(folder: Path, name: str, there: RepoSibling | None) -> PlannedFile:
    """A file of the folder beside the Hub's, compared by git's digest or, if it is a large one, by sha256."""
    path = folder / name
    size = path.stat().st_size
    sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            blob.update(block)
    change: Change = "new"
    if there is not None:
        is_same = there.lfs.sha256 == sha256.hexdigest() if there.lfs else there.blob_id == blob.hexdigest()
        change = "same" if is_same else "changed"
    return PlannedFile(name=name, size=size, sha256=sha256.hexdigest(), change=change)
