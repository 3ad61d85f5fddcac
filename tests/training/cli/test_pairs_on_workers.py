"""Several processes make the pair set that one makes. The processes are made here, without a cluster."""

import json
from contextlib import nullcontext
from dataclasses import replace
from itertools import cycle

import pytest
from click.testing import CliRunner

from training.cli import _pairs_on_workers as on_workers
from training.cli._pairs_on_workers import PairSet, pairs_on
from training.cli.options import sources
from training.cli.pairs import pairs
from zoo.errors import BadInput
from zoo.on_ray.shards import Workers


class Here(Workers):
    """Two workers in this process take shards in turn; `spoil` changes what each is told."""

    def __init__(self, spoil=lambda told: told):
        super().__init__(where="here", count=2, on_gpu=False)
        object.__setattr__(self, "spoil", spoil)

    def answers(self, make, shards):
        told = self.spoil(make.args[0])
        workers = [make.func(told), make.func(told)]
        for shard, worker in zip(shards, cycle(workers), strict=False):
            yield worker(shard)


def command(url, out):
    return [
        *("text_hallu", "--limit", "130", "--llm", url, "--llm-model", "writer"),
        *("--llm-cache", f"{out}.cache", "--device", "cpu", "--out", str(out)),
    ]


@pytest.fixture
def told(llm_server, tmp_path):
    """The words of that command, as the verb hands them on."""
    llm_server.script = lambda model, messages: json.dumps({"answer": f"Not {len(messages[0]['content'])}"})
    found = []

    class Taken(Exception):
        pass

    def take(workers, words, _):
        found.append(words)
        raise Taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_workers, "pairs_on", take)
        patch.setattr("zoo.on_ray.shards.workers_of", lambda *_, **__: _Context())
        done = CliRunner().invoke(pairs, [*command(llm_server.url, tmp_path / "out"), "--ray"])
    assert isinstance(done.exception, Taken)
    (words,) = found
    assert isinstance(words, PairSet)
    return words


class _Context:
    def __enter__(self):
        return Here()

    def __exit__(self, *_):
        return None


def content(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def made(told, workers):
    found = sources(told.out, told.options, seed=told.seed)
    pairs_on(workers, told, found)
    return found


def test_workers_make_what_one_process_makes_and_what_they_asked_is_added_up(told, llm_server, tmp_path):
    once = CliRunner().invoke(pairs, command(llm_server.url, tmp_path / "plain"))
    assert once.exit_code == 0, once.output
    found = made(told, Here())
    assert content(told.out) == content(tmp_path / "plain")
    assert f"asked writer: {found.writer.usage}" in once.output
    assert found.writer.usage.calls > 0


def test_a_worker_that_would_make_another_set_writes_nothing(told):
    for change in ({"seed": 1}, {"options": {**told.options, "limit": 129}}, {"variant": "text_noise"}):
        with pytest.raises(BadInput, match=r"a worker would make .* with other ") as refused:
            made(told, Here(lambda words, change=change: replace(words, **change)))
        assert "docs/scale.md" in refused.value.hint
    assert not list(told.out.with_name("out.part").glob(".shards/*"))


def test_a_worker_with_other_packages_is_refused(told):
    with pytest.raises(BadInput, match=r"packages: .*'torch': '1.0'.* here, and"):
        made(told, Here(lambda words: replace(words, versions={**words.versions, "torch": "1.0"})))


def test_a_worker_that_does_not_see_the_commands_disk_says_so(told, tmp_path):
    with pytest.raises(BadInput, match="a worker does not see") as refused:
        made(told, Here(lambda words: replace(words, out=tmp_path / "elsewhere")))
    assert "--out must be on a disk" in refused.value.hint


def test_a_shard_that_was_written_elsewhere_is_missed(told, monkeypatch):
    monkeypatch.setattr(on_workers.Builder, "make", lambda *_: None)
    monkeypatch.setattr("training.pairs.build._SEEN_S", 0.6)
    with pytest.raises(BadInput, match="the shard 0 that a worker wrote is not there"):
        made(told, Here())


def test_answers_of_two_precisions_never_come_into_one_set(tmp_path, monkeypatch):
    def made(dtype, *more):
        words = ["mdpo", "--limit", "24", "--device", "cpu", "--dtype", dtype, "--out", str(tmp_path / "out")]
        return CliRunner().invoke(pairs, [*words, *more])

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.pairs.build.write_report", stopped)
        made("float32")
    assert (tmp_path / "out.part").is_dir()
    monkeypatch.setattr("zoo.on_ray.shards.workers_of", lambda *_, **__: nullcontext(Here()))
    for more in ([], ["--ray"]):
        refused = made("bfloat16", *more).exception
        assert isinstance(refused, BadInput)
        assert "holds an unfinished pair set with other precision" in refused.message
    next((tmp_path / "out.part" / ".shards").glob("*.json")).unlink()
    assert made("float32", "--ray").exception is None
