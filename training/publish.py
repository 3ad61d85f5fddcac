"""Publishing an adapter or a pair set: check it, card it, send it up as one commit.

It knows nothing of how they were made beyond what the manifest, or the report, says.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from model_cards import pair_set
from model_cards.card import write_card
from training.pairs.report import fingerprint, read_report
from zoo.catalog import verified
from zoo.errors import BadInput, BadRecord
from zoo.hub import PAIR_SET, hub_address, parse_repo, publish_folder
from zoo.manifest import MANIFEST_NAME, AdapterManifest, predictions_name, verdicts_name, write_manifest

REDISTRIBUTABLE = frozenset({"apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"})
"""Licences of data whose questions and true answers may be published within predictions and pairs."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where an adapter or a pair set can now be found."""

    repo: str
    sha: str
    address: str
    """The page of that commit on the Hub."""
    left_out: tuple[str, ...] = ()
    """Files that quote questions whose licence does not let them be passed on."""

    @property
    def pinned(self) -> str:
        """`repo@sha`, the name that always means these very files."""
        return f"{self.repo}@{self.sha}"


def publish(
    folder: Path,
    repo: str,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    private: bool = False,
    allow_unevaluated: bool = False,
    tag: str | None = None,
) -> Published:
    """Publish the adapter in `folder` to `repo` as one commit, with a fresh card.

    The folder's `zoo.json` then names the repo, and its card is written anew. Predictions go up only if
    the licence of every data set in them lets its questions be passed on.

    Raises:
        BadManifest: there is no valid `zoo.json`.
        DigestMismatch: the weights are not the ones it states.
        BadInput: it was not evaluated, or has no licence.
        HubError: the Hub refused or someone else published to the repo meanwhile.
    """
    manifest = verified(folder)
    where = folder / MANIFEST_NAME
    if not manifest.evaluation and not allow_unevaluated:
        raise BadInput(
            f"{where}: this adapter was not evaluated, so its card could say nothing of how good it is",
            hint="medzoo evaluate it, or publish with --allow-unevaluated",
        )
    if not manifest.license.strip():
        raise BadInput(
            f"{where}: key 'license' is empty",
            hint="state a licence no wider than the base's and the data's",
        )
    repo = parse_repo(repo)
    left_out = _withheld(manifest)
    write_manifest(folder, manifest.model_copy(update={"repo": repo}))
    write_card(folder)
    sha = publish_folder(
        folder,
        repo,
        message=f"{manifest.identity}, trained on {manifest.data.dataset}",
        private=private,
        tag=tag,
        leave_out=left_out,
        endpoint=endpoint,
        token=token,
    )
    address = f"{hub_address(endpoint)}/{repo}/tree/{sha}"
    return Published(repo=repo, sha=sha, address=address, left_out=left_out)


def publish_pairs(
    folder: Path,
    repo: str,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    private: bool = False,
    tag: str | None = None,
) -> Published:
    """Publish the pair set in `folder` to the data set `repo` as one commit, with a fresh card.

    Raises:
        BadRecord: the folder is no pair set, or its files have changed since it was made.
        BadInput: the licence of the questions does not let what derives from them be published.
        HubError: the Hub refused or someone else published to the repo meanwhile.
    """
    report = read_report(folder)
    of = f"{report.dataset}/{report.split}"
    licences = report.license.split(" and ")
    if not report.publishable or not all(one.strip().lower() in REDISTRIBUTABLE for one in licences):
        raise BadInput(
            f"{folder} holds pairs of {of}, whose licence ({report.license}) does not let them be published",
            hint="train on them from this folder; the adapter may be published without them",
        )
    if fingerprint(folder) != report.fingerprint:
        raise BadRecord(
            f"{folder} has changed since it was made, so its report says nothing of it",
            hint="make the pairs anew with `medzoo pairs`",
        )
    repo = parse_repo(repo)
    card = pair_set.render(asdict(report), repo=repo)
    (folder / pair_set.README_NAME).write_text(card, encoding="utf-8")
    sha = publish_folder(
        folder,
        repo,
        message=f"{report.kept} pairs for {report.variant} from {of}",
        kind=PAIR_SET,
        private=private,
        tag=tag,
        endpoint=endpoint,
        token=token,
    )
    return Published(repo=repo, sha=sha, address=f"{hub_address(endpoint)}/datasets/{repo}/tree/{sha}")


def _withheld(manifest: AdapterManifest) -> tuple[str, ...]:
    """Answers and verdicts that quote what may not be passed on."""
    kept = [b for b in manifest.benchmarks if not b.publishable]
    return tuple(of(b.dataset, b.split) for b in kept for of in (predictions_name, verdicts_name))
