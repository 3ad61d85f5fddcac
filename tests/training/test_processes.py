"""Several processes on one run: shares, failures, and the same adapter as of one."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file

from tests._ports import free_port
from training.launcher import DEEPSPEED
from training.pairs.build import build_pairs
from training.pairs.step import Tools
from training.processes import Processes, launched
from training.variants import get_variant
from zoo.__main__ import medzoo
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.memory.peak import Precision
from zoo.memory.shape import shape_of
from zoo.memory.training import held_weights

ROOT = Path(__file__).parents[2]

MEET = """
import sys
import torch
from training.processes import all_know, launched
from zoo.errors import ZooError

mine = launched()
assert mine.gathered(lambda: mine.rank * 10) == [0, 10]
assert mine.sum(torch.tensor([1.0, mine.rank])).tolist() == [2.0, 1.0]
done = []
mine.by_main(lambda: done.append(mine.rank))
assert done == ([0] if mine.main else [])

def fail():
    raise ZooError("no room left")

for act in (lambda: mine.gathered(fail if mine.rank == 1 else int), lambda: mine.by_main(fail)):
    try:
        act()
    except ZooError as error:
        assert all_know(error)
        print(f"<process {mine.rank}: {error}>", file=sys.stderr, flush=True)
mine.gathered(int)  # both have spoken, and can still be met
sys.exit(2)
"""


SHARDED = """
import sys
import zoo.vlm.model
from zoo.__main__ import main

share_out = zoo.vlm.model.share_out

def told(model, device):
    share_out(model, device)
    parameters = list(model.model.language_model.layers.parameters())
    kept = sum(p.to_local().numel() for p in parameters)
    every = [getattr(p, "_local_tensor", p) for p in model.parameters()]
    told = f"<kept {kept / sum(p.numel() for p in parameters)}, bytes {sum(p.nbytes for p in every)}>"
    print(told, file=sys.__stderr__, flush=True)

zoo.vlm.model.share_out = told
main()
"""
"""`medzoo`, telling how much each process keeps of the base's layers, and of the base in all."""


def launch(*words: str, config: str = "ddp", machines: int = 1) -> list[subprocess.CompletedProcess[str]]:
    """Two processes of a program, as `accelerate launch` starts them by a configuration of `deploy`; on so
    many machines, all of them this one."""
    command = ["accelerate.commands.launch", "--config_file", f"{ROOT}/deploy/accelerate/{config}.yaml"]
    options = ["--num_machines", str(machines), "--main_process_ip", "127.0.0.1"]
    options += ["--main_process_port", str(free_port())]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *command, *options, "--machine_rank", str(rank), *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(machines)
    ]
    with ThreadPoolExecutor() as pool:  # lest one waits for a full pipe of another to be read
        told = list(pool.map(lambda process: process.communicate(timeout=600), started))
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *said)
        for process, said in zip(started, told, strict=True)
    ]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run of 6 steps in batches of 5, 5 and 1 pairs, so that the last leaves one of two without a share."""
    tools = Tools(questions=load_questions("phantom", "train", limit=11), seed=0)
    variant, pairs = get_variant("text_hallu"), tmp_path_factory.mktemp("made") / "pairs"
    build_pairs("text_hallu", variant.steps, tools, pairs, base=get_base("phantom").pinned)
    words = ["train", "text_hallu", "--pairs", str(pairs), "--rank", "4", "--batch-size", "5"]
    return [*words, "--epochs", "2", "--learning-rate", "0.001", "--checkpoint-every", "2"]


@pytest.fixture(scope="module")
def two(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter that two processes made of it, each with the whole base."""
    out = tmp_path_factory.mktemp("trained") / "two"
    (ended,) = launch("-m", "training", *words[1:], "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("6 steps on 11 pairs") == 1  # of the main process alone
    assert "22/22" in ended.stderr
    return out


def entries(folder: Path) -> list[dict[str, float]]:
    """A run's log without what a clock told."""
    read = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in read]


@pytest.mark.parametrize("lengths", [[5, 1, 1, 3, 8, 2], [4], []])
def test_every_piece_of_work_is_some_process_s_and_none_has_much_more(lengths: list[int]) -> None:
    shares = [Processes(rank=rank, count=2).share(lengths) for rank in range(2)]
    assert sorted(number for share in shares for number in share) == list(range(len(lengths)))
    loads = [sum(lengths[number] for number in share) for share in shares]
    assert abs(loads[0] - loads[1]) <= max(lengths, default=0)
    assert shares == {6: [[4, 5], [0, 1, 2, 3]], 1: [[0], []], 0: [[], []]}[len(lengths)]


def test_one_process_alone_does_all_and_meets_nobody() -> None:
    alone = launched()
    assert alone == Processes(rank=0, count=1)
    assert alone.main
    assert alone.share([3, 1]) == [0, 1]
    assert alone.gathered(lambda: "own") == ["own"]


