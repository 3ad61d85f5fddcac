"""Scores, answers and verdicts into an adapter's folder: its manifest, and the files that the scores rest on.

Knows no model and no card. All new files lie in the folder, under other names, before the first takes its
place, and the manifest comes last. A kill in between leaves files that the manifest's digests do not know:
`zoo.evaluation.rescore` says so, and recording once more mends it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.errors import BadInput
from zoo.evaluation.answers import benchmark_fingerprint, sft_adapter
from zoo.evaluation.bootstrap import STATISTICS
from zoo.evaluation.evaluations import as_evaluations
from zoo.evaluation.judging.verdicts import merged
from zoo.evaluation.run import RUN_NAME, read_run
from zoo.evaluation.score import score_predictions
from zoo.manifest import (
    MANIFEST_NAME,
    AdapterManifest,
    Benchmark,
    predictions_name,
    read_manifest,
    verdicts_name,
    write_manifest,
)
from zoo.records import BASE, Prediction, Verdict, read_jsonl, to_line


def record(
    folder: Path,
    adapter: str,
    predictions: Sequence[Prediction],
    benchmarks: Sequence[Benchmark],
    *,
    verdicts: Sequence[Verdict] = (),
    sft: str | None = None,
    names: Sequence[str] | None = None,
    precision: str = "",
) -> AdapterManifest:
    """Write what `adapter` (its name among the predictions) answered and scored into its folder.

    Answers of the base and of SFT go with it, so that whoever has the folder can score it again; the
    correction for many comparisons is over these three alone. Of a benchmark that was recorded before, the
    new scores and answers take the old ones' place; other benchmarks stay. Earlier verdicts stay where the
    answers are the same, and a judge's new ones take their place. `names` chooses metrics; without
    it the usual ones. The digests of `benchmarks`, and the version
    of the statistics, are filled in here.

    Raises:
        BadInput: the weights or the base of the folder are not those that answered, or the answers are not
            to a benchmark's questions, or there is none.
        BadManifest: there is no valid `zoo.json`.
    """
    manifest = read_manifest(folder)
    if not benchmarks:
        raise BadInput("there is no benchmark to record", hint="medzoo evaluate --help")
    wheres = {(b.dataset, b.split) for b in benchmarks}
    answered = [p for p in predictions if (p.dataset, p.split) in wheres]
    mine = [p for p in answered if p.adapter == adapter]
    _check(folder, manifest, adapter, mine)
    answered = [p for p in answered if p.base == mine[0].base]
    sft = sft_adapter(answered, sft)
    beside = {BASE, sft, adapter}
    kept = [p for p in answered if p.adapter in beside]
    heard: list[Verdict] = []
    before = {(b.dataset, b.split): b.predictions_sha256 for b in manifest.benchmarks}
    files: dict[Path, bytes] = {}
    stale: list[Path] = []
    written: list[Benchmark] = []
    for benchmark in benchmarks:
        where = (benchmark.dataset, benchmark.split)
        answers = [p for p in kept if (p.dataset, p.split) == where]
        if benchmark_fingerprint(answers) != benchmark.fingerprint:
            raise BadInput(
                f"these are not all answers to the {benchmark.questions} questions of {'/'.join(where)} that "
                f"its record is about",
                hint="medzoo evaluate --record",
            )
        digest = hashlib.sha256(_lines(answers)).hexdigest()
        said = [v for v in verdicts if v.adapter in beside and (v.dataset, v.split) == where]
        kept_said = folder / verdicts_name(*where)
        if before.get(where) == digest and kept_said.is_file():
            said = merged(read_jsonl(kept_said, Verdict), said)
        heard += said
        files[folder / predictions_name(*where)] = _lines(answers)
        if said:
            files[kept_said] = _lines(said)
        else:
            stale.append(kept_said)
        digests: dict[str, Any] = {
            "predictions_sha256": digest,
            "statistics": STATISTICS,
            "verdicts_sha256": hashlib.sha256(_lines(said)).hexdigest() if said else None,
        }
        written.append(benchmark.model_copy(update=digests))
    reference = None if sft == adapter else sft  # an adapter is no reference of its own, unless it is SFT
    scores = score_predictions(kept, verdicts=heard, sft=reference, names=names)
    found = as_evaluations(scores, kept, adapter)
    manifest = manifest.model_copy(
        update={
            "evaluation": [
                *(e for e in manifest.evaluation if (e.dataset, e.split) not in wheres),
                *(e.model_copy(update={"precision": precision}) for e in found),
            ],
            "benchmarks": [*(b for b in manifest.benchmarks if (b.dataset, b.split) not in wheres), *written],
        }
    )
    _replace(files)
    write_manifest(folder, manifest)
    for path in stale:
        path.unlink(missing_ok=True)
    return manifest


def how_made(files: Sequence[Path]) -> tuple[list[Benchmark], str]:
    """The benchmarks of some files of answers, and the precision of the base, as noted when they were made:
    in `evaluation.json` beside a file, or in the manifest of the adapter folder that it is kept in.

    Raises:
        BadInput: nothing was noted, or the files were made in different ways.
    """
    benchmarks: dict[tuple[str, str], Benchmark] = {}
    precisions = set()
    for file in files:
        kept_in = file.resolve().parent.parent
        if (file.parent / RUN_NAME).is_file() or not (kept_in / MANIFEST_NAME).is_file():
            run = read_run(file.parent)
            found = run.benchmarks
            precisions.add(run.precision)
        else:
            manifest = read_manifest(kept_in)
            found = [
                b for b in manifest.benchmarks if predictions_name(b.dataset, b.split).endswith(file.name)
            ]
            here = {(b.dataset, b.split) for b in found}
            precisions |= {e.precision for e in manifest.evaluation if (e.dataset, e.split) in here}
        for one in found:
            first = benchmarks.setdefault((one.dataset, one.split), one)
            for key in ("fingerprint", "max_tokens"):
                if getattr(first, key) != getattr(one, key):
                    raise BadInput(
                        f"the answers to {one.dataset}/{one.split} were made in two ways: {key} "
                        f"{getattr(first, key)} and {getattr(one, key)}",
                        hint="record them one file at a time",
                    )
    if len(precisions) > 1:
        raise BadInput(f"these answers were made in {' and in '.join(sorted(precisions))}")
    return list(benchmarks.values()), next(iter(precisions), "")


def _check(folder: Path, manifest: AdapterManifest, adapter: str, mine: Sequence[Prediction]) -> None:
    """That the folder's adapter gave these answers."""
    if not mine:
        raise BadInput(f"{adapter} has no answers to record among these")
    if {p.digest for p in mine} != {manifest.weights_sha256}:
        raise BadInput(
            f"{folder} does not hold the weights of {adapter} that gave these answers",
            hint="answers from elsewhere can be scored, but not recorded",
        )
    pinned = f"{manifest.base.name}@{manifest.base.revision}"
    if other := sorted({p.base for p in mine} - {pinned}):
        raise BadInput(f"{folder} is an adapter of {pinned}, and {other[0]} gave these answers")


def _lines(records: Sequence[Prediction] | Sequence[Verdict]) -> bytes:
    return "".join(map(to_line, records)).encode()


def _replace(files: dict[Path, bytes]) -> None:
    """Put all contents on disk first, then each in its place."""
    new = {path: path.with_name(path.name + ".new") for path in files}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with new[path].open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    for path in files:
        os.replace(new[path], path)
