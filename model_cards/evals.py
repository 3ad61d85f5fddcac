"""Scores of a manifest in the two forms that a Hub reads: `model-index` and `.eval_results/<name>.yaml`.

It passes values on as the manifest has them and computes nothing.
"""

import re

from huggingface_hub import EvalResult, EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

from model_cards.results import Rows
from model_cards.words import SHOWN
from zoo.manifest import AdapterManifest, Evaluation
from zoo.records import RULES

EVAL_FOLDER = ".eval_results"


def dataset_id(name: str) -> str:
    """The Hub id of a data set of the zoo."""
    return f"medvlm-zoo/{name}"


def model_index(manifest: AdapterManifest) -> list[EvalResult]:
    """The scores of the card's first table as entries of `model-index`; a subset is a configuration of the
    data set. All of them are in `.eval_results`, so that a card does not begin with pages of metadata."""
    return [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type=dataset_id(e.dataset),
            dataset_name=e.dataset,
            dataset_config=e.subset,
            dataset_split=e.split,
            metric_type=e.metric,
            metric_name=f"{e.metric} ({e.subset}{_judged(e)})",
            metric_value=e.value,
            metric_args={
                "low": e.low,
                "high": e.high,
                "n": e.n,
                "judge": e.judge,
                "fingerprint": e.fingerprint,
            },
        )
        for e in Rows.of(manifest.evaluation).overall
    ]


def eval_files(manifest: AdapterManifest) -> dict[str, str]:
    """The `.eval_results` files: path in the adapter's folder to YAML text, one file a data set."""
    files: dict[str, str] = {}
    for name in sorted({e.dataset for e in manifest.evaluation}):
        entries = [_entry(e) for e in manifest.evaluation if e.dataset == name]
        data = eval_result_entries_to_yaml(entries)
        files[f"{EVAL_FOLDER}/{name}.yaml"] = yaml_dump(data, sort_keys=False)
    return files


def task_id(e: Evaluation) -> str:
    """The name of a score within its data set: split, subset, metric, judge, and what was shown if another
    picture was."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", e.judge)
    parts = [e.split, e.subset, e.metric]
    parts += [slug] if e.judge != RULES else []
    parts += [f"image-{e.shown}"] if e.shown != "own" else []
    return "-".join(parts)


def _judged(e: Evaluation) -> str:
    return "" if e.judge == RULES else f", judged by {e.judge}"


def _entry(e: Evaluation) -> EvalResultEntry:
    shown = f"image ablation, {SHOWN[e.shown]}; " if e.shown != "own" else ""
    failed = f", {e.failed} not judged" if e.failed else ""
    return EvalResultEntry(
        dataset_id=dataset_id(e.dataset),
        task_id=task_id(e),
        value=e.value,
        notes=f"{shown}95 % interval {e.low:g} to {e.high:g}, n {e.n}{failed}, judge {e.judge}, "
        f"benchmark sha256 {e.fingerprint}",
    )