def test_a_launcher_that_starts_one_of_several_processes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 2` starts one, which would train as if nothing were amiss."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(BadInput, match="--multi_gpu --num_processes N"):
        launched()


class Meeting:
    """In the place of accelerate's `PartialState`: notes how it was asked for, and meets nobody."""

    num_processes, process_index, device = 2, 0, "cpu"
    asked: tuple[bool, str]

    def __init__(self, *, cpu: bool, timeout: timedelta) -> None:
        type(self).asked = cpu, os.environ.get(DEEPSPEED, "")

    def destroy_process_group(self) -> None:
        pass


@pytest.fixture
def two_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first of two processes on a machine with GPUs, which never meets the other."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("accelerate.PartialState", Meeting)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)


@pytest.mark.usefixtures("two_on_gpus")
@pytest.mark.parametrize(("device", "cpu"), [("auto", False), ("cuda", False), ("cpu", True)])
def test_processes_meet_where_they_compute(device: str, cpu: bool) -> None:
    """Layers on CPUs cannot be shared out among processes that meet by their GPUs."""
    launched(device=device)
    assert Meeting.asked[0] == cpu


@pytest.mark.usefixtures("two_on_gpus")
def test_several_processes_are_not_put_on_one_gpu() -> None:
    with pytest.raises(BadInput, match="every process on one GPU"):
        launched(device="cuda:0")


@pytest.mark.usefixtures("two_on_gpus")
def test_zero_3_is_done_without_deepspeed_s_engine_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DEEPSPEED, "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    assert launched().sharded
    assert launched().sharded
    assert Meeting.asked == (False, "false")
    assert "FSDP2" in capsys.readouterr().err


def test_an_error_in_one_process_is_one_in_both_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    """First the second process fails where each does its own, then the main one where it acts alone."""
    program = tmp_path / "meet.py"
    program.write_text(MEET)
    (ended,) = launch(str(program))
    assert "exitcode  : 2" in ended.stderr  # as they asked, not by a signal on their way out
    assert "SIGABRT" not in ended.stderr
    assert sorted(re.findall(r"<(process .*?)>", ended.stderr)) == [
        "process 0: no room left",
        "process 0: process 1 of 2 failed: ZooError: no room left",
        "process 1: no room left",
        "process 1: process 0 of 2 failed: ZooError: no room left",
    ]


def test_two_processes_train_like_one(words: list[str], two: Path, tmp_path: Path) -> None:
    """Up to the order of additions, since there is no dropout."""
    one = CliRunner().invoke(medzoo, [*words, "--out", str(tmp_path / "one")])
    assert one.exit_code == 0, one.output
    logs = [entries(folder) for folder in (tmp_path / "one", two)]
    assert [entry["step"] for entry in logs[1]] == [1, 2, 3, 4, 5, 6]
    for alone, together in zip(*logs, strict=True):
        assert together == pytest.approx(alone, rel=1e-3, abs=1e-5)
    tensors = [load_file(folder / "adapter_model.safetensors") for folder in (tmp_path / "one", two)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        assert tensor.norm() > 1e-3
        assert (tensors[1][name] - tensor).norm() <= 3e-4 * tensor.norm(), name
    manifests = [json.loads((folder / "zoo.json").read_text()) for folder in (tmp_path / "one", two)]
    assert manifests[0]["cost"]["response_tokens"] == manifests[1]["cost"]["response_tokens"]


def test_a_variant_that_blows_up_ends_no_other_of_a_list_of_two_processes(
    words: list[str], tmp_path: Path
) -> None:
    """Each process sees it for itself, and each goes on."""
    names, rates = ["text_hallu", "text_hallu_nll"], ["--learning-rate", "1e30"]
    (ended,) = launch("-m", "training", *names, *words[2:], *rates, "--out", str(tmp_path / "all"))
    assert "exitcode  : 1" in ended.stderr
    assert re.findall(r"^(\w+) failed: step 2: the loss is", ended.stdout, re.MULTILINE) == names


def test_two_machines_that_share_the_layers_out_train_to_the_bit_like_two_processes(
    words: list[str], two: Path, tmp_path: Path
) -> None:
    """FSDP by the configuration in `deploy`, two launchers of one process each; they keep what is planned."""
    program, out = tmp_path / "sharded.py", tmp_path / "sharded"
    program.write_text(SHARDED)
    ended = launch(str(program), *words, "--out", str(out), config="fsdp", machines=2)
    assert [one.returncode for one in ended] == [0, 0], [one.stderr for one in ended]
    planned = held_weights(shape_of(get_base("phantom")), Precision(bytes=4), processes=2)
    told = f"0.5, bytes {sum(planned.values()) - planned['layers that run']}"
    assert [re.findall(r"<kept (.*?)>", one.stderr) for one in ended] == [[told], [told]]
    assert [one.stdout.count("6 steps on 11 pairs") for one in ended] == [1, 0]
    assert entries(out) == entries(two)
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (out, two)]
    assert weights[0] == weights[1]
