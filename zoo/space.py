"""A Hub Space that shows the phantom base to whoever comes: what it is made of, and putting it there at once.

A Space is a repository that the Hub builds as an image and runs. It gets what the Dockerfile copies, and a
README.md that tells the Hub how to run it. Knows nothing of how an image is built or what it does inside.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoSibling, SpaceInfo

from zoo.bases import get_base
from zoo.errors import BadInput, HubError
from zoo.hub import ANSWER_S, fetch_file, is_full_sha, parse_ref, parse_repo, resolve
from zoo.hub_access import asking, hub_address, hub_api, shown
from zoo.manifest import MANIFEST_NAME, parse_manifest
from zoo.notice import NOTICE

MARK = "medzoo-space"
"""The tag by which a Space is known to have been made here, and so may be written over."""
BASE = "phantom"
"""The one base that strangers may ask: its scans are drawn."""
PORT = 7860
_MADE_BY_THE_HUB = {".gitattributes", "README.md"}


@dataclass(frozen=True, kw_only=True)
class SpacePlan:
    """What a Space will hold, against what it holds now."""

    repo: str
    address: str
    files: Mapping[str, bytes]
    sent: tuple[str, ...]
    """The files that are new or changed."""
    deleted: tuple[str, ...]
    head: str | None
    """The commit that the plan rests on; None for a Space that is yet to be made."""
    private: bool

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"{shown(self.address)}/spaces/{self.repo}"


def source_folder() -> Path:
    """The folder that this program runs from.

    Raises:
        BadInput: it was installed without what an image is made of.
    """
    folder = Path(__file__).parent.parent
    if not (folder / "Dockerfile").is_file():
        raise BadInput(
            f"{folder} has no Dockerfile, so there is nothing to make a Space of",
            hint="run it from a checkout: pip install --editable .",
        )
    return folder


def space_files(source: Path, repo: str, adapters: Sequence[str] = ()) -> dict[str, bytes]:
    """The files of the Space `repo`, by name: what the Dockerfile in `source` copies, and a README.md.
    `adapters` are named as `owner/name@revision`; without any it shows the demo's."""
    dockerfile = (source / "Dockerfile").read_text(encoding="utf-8")
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)]
    paths = [source / name for names in copied for name in names]
    inside = [path for top in paths for path in (sorted(top.rglob("*")) if top.is_dir() else [top])]
    files = {
        path.relative_to(source).as_posix(): path.read_bytes() for path in inside if _is_source(path, source)
    }
    if adapters:
        words = json.dumps(
            ["serve", "--host", "0.0.0.0", *(w for one in adapters for w in ("--adapter", one))]
        )
        dockerfile = re.sub(
            r"^CMD .*$", lambda _: f"ENV MEDZOO_PUBLIC_DEMO=true\nCMD {words}", dockerfile, flags=re.MULTILINE
        )
    files["Dockerfile"] = dockerfile.encode()
    files[".dockerignore"] = (source / ".dockerignore").read_bytes()
    files["README.md"] = _readme(repo, adapters).encode()
    return dict(sorted(files.items()))


def pinned_adapters(written: Sequence[str], *, endpoint: str | None = None) -> list[str]:
    """Each adapter as `owner/name@sha`.

    Raises:
        BadInput: one was made for another base, or for another build of it.
    """
    base = get_base(BASE)
    found = []
    for text in written:
        ref = parse_ref(text)
        sha = resolve(ref.repo, ref.revision, endpoint=endpoint)
        assert is_full_sha(sha)
        path = fetch_file(ref.repo, sha, MANIFEST_NAME, endpoint=endpoint)
        made_for = parse_manifest(path.read_text(encoding="utf-8"), where=f"{ref.repo}@{sha}").base
        if (made_for.name, made_for.revision) != (base.name, base.revision):
            raise BadInput(
                f"{text} was made for {made_for.name}@{made_for.revision}; a Space shows {base.pinned}",
                hint=f"medzoo ls --base {BASE} lists adapters of it",
            )
        found.append(f"{ref.repo}@{sha}")
    return found


