"""Scores of a manifest in the two forms that a Hub reads: `model-index` and `.eval_results/<name>.yaml`.

It passes values on as the manifest has them and computes nothing.
"""

from huggingface_hub import EvalResult, EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

from zoo.manifest import AdapterManifest, Evaluation

EVAL_FOLDER = ".eval_results"


def dataset_id(name: str) -> str:
    """The Hub id of a data set of the zoo."""
    return f"medvlm-zoo/{name}"


def model_index(manifest: AdapterManifest) -> list[EvalResult]:
    """Every score as an entry of `model-index`; a subset is a configuration of the data set."""
    return [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type=dataset_id(e.dataset),
            dataset_name=e.dataset,
            dataset_config=e.subset,
            dataset_split=e.split,
            metric_type=e.metric,
            metric_name=f"{e.metric} ({e.subset})",
            metric_value=e.value,
            metric_args={
                "low": e.low,
                "high": e.high,
                "n": e.n,
                "judge": e.judge,
                "fingerprint": e.fingerprint,
            },
        )
        for e in manifest.evaluation
    ]


def eval_files(manifest: AdapterManifest) -> dict[str, str]:
    """The `.eval_results` files: path in the adapter's folder to YAML text, one file a data set."""
    files: dict[str, str] = {}
    for name in sorted({e.dataset for e in manifest.evaluation}):
        entries = [_entry(e) for e in manifest.evaluation if e.dataset == name]
        data = eval_result_entries_to_yaml(entries)
        files[f"{EVAL_FOLDER}/{name}.yaml"] = yaml_dump(data, sort_keys=False)
    return files


def _entry(e: Evaluation) -> EvalResultEntry:
    return EvalResultEntry(
        dataset_id=dataset_id(e.dataset),
        task_id=f"{e.split}-{e.subset}-{e.metric}",
        value=e.value,
        notes=f"95 % interval {e.low:g} to {e.high:g}, n {e.n}, judge {e.judge}, "
        f"benchmark sha256 {e.fingerprint}",
    )
