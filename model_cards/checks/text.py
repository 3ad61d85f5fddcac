"""What a card says: that it is not for patients, what the manifest gives, and no number without evidence."""

import re
from collections.abc import Sequence
from pathlib import Path

from model_cards.card import VERSION, card_files, stale
from model_cards.checks import Check, Fault
from model_cards.claims import Claim, claims
from model_cards.repo import README_NAME, Repo
from model_cards.words import WRITTEN_BY
from zoo.datasets import datasets
from zoo.errors import ZooError
from zoo.licences import redistributable
from zoo.manifest import MANIFEST_NAME, NOTICE_NAME
from zoo.notice import NOTICE

_NO_PATIENTS = re.compile(
    r"not (?:a|for|intended|meant|suitable|approved|validated|cleared)\b[^.\n]*"
    r"\b(?:medical device|clinical|diagnos\w*|patients?|medical (?:use|advice|decisions?))",
    re.IGNORECASE,
)
_NAMED = 5
"""Most claims of one kind that are named one by one."""


def notice(repo: Repo) -> Check:
    """The card says that it is research software and not for patients."""
    text = repo.text or ""
    in_their_words = re.search(r"\bresearch\b", text, re.IGNORECASE) and _NO_PATIENTS.search(text)
    if NOTICE in text or (repo.manifest is None and in_their_words):
        return Check(name="notice", told="research software, not for patients")
    fault = Fault(
        what="no notice that it is research software and not for patients",
        value=README_NAME if repo.text is not None else f"no {README_NAME}",
        next=f'say in it: "{NOTICE}"',
    )
    return Check(name="notice", faults=(fault,))


def card(repo: Repo) -> Check:
    """The card is the one that the manifest gives; of another version of the zoo that cannot be told."""
    if repo.manifest is None:
        return Check(name="card", unknown="no manifest, so nothing says how the card should be")
    try:
        faults = [
            Fault(what=f"stale {name}", value=_difference(repo.folder, name), next=repo.again)
            for name in stale(repo.folder)
            if name != NOTICE_NAME  # which the check of the terms looks at
        ]
    except ZooError as error:
        again = error.hint or repo.again
        faults = [Fault(what="the card cannot be made again", value=error.message, next=again)]
    by = re.search(rf"^{WRITTEN_BY} (\S+)\.$", repo.text or "", re.MULTILINE)
    if faults and by and by[1] != VERSION:
        said = f"written by version {by[1]}, here is {VERSION}: its words were not compared, its numbers were"
        return Check(name="card", unknown=said)
    return Check(name="card", faults=tuple(faults), told=f"as {MANIFEST_NAME} gives it")


def evidence(repo: Repo) -> Check:
    """Every number that the card claims is a score of the manifest, and rests on stored answers."""
    made = claims(repo)
    bare = [_bare(claim, repo) for claim in made if not claim.backed]
    faults = bare[:_NAMED]
    if more := bare[_NAMED:]:
        faults.append(Fault(what=more[0].what, value=f"and {len(more)} more", next=more[0].next))
    evaluated = repo.manifest.evaluation if repo.manifest else []
    stored = {(b.dataset, b.split) for b in repo.manifest.benchmarks} if repo.manifest else set()
    for where in dict.fromkeys((e.dataset, e.split) for e in evaluated):
        if where not in stored:
            count = sum((e.dataset, e.split) == where for e in evaluated)
            faults.append(
                Fault(
                    what="claim without evidence",
                    value=f"{count} scores on {'/'.join(where)} rest on no stored answers",
                    next="medzoo evaluate --record",
                )
            )
    faults += [
        Fault(
            what="answers withheld without need",
            value=f"{b.dataset}/{b.split}, whose licence {b.license} lets them be passed on",
            next="publish the answers too",
        )
        for b in (repo.manifest.benchmarks if repo.manifest else [])
        if not b.publishable and redistributable(b.license) and _is_open(b.dataset)
    ]
    told = f"{len(made)} numbers, each in {MANIFEST_NAME}" if made else "no numbers are claimed"
    return Check(name="evidence", faults=tuple(faults), told=told)


def _is_open(dataset: str) -> bool:
    return dataset in datasets() and datasets()[dataset].publishable


def _bare(claim: Claim, repo: Repo) -> Fault:
    """A number that nothing backs, or that is not the one that was scored."""
    said = f"{claim.what}: {claim.value} in {claim.where}"
    if claim.own is not None:
        value = f"{said}, {claim.own} in {MANIFEST_NAME}"
        return Fault(what="changed number", value=value, next=repo.again)
    publish = "publish the answers that it was computed from, in a form that `medzoo score` reads"
    return Fault(what="claim without evidence", value=said, next=repo.again if repo.manifest else publish)


def _difference(folder: Path, name: str) -> str:
    """The first line at which a file of the card is not what it should be."""
    wanted = card_files(folder).get(name)
    if wanted is None:
        return "left over: the manifest has no such scores"
    if not (folder / name).is_file():
        return "missing"
    have = (folder / name).read_bytes().decode("utf-8", errors="replace").splitlines()
    want = wanted.splitlines()
    line = _apart(have, want)
    said, meant = (one[line] if line < len(one) else "" for one in (have, want))
    at = max(0, _apart(said, meant) - 20)
    return f"line {line + 1} says {said[at : at + 60]!r}, and {MANIFEST_NAME} gives {meant[at : at + 60]!r}"


def _apart(one: Sequence[str], other: Sequence[str]) -> int:
    """The first place at which two sequences differ."""
    both = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))