def plan_space(
    repo: str,
    files: Mapping[str, bytes],
    *,
    private: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> SpacePlan:
    """What bringing these files to the Space `repo` would do; nothing is changed anywhere.

    Raises:
        HubError: there is a Space of that name that was not made here, or one that is public and was to be
            private.
    """
    repo, address = parse_repo(repo), hub_address(endpoint)
    api = hub_api(address, token)
    told: SpaceInfo | None = None
    with asking(repo, address), suppress(RepositoryNotFoundError):
        told = api.space_info(repo, timeout=ANSWER_S, files_metadata=True)
    there = {one.rfilename: one for one in (told.siblings if told else None) or []}
    if told is not None:
        _refuse_another(told, set(there), address)
        if private and not told.private:
            raise HubError(f"the Space {repo} on {shown(address)} is public already; nothing was sent")
    return SpacePlan(
        repo=repo,
        address=address,
        files=files,
        sent=tuple(name for name, data in files.items() if not _same(data, there.get(name))),
        deleted=tuple(sorted(there.keys() - files.keys() - _MADE_BY_THE_HUB)),
        head=told.sha if told else None,
        private=bool(told.private) if told else private,
    )


def push_space(plan: SpacePlan, *, token: str | None = None) -> str:
    """Make the Space if it is not there, and bring the files to it in one commit; its head. What it holds
    already is not sent again, so whoever repeats it after a broken connection goes on from there.

    Raises:
        HubError: the Hub wants payment for a Docker Space, refused, or the Space has changed meanwhile.
    """
    api = hub_api(plan.address, token)
    with asking(plan.repo, plan.address):
        head = plan.head
        if head is None:
            try:
                api.create_repo(
                    plan.repo, repo_type="space", space_sdk="docker", private=plan.private, exist_ok=True
                )
            except HfHubHTTPError as error:
                if error.response.status_code != 402:
                    raise
                raise HubError(
                    f"{shown(plan.address)} makes a Docker Space for {plan.repo.partition('/')[0]} only "
                    "against payment (402)",
                    hint="take an account or an organisation that has them, or run the image elsewhere: "
                    "docs/container.md",
                ) from error
            told = api.space_info(plan.repo, timeout=ANSWER_S)
            _refuse_another(told, {one.rfilename for one in told.siblings or []}, plan.address)
            head = str(told.sha)
        if not plan.sent and not plan.deleted:
            return head
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=plan.files[name]) for name in plan.sent),
            *(CommitOperationDelete(path_in_repo=name) for name in plan.deleted),
        ]
        done = api.create_commit(
            plan.repo,
            operations,
            repo_type="space",
            commit_message="The demo of MedVLM Zoo",
            parent_commit=head,
        )
    return str(done.oid)


def _refuse_another(told: SpaceInfo, names: set[str], address: str) -> None:
    """Raise HubError where a Space holds somebody's work that was not made here."""
    if told.sdk != "docker" or (MARK not in (told.tags or []) and names - _MADE_BY_THE_HUB):
        raise HubError(
            f"{told.id} on {shown(address)} is another Space already (sdk {told.sdk}), and stays as it is",
            hint="take another name, or delete that one first",
        )


def _is_source(path: Path, source: Path) -> bool:
    parts = path.relative_to(source).parts
    return path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _same(data: bytes, there: RepoSibling | None) -> bool:
    """Whether the Hub holds these bytes already, by its own digest of them."""
    if there is None:
        return False
    if there.lfs:
        return there.lfs.sha256 == hashlib.sha256(data).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return there.blob_id == blob.hexdigest()


def _readme(repo: str, adapters: Sequence[str]) -> str:
    models = "".join(f"- {one.partition('@')[0]}\n" for one in adapters)
    models = f"models:\n{models}" if models else ""
    shown_here = (
        "".join(f"\n- `{one}`" for one in adapters)
        or "\n- the three that `medzoo demo` trains while it is built"
    )
    return f"""---
title: {repo.partition("/")[2]}
emoji: 🩻
colorFrom: blue
colorTo: indigo
sdk: docker
app_port: {PORT}
license: apache-2.0
short_description: One question, many adapters, side by side
tags:
- medvlm-zoo
- {MARK}
{models}---

# One question, many adapters, side by side

**{NOTICE}**

Ask about a drawn scan and compare what preference-tuned adapters of the tiny base `{BASE}` answer. The scans
are drawn by a program and show nobody. Send no picture and no word of a patient: pictures are looked at in
memory and forgotten, but this server is open to all.

Adapters:{shown_here}
"""
