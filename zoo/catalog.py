"""The adapters of a Hub by base, variant, data set and metric, each read from its manifest at one commit.

An adapter whose manifest cannot be read is listed with the reason: a catalog that leaves things out
cannot be trusted. Whole models that bear the zoo's tag, such as merged ones, are no adapters and not listed.
It knows nothing of how adapters are shown or served.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from zoo.errors import BadManifest, DigestMismatch, NotOnHub, ZooError
from zoo.hub import Found, fetch_file, list_adapters, resolve, tags_of
from zoo.manifest import (
    MANIFEST_NAME,
    WEIGHTS_NAME,
    AdapterManifest,
    Evaluation,
    parse_manifest,
    read_manifest,
)

Order = Literal["base", "metric", "date", "repo"]
"""See `ranked`."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One adapter on a Hub at one commit: its manifest, or the reason why it cannot be read."""

    repo: str
    sha: str
    manifest: AdapterManifest | None = None
    error: ZooError | None = None
    version: str = ""
    """The newest tag of that commit; empty if it has none, or was not asked for."""
    private: bool = False
    gated: str = ""

    def score(self, metric: str = "accuracy", *, dataset: str | None = None) -> Evaluation | None:
        """Its score on all questions of `dataset`, by default the one it was trained on."""
        if self.manifest is None:
            return None
        wanted = (metric, "all", dataset or self.manifest.data.dataset, "own")
        scores = [e for e in self.manifest.evaluation if (e.metric, e.subset, e.dataset, e.shown) == wanted]
        return scores[0] if scores else None


def adapters(
    *,
    base: str | None = None,
    variant: str | None = None,
    dataset: str | None = None,
    license: str | None = None,
    metric: str = "accuracy",
    better: int = 1,
    least: float | None = None,
    order: Order = "base",
    versions: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> list[Entry]:
    """The zoo's adapters on a Hub, in that order; see `ranked`.

    With `dataset` only adapters that were trained or scored on it, with `license` only those under it, with
    `least` only those whose `metric` is at least that. An entry with a broken manifest is listed whatever
    these are, since its own cannot be known. `versions` asks for the tags too, one more call an adapter.

    Raises:
        HubError: the Hub could not be asked for its list.
    """
    found = list_adapters(base=base, variant=variant, endpoint=endpoint, token=token)
    with ThreadPoolExecutor(max_workers=8) as pool:
        read = pool.map(lambda one: _read(one, versions, endpoint=endpoint, token=token), found)
        entries = [entry for entry in read if entry is not None]

    def matches(entry: Entry) -> bool:
        """What the manifest says counts, not what the card's tags say."""
        manifest = entry.manifest
        if manifest is None:
            return True
        score = entry.score(metric, dataset=dataset)
        return (
            base in (None, manifest.base.name)
            and variant in (None, manifest.variant.name)
            and dataset in (None, manifest.data.dataset, *(e.dataset for e in manifest.evaluation))
            and license in (None, manifest.license)
            and (least is None or (score is not None and score.value >= least))
        )

    return ranked(filter(matches, entries), metric=metric, better=better, dataset=dataset, order=order)


def ranked(
    entries: Iterable[Entry],
    *,
    metric: str = "accuracy",
    better: int = 1,
    dataset: str | None = None,
    order: Order = "base",
) -> list[Entry]:
    """Entries by base and data set and there the best by `metric` first (`base`), the best first throughout
    (`metric`), the newest first (`date`) or by name (`repo`); equal ones by name, broken ones at the end.

    What two judges say, or two splits, is not comparable, so the best of each split and judge come first
    among their own. `better` is -1 for a metric of which less is better.
    """
    by_name = sorted(entries, key=lambda entry: entry.repo)
    whole = [(entry, entry.manifest) for entry in by_name if entry.manifest is not None]

    def worth(entry: Entry) -> tuple[bool, str, str, float]:
        score = entry.score(metric, dataset=dataset)
        return (False, score.split, score.judge, -better * score.value) if score else (True, "", "", 0.0)

    if order == "base":
        whole.sort(key=lambda one: (one[1].base.name, one[1].data.dataset, worth(one[0])))
    elif order == "metric":
        whole.sort(key=lambda one: worth(one[0]))
    elif order == "date":
        whole.sort(key=lambda one: one[1].created, reverse=True)
    return [entry for entry, _ in whole] + [entry for entry in by_name if entry.manifest is None]


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


def _read(found: Found, versions: bool, *, endpoint: str | None, token: str | None) -> Entry | None:
    """The adapter in a repo; None if a whole model lies there."""
    entry = Entry(repo=found.repo, sha=found.sha, private=found.private, gated=found.gated)
    try:
        if versions:
            tags = tags_of(found.repo, endpoint=endpoint, token=token)
            entry = replace(entry, version=([""] + [tag for tag, at in tags.items() if at == found.sha])[-1])
        manifest = _manifest(found.repo, found.sha, endpoint=endpoint, token=token)
    except BadManifest as error:
        return replace(entry, error=error)
    except NotOnHub as error:
        whole = _is_model(found, endpoint=endpoint, token=token)
        return None if whole else replace(entry, error=error)
    return replace(entry, manifest=manifest)


def _is_model(found: Found, *, endpoint: str | None, token: str | None) -> bool:
    """Whether a repo has the configuration of a whole model, which an adapter's has not."""
    try:
        fetch_file(found.repo, found.sha, "config.json", endpoint=endpoint, token=token)
    except NotOnHub:
        return False
    return True


def _manifest(repo: str, sha: str, *, endpoint: str | None, token: str | None) -> AdapterManifest:
    where = f"{repo}@{sha}/{MANIFEST_NAME}"
    path = fetch_file(repo, sha, MANIFEST_NAME, endpoint=endpoint, token=token)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadManifest(f"{where}: not UTF-8 text ({error})") from error
    return parse_manifest(text, where=where)
