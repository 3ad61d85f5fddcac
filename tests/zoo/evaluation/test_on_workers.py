"""Several processes answer as one does. The processes are made here, without a cluster."""

from dataclasses import replace
from functools import partial
from itertools import cycle

import pytest
from click.testing import CliRunner

from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.cli.evaluate import evaluate
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.evaluation import on_workers
from zoo.evaluation.on_workers import Evaluation, predict_on
from zoo.evaluation.part import PART_NAME
from zoo.evaluation.predict import predict
from zoo.on_ray.shards import Workers
from zoo.records import to_line
from zoo.vlm.model import load_base

NUMBERS = {"max_tokens": 16, "ablation": 6, "seed": 0, "rows": 9}
QUESTIONS = partial(load_questions, "phantom", "test", limit=24)


class Here(Workers):
    """Two workers in this process take shards in turn; after so many it is as if all were killed."""

    def __init__(self, dies_after=None, spoil=lambda worker: None):
        super().__init__(where="here", count=2, on_gpu=False)
        object.__setattr__(self, "dies_after", dies_after)
        object.__setattr__(self, "spoil", spoil)

    def answers(self, make, shards):
        workers = [make(), make()]
        for worker in workers:
            self.spoil(worker)
        for done, (shard, worker) in enumerate(zip(shards, cycle(workers), strict=False)):
            if done == self.dies_after:
                raise KeyboardInterrupt
            yield worker(shard)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    bare, made = load_base(get_base("phantom")), tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two")):
        random_adapter(made / name, bare, seed=seed, rank=4, spread=0.2)
    return (made / "one", made / "two")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(on_workers, "_SHARDS", 2)


def told(folders, **changes):
    how = {"device": "cpu", "dtype": "auto", "quantize": None}
    given = {"adapters": folders, "names": ("one", "two"), "benchmarks": (QUESTIONS,), "numbers": NUMBERS}
    return Evaluation(**({"base": "phantom", "how": how} | given | changes))


def plain(folders, folder, **changes):
    vlm = load_base(get_base("phantom"), device="cpu")
    return predict(vlm, folders, [QUESTIONS()], names=("one", "two"), folder=folder, **NUMBERS | changes)


def lines(found):
    return "".join(map(to_line, found.answers))


def test_workers_say_what_one_process_says_and_each_goes_on_with_what_the_other_left(folders, tmp_path):
    whole = plain(folders, tmp_path / "plain")
    together = predict_on(Here(), told(folders), [QUESTIONS()], folder=tmp_path / "together")
    assert lines(together) == lines(whole)
    assert (together.notes, together.precision) == (whole.notes, whole.precision)
    parts = [(tmp_path / name / PART_NAME).read_bytes() for name in ("plain", "together")]
    assert parts[0] == parts[1]

    for name in ("again", "by one"):
        with pytest.raises(KeyboardInterrupt):
            predict_on(Here(dies_after=2), told(folders), [QUESTIONS()], folder=tmp_path / name)
    again = predict_on(Here(), told(folders), [QUESTIONS()], folder=tmp_path / "again")
    by_one = plain(folders, tmp_path / "by one")
    assert lines(again) == lines(by_one) == lines(whole)
    assert again.resumed == by_one.resumed == 2 * 3 * 9  # shards of three batches

    half = tmp_path / "half"
    half.mkdir()
    for name in ("job.json", PART_NAME):
        (half / name).write_bytes((tmp_path / "plain" / name).read_bytes())
    with (half / PART_NAME).open("rb+") as file:
        file.truncate(len(parts[0]) // 2)
    on = predict_on(Here(), told(folders), [QUESTIONS()], folder=half)
    assert lines(on) == lines(whole)
    assert 0 < on.resumed < len(whole.answers)


def test_a_worker_whose_plan_differs_is_refused_with_both_values_and_adds_nothing(folders, tmp_path):
    def older(worker):
        versions = {**worker._plan.job["versions"], "torch": "1.0"}
        worker._plan = replace(worker._plan, job={**worker._plan.job, "versions": versions})

    def fewer(worker):
        worker._plan = replace(worker._plan, job={**worker._plan.job, "benchmarks": ["phantom/test 0"]})

    for spoil, said in ((older, r'versions: .* and .*"torch": "1.0".* in a worker'), (fewer, "benchmarks: ")):
        with pytest.raises(BadInput, match=said) as refused:
            predict_on(Here(spoil=spoil), told(folders), [QUESTIONS()], folder=tmp_path)
        assert "docs/scale.md" in refused.value.hint
    assert (tmp_path / PART_NAME).read_bytes() == b""


def test_answers_to_others_questions_than_are_due_are_refused(folders, tmp_path):
    def turned(worker):
        worker._plan = replace(worker._plan, batches=worker._plan.batches[::-1])

    with pytest.raises(BadInput, match="other questions than are due"):
        predict_on(Here(spoil=turned), told(folders), [QUESTIONS()], folder=tmp_path)
    assert (tmp_path / PART_NAME).read_bytes() == b""


def test_a_worker_that_finds_other_pixels_under_a_pictures_name_refuses_it(folders, tmp_path):
    def brighter():
        found = QUESTIONS()
        return replace(found, open_image=lambda name: found.open_image(name).point(lambda v: v // 2))

    spoiled = told(folders, benchmarks=(brighter,))
    with pytest.raises(BadInput, match=r"the picture .* of phantom is another one"):
        predict_on(Here(), spoiled, [QUESTIONS()], folder=tmp_path)


def test_a_worker_whose_benchmark_has_other_questions_refuses_it_by_name(folders, tmp_path):
    for limit, said in (
        (40, "phantom asks about the picture .*, and did not"),
        (20, "benchmarks: .* in a worker"),
    ):
        other = told(folders, benchmarks=(partial(load_questions, "phantom", "test", limit=limit),))
        with pytest.raises(BadInput, match=said):
            predict_on(Here(), other, [QUESTIONS()], folder=tmp_path)
    assert (tmp_path / PART_NAME).read_bytes() == b""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "2"], "--workers 2 without --ray"),
        (["--ray", "runs/mdpo"], "--ray runs/mdpo: neither HOST:PORT"),
        (["--ray", "--workers", "2", "--device", "cuda:1"], "--device cuda:1: each worker"),
    ],
)
def test_a_command_that_cannot_be_meant_so_is_refused(words, said, tmp_path):
    refused = CliRunner().invoke(evaluate, [*words, "--out", str(tmp_path / "out")]).exception
    assert isinstance(refused, BadInput)
    assert said in refused.message
    assert refused.hint
