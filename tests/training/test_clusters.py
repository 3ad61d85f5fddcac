"""The examples for several GPUs and for clusters are what accelerate and `medzoo train` take, one process a
GPU on every node.

Those for clusters are run, with programs in the place of Slurm's and accelerate's that tell how they were
called.
"""

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.launch import launch_command_parser

from training.cli.train import train
from zoo.bases import declared_bases

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = {
    "scontrol": "printf 'first\\nsecond\\n'",
    "srun": 'shift; for SLURM_NODEID in 0 1; do SLURM_NODEID=$SLURM_NODEID "$@"; done',
    "accelerate": 'printf "%s\\n" "$@" "<end>"',
}
SLURM = {"SLURM_JOB_NODELIST": "ignored", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4"}


def told(command: list[str], folder: Path, **environment: str) -> list[list[str]]:
    """How accelerate was called by a command, each time."""
    folder.mkdir()
    for name, body in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [words.strip("\n").split("\n") for words in ended.stdout.split("<end>\n") if words]


def launched(words: list[str]) -> argparse.Namespace:
    """What `accelerate launch` makes of a command."""
    assert words[0] == "launch"
    found: argparse.Namespace = launch_command_parser().parse_args(words[1:])
    return found


def trained(one: argparse.Namespace) -> dict[str, Any]:
    """What `medzoo train` makes of the rest."""
    assert (one.module, one.training_script) == (True, "training")
    return train.make_context("train", list(one.training_script_args)).params


def slurm(folder: Path) -> list[list[str]]:
    return told(["bash", str(DEPLOY / "slurm/train.sbatch")], folder / "bin", SHARED=str(folder), **SLURM)


def kubernetes(folder: Path) -> list[list[str]]:
    service, job = yaml.safe_load_all((DEPLOY / "kubernetes/train.yaml").read_text())
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
    assert container["resources"]["limits"]["nvidia.com/gpu"] * job["spec"]["completions"] == 8
    return [
        words
        for pod in range(job["spec"]["completions"])
        for words in told(
            container["command"], folder / f"{pod}", SHARED=str(folder), JOB_COMPLETION_INDEX=str(pod)
        )
    ]


@pytest.mark.parametrize(
    ("calls", "head"),
    [(slurm, "first"), (kubernetes, "medzoo-train-0.medzoo-train")],
    ids=["slurm", "kubernetes"],
)
def test_an_example_starts_one_process_a_gpu_on_each_node(
    calls: Callable[[Path], list[list[str]]], head: str, tmp_path: Path
) -> None:
    (tmp_path / "pairs").mkdir()
    found = calls(tmp_path)
    launches = [launched(words) for words in found]
    assert [int(one.machine_rank) for one in launches] == [0, 1]
    for one in launches:
        assert (one.num_machines, one.num_processes, one.main_process_ip) == (2, 8, head)
        asked = trained(one)
        assert asked["base_name"] in declared_bases()
        assert asked["names"] == ("mdpo",)
        assert {asked[name].parent for name in ("pairs_dir", "out", "cache")} == {tmp_path}


def test_what_the_documents_say_to_launch_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    for document in ("README.md", "docs/scale.md"):
        found = re.findall(r"^accelerate (launch .*)", (DEPLOY.parent / document).read_text(), re.MULTILINE)
        assert found, document
        lines += found
    (tmp_path / "pairs" / "mdpo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for line in lines:
        one = launched(shlex.split(line, comments=True))
        assert trained(one)["names"] == ("mdpo",)
        assert one.config_file is None or (DEPLOY.parent / one.config_file).is_file()
