"""Whether an adapter is what its card says: the card's checks, its base, vLLM, and its scores made again.

Needs no model: the scores follow from the stored answers.
"""

from pathlib import Path

from model_cards.check import LOOKS
from model_cards.checks import Check, Fault
from model_cards.repo import Repo
from zoo.bases import bases, how_to_have
from zoo.evaluation.rescore import rescore
from zoo.manifest import MANIFEST_NAME, AdapterManifest, predictions_name
from zoo.records import Prediction, read_jsonl
from zoo.vllm import check_for_vllm


def verify(repo: Repo) -> list[Check]:
    """Every check, in the order in which people read them. Without a manifest nothing can be verified."""
    checks = [look(repo) for look in LOOKS]
    if repo.manifest is None:
        fault = Fault(
            what=f"no valid {MANIFEST_NAME}",
            value=repo.name,
            next="it is no adapter of the zoo; medzoo card --check looks at what can be looked at",
        )
        return [*checks, Check(name="scores", faults=(fault,))]
    return [*checks, base_revision(repo), vllm(repo), scores(repo)]


def base_revision(repo: Repo) -> Check:
    """The base that is declared here is the one that the adapter was made for."""
    assert repo.manifest is not None
    wanted = repo.manifest.base
    declared = bases().get(wanted.name)
    if declared is None:
        return Check(name="revision", unknown=f"{wanted.name} is no base of this installation")
    if not declared.revision:
        return Check(name="revision", unknown=f"{wanted.revision}; here no commit of {wanted.name} is pinned")
    if declared.revision == wanted.revision:
        return Check(name="revision", told=f"{declared.pinned[: len(declared.name) + 13]} is the base here")
    fault = Fault(
        what="made for another revision of the base",
        value=f"{wanted.revision}, here {wanted.name} is {declared.revision}",
        next=how_to_have(wanted.name, wanted.revision),
    )
    return Check(name="revision", faults=(fault,))


def vllm(repo: Repo) -> Check:
    """vLLM would load the adapter on its base and apply all of it."""
    assert repo.manifest is not None
    declared = bases().get(repo.manifest.base.name)
    if declared is None:
        return Check(name="vllm", unknown=f"{repo.manifest.base.name} is no base of this installation")
    return check_for_vllm(repo.folder, declared)


def _of_other_bases(folder: Path, manifest: AdapterManifest) -> list[str]:
    """Bases that gave stored answers, which can all be read, and that the adapter was not made for."""
    mine = f"{manifest.base.name}@{manifest.base.revision}"
    files = [folder / predictions_name(b.dataset, b.split) for b in manifest.benchmarks]
    found = {p.base for path in files if path.is_file() for p in read_jsonl(path, Prediction)}
    return [f"answers on {base}, and {MANIFEST_NAME} says {mine}" for base in sorted(found - {mine})]


def scores(repo: Repo) -> Check:
    """The stored answers are whole, and give the manifest's scores again."""
    again = rescore(repo.folder)
    assert repo.manifest is not None
    faults = [
        Fault(what="scores and answers do not agree", value=found, next="fetch it again, or evaluate it anew")
        for found in again.faults or _of_other_bases(repo.folder, repo.manifest)
    ]
    nothing = not repo.manifest.evaluation
    return Check(
        name="scores",
        faults=tuple(faults),
        told=f"{again.checked} made again from the stored answers" if again.checked else "",
        unknown="it was not evaluated" if nothing else "; ".join(again.unchecked),
        withheld=", ".join(again.withheld),
    )
