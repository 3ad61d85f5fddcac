"""The zoo's own acts on a Hub: resolve a name to a commit, fetch, list; `zoo.hub_publish` writes.

It speaks to any Hub by its address, huggingface.co or an embedded one, through `huggingface_hub` alone.
It knows the files of an adapter and of a pair set by name and nothing of what the numbers inside mean.
"""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx2
from huggingface_hub import HfApi, constants, get_session
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from tqdm import tqdm

from zoo.errors import BadAdapter, BadInput, BadManifest, HubError, HubUnreachable, NotOnHub
from zoo.hub_access import asking, cache_of, hub_api, recall, remember
from zoo.hub_access import hub_address as hub_address
from zoo.hub_access import shown as shown
from zoo.manifest import (
    CONFIG_NAME,
    LOG_NAME,
    MANIFEST_NAME,
    NOTICE_NAME,
    PICTURE_NAME,
    TERMS_NAME,
    WEIGHTS_NAME,
    predictions_name,
    read_manifest,
    verdicts_name,
)
from zoo.published import publish

TAG = "medvlm-zoo"
"""The tag that every card of the zoo carries; adapters are found on a Hub by it."""
SMALL_BYTES = 10 * 1024**2
"""How large an adapter's configuration and manifest may be, which are read whole."""
ANSWER_S = 10.0
"""How long a Hub may keep silent, in seconds, before a first question to it counts as unanswered."""


Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class FolderKind:
    """A kind of folder that can be published."""

    name: str
    repo_type: Literal["model", "dataset"]
    required: tuple[str, ...]
    files: tuple[str, ...]
    """All that is ever published of it, as patterns."""


EVIDENCE = ("predictions/*.jsonl", "verdicts/*.jsonl")
"""What an adapter's scores rest on; whoever only uses the adapter needs none of it."""
_WHOLE_ADAPTER = (WEIGHTS_NAME, CONFIG_NAME, MANIFEST_NAME)
_WHOLE_PAIR_SET = ("README.md", "pairs.json", "pairs.jsonl")
ADAPTER = FolderKind(
    name="adapter of the zoo",
    repo_type="model",
    required=_WHOLE_ADAPTER,
    files=(
        *(
            *_WHOLE_ADAPTER,
            "README.md",
            NOTICE_NAME,
            TERMS_NAME,
            ".eval_results/*.yaml",
            LOG_NAME,
            PICTURE_NAME,
        ),
        *EVIDENCE,
    ),
)
PAIR_SET = FolderKind(
    name="pair set with a card",
    repo_type="dataset",
    required=_WHOLE_PAIR_SET,
    files=(*_WHOLE_PAIR_SET, "images/*.png", "rejected/*.png"),
)
_WHOLE_RATING_SET = ("README.md", "ratings.json", "ratings.jsonl")
RATING_SET = FolderKind(
    name="set of ratings with a card",
    repo_type="dataset",
    required=_WHOLE_RATING_SET,
    files=(*_WHOLE_RATING_SET, "predictions.jsonl", "questions.jsonl", "images/*.png"),
)

_SHOWN = 300
"""Characters that an error quotes of a name: more than any can have."""
_REPO = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"\w[\w./-]*", re.ASCII)


@dataclass(frozen=True)
class RepoRef:
    """A repo on some Hub at a branch, tag or commit."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A repo that a Hub lists, at the commit of its main branch."""

    repo: str
    sha: str
    tags: tuple[str, ...]
    private: bool = False
    gated: str = ""
    """`auto` or `manual` where its files are open only to those whose request was granted."""


def parse_ref(text: str) -> RepoRef:
    """Read `repo` or `repo@revision`, where a repo is `namespace/name`.

    Raises:
        BadInput: it has no such form.
    """
    repo, at, revision = text.partition("@")
    hint = "write it as namespace/name or namespace/name@revision, such as medvlm-zoo/phantom-mdpo@main"
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        raise BadInput(f"{text[:_SHOWN]!r} names no repo", hint=hint)
    if not at:
        return RepoRef(repo)
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision:
        raise BadInput(f"{text[:_SHOWN]!r} has no valid revision: {revision[:_SHOWN]!r}", hint=hint)
    return RepoRef(repo, revision)


def parse_repo(text: str) -> str:
    """Read a repo that is to be written to: `namespace/name` without a revision.

    Raises:
        BadInput: it has no such form.
    """
    ref = parse_ref(text)
    if text != ref.repo:
        raise BadInput(f"{text!r} names a revision, and only a repo can be published to", hint=ref.repo)
    return ref.repo


