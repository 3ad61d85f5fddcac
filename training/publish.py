"""Publishing an adapter or a pair set: check that it may go, card it, send it up as one commit.

It knows nothing of how they were made beyond what the manifest, or the report, says.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from model_cards import pair_set
from model_cards.card import README_NAME, write_card
from model_cards.check import check
from model_cards.evals import EVAL_FOLDER
from model_cards.repo import read_repo
from training.pairs.report import fingerprint, read_report
from zoo.bases import bases
from zoo.catalog import verified
from zoo.datasets import datasets
from zoo.errors import BadInput, BadRecord, HubError
from zoo.evaluation.rescore import rescore
from zoo.hub import ADAPTER, EVIDENCE, PAIR_SET, FolderKind, files_of, parse_repo
from zoo.hub_access import hub_address, is_shared, shown
from zoo.hub_collections import Membership, add_to_collection, membership
from zoo.hub_publish import Plan, carry_out, plan_publish
from zoo.licences import is_wider, narrowest, redistributable, why_kept
from zoo.manifest import (
    MANIFEST_NAME,
    AdapterManifest,
    predictions_name,
    verdicts_name,
    write_manifest,
)

UNKNOWN = "unknown"
"""The licence of what no file here declares."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where an adapter or a pair set can now be found."""

    repo: str
    sha: str
    tag: str
    """The version, such as `v2`."""
    pushed: bool
    """False if the repo held exactly this before."""
    address: str
    """The page of that commit on the Hub."""
    left_out: tuple[str, ...] = ()
    """Answers and verdicts on questions that may not be passed on, or that no score rests on."""
    collection: str = ""
    """The title of the collection that the adapter is in; empty for a pair set, or if it is in none."""
    note: str = ""
    """What could not be done beside it, and what its licence still asks for."""

    @property
    def pinned(self) -> str:
        """`repo@sha`, the name that always means these very files."""
        return f"{self.repo}@{self.sha}"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What publishing would do."""

    plan: Plan
    collection: Membership | None
    """None for a pair set."""
    note: str = ""
    """What its licence asks for."""


def publish(
    folder: Path, repo: str, *, allow_unevaluated: bool = False, without_sft: bool = False, **where: Any
) -> Published:
    """Publish the adapter in `folder` to `repo` as one commit, with a fresh card, and tag it as a version.

    `where` is what `zoo.hub_publish.plan_publish` takes: private, gated, tag, endpoint, token. The folder's
    `zoo.json` then names the repo, and its card is written anew. Answers and verdicts go up only if the
    licence of their benchmark lets its questions be passed on.

    Raises:
        BadManifest: there is no valid `zoo.json`.
        DigestMismatch: the weights are not the ones it states.
        BadInput: it was not evaluated, not beside SFT, or its scores are not what its stored answers come
            to; a licence forbids it; a link leads out of the folder; or `medzoo card --check` finds fault.
        HubError: the Hub refused or someone else published to the repo meanwhile.
    """
    manifest = _checked(folder, repo, allow_unevaluated, without_sft, where)
    plan = _plan(folder, folder, manifest, where)
    done = carry_out(plan, token=where.get("token"))
    collection, notes = "", [_obligation(manifest)]
    try:
        found = add_to_collection(manifest.base.name, plan.repo, **_hub_of(where))
        if found.holds:
            collection = found.title
        else:
            notes.append(f"{shown(plan.address)} has no collections")
    except HubError as error:
        notes.append(f"it is in no collection: {error.message}; the same command again adds it")
    return Published(
        repo=plan.repo,
        sha=done.sha,
        tag=done.tag,
        pushed=done.pushed,
        address=f"{shown(plan.address)}/{plan.repo}/tree/{done.sha}",
        left_out=plan.withheld,
        collection=collection,
        note="; ".join(filter(None, notes)),
    )


def preview(
    folder: Path, repo: str, *, allow_unevaluated: bool = False, without_sft: bool = False, **where: Any
) -> Preview:
    """What `publish` would do with the same arguments, which see; changes neither the folder nor the Hub."""
    manifest = _checked(folder, repo, allow_unevaluated, without_sft, where)
    with _draft(folder) as draft:
        plan = _plan(folder, draft, manifest, where)
    held = membership(manifest.base.name, plan.repo, **_hub_of(where))
    return Preview(plan=plan, collection=held, note=_obligation(manifest))


def publish_pairs(folder: Path, repo: str, **where: Any) -> Published:
    """Publish the pair set in `folder` to the data set `repo` as one commit, with a fresh card.

    Raises:
        BadRecord: the folder is no pair set, or its files have changed since it was made.
        BadInput: the licence of the questions does not let what derives from them be published, or a link
            leads out of the folder.
        HubError: the Hub refused or someone else published to the repo meanwhile.
    """
    plan = _plan_pairs(folder, folder, repo, where)
    done = carry_out(plan, token=where.get("token"))
    return Published(
        repo=plan.repo,
        sha=done.sha,
        tag=done.tag,
        pushed=done.pushed,
        address=f"{shown(plan.address)}/datasets/{plan.repo}/tree/{done.sha}",
    )


def preview_pairs(folder: Path, repo: str, **where: Any) -> Preview:
    """What `publish_pairs` would do with the same arguments; changes neither the folder nor the Hub."""
    with _draft(folder) as draft:
        return Preview(plan=_plan_pairs(folder, draft, repo, where), collection=None)


def _plan(folder: Path, into: Path, manifest: AdapterManifest, where: dict[str, Any]) -> Plan:
    """Write manifest and card into `into`, which holds the same files as `folder`, check them, and plan."""
    write_manifest(into, manifest)
    write_card(into)
    names = files_of(into)
    ours = replace(read_repo(into, name=str(folder)), files=tuple(names))
    if faults := [fault for one in check(ours) for fault in one.faults]:
        raise BadInput(f"{folder}: {faults[0].what}: {faults[0].value}", hint=faults[0].next)
    open_to_all = {
        of(b.dataset, b.split)
        for b in manifest.benchmarks
        for of in (predictions_name, verdicts_name)
        if b.publishable
    }
    evidence = {name for name in names if any(fnmatch(name, pattern) for pattern in EVIDENCE)}
    return plan_publish(
        into,
        manifest.repo,
        message=f"{manifest.identity}, trained on {manifest.data.dataset}",
        leave_out=tuple(sorted(evidence - open_to_all)),
        **where,
    )


def _plan_pairs(folder: Path, into: Path, repo: str, where: dict[str, Any]) -> Plan:
    """Check the pair set in `folder`, write its card into `into`, which holds the same files, and plan."""
    _check_links(folder, PAIR_SET)
    report = read_report(folder)
    of = f"{report.dataset}/{report.split}"
    if not report.publishable or not redistributable(report.license):
        raise BadInput(
            f"{folder} holds pairs of {of}, whose licence ({report.license}) does not let them be published",
            hint="train on them from this folder; the adapter too goes only --private to a Hub of your own",
        )
    if fingerprint(folder) != report.fingerprint:
        raise BadRecord(
            f"{folder} has changed since it was made, so its report says nothing of it",
            hint="make the pairs anew with `medzoo pairs`",
        )
    repo = parse_repo(repo)
    card = pair_set.render(asdict(report), repo=repo)
    (into / pair_set.README_NAME).write_text(card, encoding="utf-8")
    return plan_publish(
        into,
        repo,
        message=f"{report.kept} pairs for {report.variant} from {of}",
        kind=PAIR_SET,
        **where,
    )


def _checked(
    folder: Path, repo: str, allow_unevaluated: bool, without_sft: bool, where: dict[str, Any]
) -> AdapterManifest:
    """The manifest that is to go up, of an adapter that may."""
    _check_links(folder, ADAPTER)
    manifest = verified(folder)
    path = folder / MANIFEST_NAME
    if not manifest.evaluation and not allow_unevaluated:
        raise BadInput(
            f"{path}: this adapter was not evaluated, so its card could say nothing of how good it is",
            hint=f"medzoo evaluate {folder} --record, or publish with --allow-unevaluated",
        )
    whole = [e for e in manifest.evaluation if e.subset == "all" and e.shown == "own"]
    if manifest.variant.name != "sft" and not without_sft and any(e.sft_value is None for e in whole):
        raise BadInput(
            f"{path}: no SFT adapter was evaluated beside this one, so nothing says what "
            f"{manifest.variant.name} adds to imitation",
            hint="name an SFT adapter to `medzoo evaluate --record` too, or publish with --without-sft",
        )
    _check_evidence(folder)
    _check_licence(path, manifest, where)
    benchmarks = [
        b.model_copy(update={"publishable": b.publishable and redistributable(b.license)})
        for b in manifest.benchmarks
    ]
    return manifest.model_copy(update={"repo": parse_repo(repo), "benchmarks": benchmarks})


def _check_links(folder: Path, kind: FolderKind) -> None:
    """Raise if what is to go up or to be written anew lies elsewhere: nobody meant to publish that."""
    home = folder.resolve()
    found = [path for pattern in kind.files for path in folder.glob(pattern)]
    for path in [folder / README_NAME, folder / EVAL_FOLDER, *found]:
        if not path.resolve().is_relative_to(home):
            raise BadInput(
                f"{path} leads out of the folder, to {path.resolve()}",
                hint="put a copy in its place; of files that a Hub gave: medzoo pull REPO --to FOLDER",
            )


def _check_evidence(folder: Path) -> None:
    """Raise unless every score rests on stored answers, and is what they come to."""
    faults = rescore(folder).faults
    if faults:
        raise BadInput(
            f"{folder}: its scores are not what its stored answers say: {'; '.join(faults[:3])}"
            f"{f' and {len(faults) - 3} more' if len(faults) > 3 else ''}",
            hint=f"medzoo evaluate {folder} --record",
        )


def _check_licence(path: Path, manifest: AdapterManifest, where: dict[str, Any]) -> None:
    """Raise if the adapter claims more than its base and its data allow, or if they forbid passing it on."""
    base, data = bases().get(manifest.base.name), datasets().get(manifest.data.dataset)
    of_base = base.license if base else UNKNOWN
    of_data = manifest.data.license or (data.license if data else UNKNOWN)
    of_both = narrowest(of_base, of_data)
    said = f"{manifest.base.name} ({of_base}) and {manifest.data.dataset} ({of_data})"
    if not manifest.license.strip():
        raise BadInput(f"{path}: key 'license' is empty", hint=f"{said} allow {of_both}")
    if is_wider(manifest.license, of_base, of_data):
        raise BadInput(
            f"{path}: license {manifest.license!r} is wider than {said} allow",
            hint=f"state {of_both!r}",
        )
    own_hub = not is_shared(hub_address(where.get("endpoint")))
    if not redistributable(narrowest(manifest.license, of_both)) and not (where.get("private") and own_hub):
        raise BadInput(
            f"{path}: {said} do not let what was made of them be passed on. "
            f"{why_kept(narrowest(manifest.license, of_both))}",
            hint="serve it from its folder, or publish it with --private to a Hub of your own (--hub)",
        )


def _obligation(manifest: AdapterManifest) -> str:
    """What the licence of what is published asks of whoever publishes it, and no program can see to."""
    kept = why_kept(manifest.license)
    return f"keep it private, on a Hub that only those may read who may have its base. {kept}" if kept else ""


def _hub_of(where: dict[str, Any]) -> dict[str, Any]:
    return {key: where[key] for key in ("endpoint", "token") if key in where}


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder with the same files, as links, less the card; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="medzoo-") as temporary:
        draft = Path(temporary) / folder.resolve().name
        leave = shutil.ignore_patterns(README_NAME, EVAL_FOLDER)
        shutil.copytree(
            folder.resolve(), draft, ignore=leave, copy_function=lambda a, b: Path(b).symlink_to(a)
        )
        yield draft
