"""An adapter folder's scores, computed again from the answers and verdicts in it. Writes nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import NotInstalled, ZooError
from zoo.evaluation.answers import benchmark_fingerprint
from zoo.evaluation.bootstrap import STATISTICS
from zoo.evaluation.evaluations import as_evaluations
from zoo.evaluation.metrics import left_out, metrics
from zoo.evaluation.score import score_predictions
from zoo.manifest import (
    AdapterManifest,
    Benchmark,
    Evaluation,
    predictions_name,
    read_manifest,
    verdicts_name,
)
from zoo.records import BASE, RULES, Prediction, Verdict, read_jsonl

_INTERVALS = ("low", "high", "over_base", "over_sft", "lost")
_HEADLINE = "accuracy"
"""The metric that no evaluation may leave out."""
AGAIN = "medzoo score PREDICTIONS --record FOLDER, or medzoo evaluate --record"


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """What came of it."""

    faults: tuple[str, ...]
    """What is wrong, a sentence each, with both values."""
    withheld: tuple[str, ...]
    """Benchmarks, `dataset/split`, whose answers may not be passed on and are not here."""
    checked: int
    """Scores of the manifest that were computed again."""
    unchecked: tuple[str, ...] = ()
    """Metrics whose scores could not be, and what is not installed here; usual ones that the manifest has no
    score by; benchmarks whose intervals were not, as they are of another version of the statistics."""


def rescore(folder: Path) -> Rescored:
    """Compare each benchmark's files with their digests, and each score with what the files come to.

    Metrics are scored one by one, which is the same: no family of comparisons spans two.

    Raises:
        BadManifest: there is no valid `zoo.json`.
    """
    manifest = read_manifest(folder)
    faults: list[str] = []
    withheld: list[str] = []
    unchecked: list[str] = []
    checked = 0
    recorded = {(b.dataset, b.split) for b in manifest.benchmarks}
    for where in dict.fromkeys((e.dataset, e.split) for e in manifest.evaluation):
        if where not in recorded:
            faults.append(f"the scores on {'/'.join(where)} rest on no stored answers; record them: {AGAIN}")
    for benchmark in manifest.benchmarks:
        answers = folder / predictions_name(benchmark.dataset, benchmark.split)
        if not benchmark.publishable and not answers.exists():
            withheld.append(f"{benchmark.dataset}/{benchmark.split}")
            continue
        found = _file_faults(folder, benchmark)
        if not found:
            claimed = [
                e for e in manifest.evaluation if (e.dataset, e.split) == (benchmark.dataset, benchmark.split)
            ]
            try:
                found, missing = _score_faults(folder, manifest, benchmark, claimed)
                checked += sum(e.metric not in missing for e in claimed)
                unchecked += missing.values()
                if benchmark.statistics != STATISTICS:
                    unchecked.append(
                        f"{benchmark.dataset}/{benchmark.split} was scored by version "
                        f"{benchmark.statistics} of the statistics, here is {STATISTICS}: intervals not "
                        "checked"
                    )
            except ZooError as error:
                found = [f"{answers.relative_to(folder)} cannot be scored: {error.message}"]
        faults += found
    return Rescored(
        faults=tuple(faults),
        withheld=tuple(withheld),
        checked=checked,
        unchecked=tuple(dict.fromkeys(unchecked)),
    )


def _file_faults(folder: Path, benchmark: Benchmark) -> list[str]:
    """Files that are not there, or are not those that were recorded."""
    where = (benchmark.dataset, benchmark.split)
    found = []
    for name, digest in (
        (predictions_name(*where), benchmark.predictions_sha256),
        (verdicts_name(*where), benchmark.verdicts_sha256),
    ):
        path = folder / name
        if not path.is_file():
            if digest is not None:
                found.append(
                    f"{name} is not here, and its answers are not withheld; fetch or record it again"
                )
        elif digest is None:
            found.append(f"{name} is here, and the manifest knows of no verdicts; remove it, or: {AGAIN}")
        else:
            held = hashlib.sha256(path.read_bytes()).hexdigest()
            if held != digest:
                found.append(
                    f"{name} has sha256 {held[:12]}, the manifest says {digest[:12]}: it was changed"
                )
    return found


def _score_faults(
    folder: Path, manifest: AdapterManifest, benchmark: Benchmark, claimed: Sequence[Evaluation]
) -> tuple[list[str], dict[str, str]]:
    """Scores that the files do not come to, those that the manifest leaves out, another question set; and
    metrics that cannot be computed here, each with the reason."""
    where = (benchmark.dataset, benchmark.split)
    name = predictions_name(*where)
    predictions = read_jsonl(folder / name, Prediction)
    heard = read_jsonl(folder / verdicts_name(*where), Verdict) if benchmark.verdicts_sha256 else []
    adapters = {p.adapter: p for p in predictions}
    adapter = next((one for one, p in adapters.items() if p.digest == manifest.weights_sha256), None)
    if adapter is None:
        return [f"{name} holds no answer of the weights {manifest.weights_sha256[:12]}"], {}
    found = []
    fingerprint = benchmark_fingerprint(predictions)
    if fingerprint != benchmark.fingerprint:
        found.append(
            f"{name} answers the questions {fingerprint[:12]}, the manifest says {benchmark.fingerprint[:12]}"
        )
    own = [p for p in predictions if p.shown == "own"]
    for kind, held, said in (
        ("questions", len({p.question_id for p in own}), benchmark.questions),
        ("images", len({image for p in own for image in p.images}), benchmark.images),
    ):
        if held != said:
            found.append(f"{name} is about {held} {kind}, the manifest says {said}")
    sft = next((one for one in adapters if one not in (BASE, adapter)), None)
    names = list(dict.fromkeys(e.metric for e in claimed))
    if not names:
        return [*found, f"no score rests on {name}; record them: {AGAIN}"], {}
    again: dict[tuple[str, ...], Evaluation] = {}
    missing: dict[str, str] = {}
    for metric in _usual_rules(own):
        if metric in names:
            continue
        if metric == _HEADLINE:
            found.append(f"{metric} follows from {name}, but no score is by it; record them: {AGAIN}")
        else:
            missing[metric] = f"{metric} follows from {name}, but no score is by it"
    for metric in names:
        try:
            scores = score_predictions(predictions, verdicts=heard, sft=sft, names=[metric])
        except NotInstalled as error:
            missing[metric] = f"{metric}: {error.message}"
        else:
            again |= {_key(e): e for e in as_evaluations(scores, predictions, adapter)}
    stated = {_key(e): e for e in claimed if e.metric not in missing}
    found += [f"{_name(e)} is in the manifest twice" for e in claimed if stated.get(_key(e), e) is not e]
    found += [f"{_name(e)} does not follow from {name}" for key, e in stated.items() if key not in again]
    found += [
        f"{_name(e)} follows from {name}, but is left out" for key, e in again.items() if key not in stated
    ]
    for key, e in stated.items():
        if key in again:
            found += _differences(e, again[key], name, intervals=benchmark.statistics == STATISTICS)
    return found, missing


def _usual_rules(questions: Sequence[Prediction]) -> list[str]:
    """The metrics that every scoring of such questions shows unasked, with or without a judge."""
    absent = left_out(questions)
    return [
        name
        for name, metric in metrics().items()
        if metric.usual and metric.task is None and name not in absent and any(map(metric.applies, questions))
    ]


def _differences(said: Evaluation, again: Evaluation, name: str, *, intervals: bool) -> list[str]:
    unlike = {"precision"} if intervals else {"precision", *_INTERVALS}
    one, other = said.model_dump(exclude=unlike), again.model_dump(exclude=unlike)
    return [
        f"{_name(said)}: {key} is {_shown(one[key])} in the manifest, and {_shown(other[key])} by {name}"
        for key in one
        if one[key] != other[key]
    ]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {part}" for key, part in value.items())
    return str(value)


def _key(e: Evaluation) -> tuple[str, ...]:
    return e.metric, e.subset, e.shown, e.judge


def _name(e: Evaluation) -> str:
    pictures = {"own": "", "noise": " with noise", "other": " with other pictures"}[e.shown]
    judge = "" if e.judge == RULES else f" by {e.judge}"
    return f"{e.metric} on {e.dataset}/{e.split}, {e.subset}{pictures}{judge}"