def is_full_sha(revision: str) -> bool:
    """True for a whole commit hash, which no Hub can ever move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def files_of(folder: Path, kind: FolderKind = ADAPTER) -> list[str]:
    """The files of a folder that may be published as that kind, relative to it, sorted.

    Raises:
        BadInput: one that the kind needs is not there.
    """
    for name in kind.required:
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name}: no such file, so {folder} is no {kind.name}")
    found = {path for pattern in kind.files for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def resolve(
    repo: str, revision: str = "main", *, endpoint: str | None = None, token: str | None = None
) -> str:
    """The full sha that a branch, tag or commit stands for now; a full sha stands for itself, unasked.

    Under HF_HUB_OFFLINE no Hub is asked, and it is what this one last said.

    Raises:
        NotOnHub: there is no such repo or revision, or not for this user.
        HubUnreachable: the Hub does not answer; `last_resolved` may know what it said before.
    """
    if is_full_sha(revision):
        return revision
    address = hub_address(endpoint)
    if constants.HF_HUB_OFFLINE and (known := recall(address, repo, revision)):
        return known
    try:
        with asking(f"{repo}@{revision}", address):
            sha = _told(hub_api(address, token), repo, revision).sha
    except HubUnreachable as error:
        if known := recall(address, repo, revision):
            hint = f"it last stood for {known}: {repo}@{known} needs no Hub if it was fetched before"
            raise HubUnreachable(error.message, hint=hint) from error
        raise
    if sha is None or not is_full_sha(sha):
        raise HubError(f"{shown(address)} gave {sha!r} for {repo}@{revision}, which is no full commit hash")
    remember(address, repo, revision, sha)
    return sha


def _told(api: HfApi, repo: str, revision: str, *, sizes: bool = False) -> ModelInfo:
    """What the Hub says of a revision, with `sizes` of its files too."""
    return once_more(lambda: api.model_info(repo, revision=revision, timeout=ANSWER_S, files_metadata=sizes))


def once_more(ask: Callable[[], Answer]) -> Answer:
    """The answer to a question, asked once more where the Hub hung up, as one does with a connection that was
    idle for a while, at times just as it is used again."""
    try:
        return ask()
    except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
        return ask()


def last_resolved(repo: str, revision: str = "main", *, endpoint: str | None = None) -> str | None:
    """The full sha that this Hub last gave for that revision on this machine; None if it never did."""
    return recall(hub_address(endpoint), repo, revision)


def fetch(
    repo: str,
    revision: str = "main",
    *,
    evidence: bool = True,
    max_bytes: int | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> tuple[Path, str]:
    """Bring an adapter's files to this machine; return their folder and the full sha they come from.

    The revision is resolved once and everything is read at that commit. A full sha that was fetched
    before needs no network. The weights are not checked here: see `zoo.catalog.verified`. Without `evidence`
    the stored answers and verdicts stay where they are. With `max_bytes` nothing is brought of an adapter
    whose files are larger together, or whose small ones are not small.

    Raises:
        BadAdapter: it is too large.
        NotOnHub: no such repo, revision or adapter in it, or not for this user.
        HubUnreachable: the Hub does not answer and the files are not all here.
    """
    address = hub_address(endpoint)
    sha = resolve(repo, revision, endpoint=address, token=token)
    api, cache = hub_api(address, token), cache_of(address)
    patterns = [one for one in ADAPTER.files if evidence or one not in EVIDENCE]
    wanted: dict[str, Any] = {"revision": sha, "cache_dir": cache, "allow_patterns": patterns}
    try:
        folder = Path(api.snapshot_download(repo, local_files_only=True, **wanted))
        if _is_whole(folder) and not (evidence and _lacks_evidence(folder)):
            return folder, sha
    except LocalEntryNotFoundError:
        pass  # not here yet, so the Hub is asked
    return _download(api, address, repo, max_bytes=max_bytes, wanted=wanted), sha


def fetch_to_share(
    root: Path,
    repo: str,
    sha: str,
    *,
    max_bytes: int | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Path:
    """Bring an adapter's files, without evidence, into a folder that several machines share; what lies there
    is whole and checked. A commit that any of them brought needs no network.

    Raises:
        BrokenWeights, DigestMismatch: see `zoo.published.publish`.
        ZooError: see `fetch`.
    """
    address = hub_address(endpoint)
    patterns = [one for one in ADAPTER.files if one not in EVIDENCE]

    def bring(folder: Path) -> None:
        wanted: dict[str, Any] = {"revision": sha, "local_dir": folder, "allow_patterns": patterns}
        _download(hub_api(address, token), address, repo, max_bytes=max_bytes, wanted=wanted)
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # of the client

    return publish(root / cache_of(address).name, repo, sha, bring=bring)


def _download(api: HfApi, address: str, repo: str, *, max_bytes: int | None, wanted: dict[str, Any]) -> Path:
    sha, patterns = wanted["revision"], wanted["allow_patterns"]
    with asking(f"{repo}@{sha}", address):
        # fails at once, where the download would try again for long
        told = _told(api, repo, sha, sizes=max_bytes is not None)
        if max_bytes is not None:
            _check_sizes(f"{repo}@{sha}", told.siblings or (), patterns, max_bytes)
        folder = Path(api.snapshot_download(repo, **wanted))
    if not _is_whole(folder):
        missing = [name for name in ADAPTER.required if not (folder / name).is_file()]
        raise NotOnHub(
            f"{repo}@{sha} on {shown(address)} is no adapter of the zoo: it has no {', '.join(missing)}",
            hint=f"medzoo ls --hub {shown(address)}",
        )
    return folder


def _check_sizes(what: str, files: Iterable[RepoSibling], patterns: Iterable[str], most: int) -> None:
    """Raise BadAdapter if the files that would be brought are too large, as the Hub says."""
    sizes = {
        one.rfilename: max(one.size or 0, one.lfs.size if one.lfs else 0)
        for one in files
        if any(fnmatch(one.rfilename, pattern) for pattern in patterns)
    }
    for name in (CONFIG_NAME, MANIFEST_NAME):
        if sizes.get(name, 0) > SMALL_BYTES:
            raise BadAdapter(f"{what}: {name} has {sizes[name]} bytes, the limit is {SMALL_BYTES}")
    if sum(sizes.values()) > most:
        name, size = max(sizes.items(), key=lambda one: one[1])
        raise BadAdapter(
            f"{what}: its files have {sum(sizes.values())} bytes, {name} alone {size}; the limit is {most}"
        )


def fetch_file(
    repo: str, sha: str, name: str, *, endpoint: str | None = None, token: str | None = None
) -> Path:
    """Bring one file of a repo, at a full sha, to this machine; one fetched before needs no network."""
    address = hub_address(endpoint)
    with asking(f"{repo}@{sha}/{name}", address):
        return Path(
            hub_api(address, token).hf_hub_download(
                repo, name, revision=sha, cache_dir=cache_of(address), tqdm_class=_NoBar
            )
        )


def list_adapters(
    *,
    base: str | None = None,
    variant: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> list[Found]:
    """The repos of a Hub that carry the zoo's tag, and the tags of a base or variant if given, by name."""
    address = hub_address(endpoint)
    api = hub_api(address, token)
    tags = [TAG, *(name for name in (base, variant) if name is not None)]
    with asking("the list of adapters", address):
        # fails at once, where the list would try again
        get_session().head(f"{address}/api/models?limit=1", timeout=ANSWER_S)
        models = list(api.list_models(filter=tags, full=True))
        found = [
            Found(
                repo=one.id,
                sha=one.sha or resolve(one.id, endpoint=address, token=token),
                tags=tuple(one.tags or ()),
                private=bool(one.private),
                gated=one.gated or "",
            )
            for one in models
        ]
    return sorted(found, key=lambda one: one.repo)


