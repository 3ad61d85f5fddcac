"""The adapters of a Hub by base, variant, data set and metric, each read from its manifest at one commit.

An adapter whose manifest cannot be read is listed with the reason: a catalog that leaves things out
cannot be trusted. It knows nothing of how adapters are shown or served.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import BadManifest, DigestMismatch, NotOnHub, ZooError
from zoo.hub import Found, fetch_file, list_adapters, resolve
from zoo.manifest import (
    MANIFEST_NAME,
    WEIGHTS_NAME,
    AdapterManifest,
    Evaluation,
    parse_manifest,
    read_manifest,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One adapter on a Hub at one commit: its manifest, or the reason why it cannot be read."""

    repo: str
    sha: str
    manifest: AdapterManifest | None = None
    error: ZooError | None = None

    def score(self, metric: str = "accuracy", *, dataset: str | None = None) -> Evaluation | None:
        """Its score on all questions of `dataset`, by default the one it was trained on."""
        if self.manifest is None:
            return None
        wanted = (metric, "all", dataset or self.manifest.data.dataset)
        scores = [e for e in self.manifest.evaluation if (e.metric, e.subset, e.dataset) == wanted]
        return scores[0] if scores else None


def adapters(
    *,
    base: str | None = None,
    variant: str | None = None,
    dataset: str | None = None,
    metric: str = "accuracy",
    endpoint: str | None = None,
    token: str | None = None,
) -> list[Entry]:
    """The zoo's adapters on a Hub, the best by `metric` first within a base and data set.

    With `dataset` only adapters that were trained or scored on it. An entry with a broken manifest is
    listed last whatever the data set, since its own cannot be known.

    Raises:
        HubError: the Hub could not be asked for its list.
    """
    found = list_adapters(base=base, variant=variant, endpoint=endpoint, token=token)
    with ThreadPoolExecutor(max_workers=8) as pool:
        entries = pool.map(lambda one: _read(one, endpoint=endpoint, token=token), found)
    kept = (entry for entry in entries if _matches(entry, base=base, variant=variant, dataset=dataset))
    return ranked(kept, metric=metric, dataset=dataset)


def ranked(entries: Iterable[Entry], *, metric: str = "accuracy", dataset: str | None = None) -> list[Entry]:
    """Entries by base and data set, the highest `metric` first, then by repo; broken ones at the end."""

    def key(entry: Entry) -> tuple[bool, str, str, float, str]:
        if entry.manifest is None:
            return True, "", "", 0.0, entry.repo
        score = entry.score(metric, dataset=dataset)
        value = -score.value if score else float("inf")
        return False, entry.manifest.base.name, entry.manifest.data.dataset, value, entry.repo

    return sorted(entries, key=key)


def look_up(
    repo: str, revision: str = "main", *, endpoint: str | None = None, token: str | None = None
) -> Entry:
    """One adapter of a Hub, with its manifest read.

    Raises:
        NotOnHub: no such repo or revision, or it holds no manifest.
        BadManifest: its manifest is broken.
    """
    sha = resolve(repo, revision, endpoint=endpoint, token=token)
    return Entry(repo=repo, sha=sha, manifest=_manifest(repo, sha, endpoint=endpoint, token=token))


def verified(folder: Path) -> AdapterManifest:
    """The manifest of an adapter folder whose weights are the ones that it states.

    Raises:
        BadManifest: the manifest is not there or broken.
        DigestMismatch: the weights' sha256 is another.
    """
    manifest = read_manifest(folder)
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise BadManifest(f"{path}: no such file, so {folder / MANIFEST_NAME} describes nothing")
    with path.open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != manifest.weights_sha256:
        raise DigestMismatch(
            f"{path} has sha256 {digest}, but {MANIFEST_NAME} states {manifest.weights_sha256}",
            hint="the file is damaged or not the one that was evaluated; fetch or train it again",
        )
    return manifest


def _read(found: Found, *, endpoint: str | None, token: str | None) -> Entry:
    try:
        manifest = _manifest(found.repo, found.sha, endpoint=endpoint, token=token)
    except (BadManifest, NotOnHub) as error:
        return Entry(repo=found.repo, sha=found.sha, error=error)
    return Entry(repo=found.repo, sha=found.sha, manifest=manifest)


def _manifest(repo: str, sha: str, *, endpoint: str | None, token: str | None) -> AdapterManifest:
    where = f"{repo}@{sha}/{MANIFEST_NAME}"
    path = fetch_file(repo, sha, MANIFEST_NAME, endpoint=endpoint, token=token)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadManifest(f"{where}: not UTF-8 text ({error})") from error
    return parse_manifest(text, where=where)


def _matches(entry: Entry, *, base: str | None, variant: str | None, dataset: str | None) -> bool:
    """What the manifest says counts, not what the card's tags say."""
    manifest = entry.manifest
    if manifest is None:
        return True
    datasets = {manifest.data.dataset, *(e.dataset for e in manifest.evaluation)}
    return (
        base in (None, manifest.base.name)
        and variant in (None, manifest.variant.name)
        and (dataset is None or dataset in datasets)
    )
