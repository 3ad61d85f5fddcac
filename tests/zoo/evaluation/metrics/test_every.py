"""What holds of all metrics, and their listing."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from zoo.cli.metrics import metrics as verb
from zoo.errors import UnknownName
from zoo.evaluation.metrics import get_metric, metrics

NAMES = [
    "accuracy", "open_recall", "open_f1", "legacy_substring",
    "bleu", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "meteor",
    "completeness", "contradiction", "completeness_released", "contradiction_released",
    "green", "judge_accuracy", "clinical_relevance",
]  # fmt: skip


def test_the_rules_come_first_and_then_what_a_judge_is_needed_for() -> None:
    assert list(metrics()) == [
        *[name for name in NAMES if metrics()[name].task is None],
        *[name for name in NAMES if metrics()[name].task is not None],
    ]


def test_what_only_reproduces_old_numbers_or_needs_data_of_others_is_not_shown_unasked() -> None:
    assert [name for name in NAMES if not metrics()[name].usual] == [
        *("legacy_substring", "bleu1", "bleu2", "bleu3", "bleu4", "meteor"),
        *("completeness_released", "contradiction_released"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_says_what_it_counts_and_whose_it_is(name: str) -> None:
    metric = get_metric(name)
    assert metric.about.endswith(".")
    assert metric.source
    assert metric.better == (-1 if name.startswith("contradiction") else 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_combination_takes_many_resamples_at_once(name: str) -> None:
    width = 10 if name.startswith("bleu") else 2
    sums = np.arange(1.0, 1 + 3 * width).reshape(3, width)
    combine = get_metric(name).combine
    assert combine(sums).tolist() == [float(combine(row)) for row in sums]


def test_listing_the_metrics_names_each_and_the_judge_that_it_needs() -> None:
    shown = CliRunner().invoke(verb).output.splitlines()
    assert [line[2:].split()[0] for line in shown] == list(metrics())
    assert [line.split()[0] for line in shown if line.endswith("asked `green`.")] == ["*"]


def test_describing_one_says_what_to_install() -> None:
    assert CliRunner().invoke(verb, ["bleu4"]).output.splitlines() == [
        "bleu4",
        "  counts   BLEU-4, over all reports together; lower case, tokens of sacrebleu's 13a, not smoothed.",
        "  source   Papineni et al. 2002, by sacrebleu",
        "  better   more",
        "  shown    by --metric bleu4",
        "  needs    sacrebleu",
    ]
    with pytest.raises(UnknownName, match="bluu"):
        CliRunner().invoke(verb, ["bluu"], catch_exceptions=False)


def test_knowing_the_metrics_loads_no_library() -> None:
    code = (
        "import sys; from zoo.evaluation.metrics import metrics; metrics();"
        "print([m for m in ('nltk', 'sacrebleu', 'rouge_score', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
