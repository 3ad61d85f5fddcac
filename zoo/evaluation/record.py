"""Scores, answers and verdicts into an adapter's folder: its manifest, and the files that the scores rest on.

Knows no model and no card.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import BadInput
from zoo.evaluation.answers import sft_adapter
from zoo.evaluation.score import as_evaluations, score_predictions
from zoo.manifest import (
    AdapterManifest,
    Benchmark,
    predictions_name,
    read_manifest,
    verdicts_name,
    write_manifest,
)
from zoo.records import BASE, Prediction, Verdict, to_line, write_jsonl


def record(
    folder: Path,
    adapter: str,
    predictions: Sequence[Prediction],
    benchmarks: Sequence[Benchmark],
    *,
    verdicts: Sequence[Verdict] = (),
    sft: str | None = None,
    precision: str = "",
) -> AdapterManifest:
    """Write what `adapter` (its name among the predictions) answered and scored into its folder.

    Answers of the base and of SFT go with it, so that whoever has the folder can score it again. Of a
    benchmark that was recorded before, the new scores and answers take the old ones' place. The digests of
    `benchmarks` are filled in here.

    Raises:
        BadInput: the weights in the folder are not those that answered.
        BadManifest: there is no valid `zoo.json`.
    """
    manifest = read_manifest(folder)
    sft = sft_adapter(predictions, sft)
    beside = {BASE, sft, adapter}
    mine = [p for p in predictions if p.adapter in beside]
    if {p.digest for p in mine if p.adapter == adapter} != {manifest.weights_sha256}:
        raise BadInput(f"{folder} does not hold the weights of {adapter} that gave these answers")
    heard = [v for v in verdicts if v.adapter in beside]
    found = as_evaluations(score_predictions(mine, verdicts=heard, sft=sft), mine, adapter)
    written = []
    for benchmark in benchmarks:
        where = (benchmark.dataset, benchmark.split)
        answers = [p for p in mine if (p.dataset, p.split) == where]
        said = [v for v in heard if (v.dataset, v.split) == where]
        write_jsonl(folder / predictions_name(*where), answers)
        if said:
            write_jsonl(folder / verdicts_name(*where), said)
        else:
            (folder / verdicts_name(*where)).unlink(missing_ok=True)
        digests = {
            "predictions_sha256": _digest(answers),
            "verdicts_sha256": _digest(said) if said else None,
        }
        written.append(benchmark.model_copy(update=digests))
    new = {(b.dataset, b.split) for b in written}
    manifest = manifest.model_copy(
        update={
            "evaluation": [
                *(e for e in manifest.evaluation if (e.dataset, e.split) not in new),
                *(e.model_copy(update={"precision": precision}) for e in found),
            ],
            "benchmarks": [*(b for b in manifest.benchmarks if (b.dataset, b.split) not in new), *written],
        }
    )
    write_manifest(folder, manifest)
    return manifest


def _digest(records: Sequence[Prediction] | Sequence[Verdict]) -> str:
    digest = hashlib.sha256()
    for one in records:
        digest.update(to_line(one).encode())
    return digest.hexdigest()