def tags_of(repo: str, *, endpoint: str | None = None, token: str | None = None) -> dict[str, str]:
    """The tags of an adapter's repo and the commits that they stand for, versions `v1, v2 ...` in order."""
    address = hub_address(endpoint)
    with asking(repo, address):
        found = hub_api(address, token).list_repo_refs(repo).tags
    return {tag.name: tag.target_commit for tag in sorted(found, key=lambda tag: by_version(tag.name))}


def by_version(tag: str) -> tuple[int, str]:
    """The key that sorts tags: versions by their number, others before them by name."""
    version = re.fullmatch(r"v([1-9]\d*)", tag)
    return (int(version[1]), "") if version else (0, tag)


class _NoBar(tqdm):  # type: ignore[type-arg]
    """No progress bar: for files of a few kilobytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("name", None)
        super().__init__(*args, **{**kwargs, "disable": True})


def is_ours(name: str, kind: FolderKind) -> bool:
    """Whether a file of that name in a repo is one that the kind publishes."""
    return any(fnmatch(name, pattern) for pattern in kind.files)


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ADAPTER.required)


def _lacks_evidence(folder: Path) -> bool:
    """Whether stored answers are missing here that the manifest says were published: another tool may have
    fetched the weights alone."""
    try:
        benchmarks = read_manifest(folder).benchmarks
    except BadManifest:
        return False
    names = [predictions_name(b.dataset, b.split) for b in benchmarks if b.publishable]
    names += [verdicts_name(b.dataset, b.split) for b in benchmarks if b.publishable and b.verdicts_sha256]
    return not all((folder / name).is_file() for name in names)
