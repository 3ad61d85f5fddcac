"""The Dockerfile is what docs/container.md says of it: found by a linter, and by reading it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath

import click
import pytest

from tests.container._dockerfile import ROOT, environment, read_stages
from zoo.notice import NOTICE

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = read_stages(TEXT)
IMAGE = STAGES[-1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lint(text: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    assert hadolint, "hadolint is missing: pip install -e '.[dev]'"
    return subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True)


def test_hadolint_finds_nothing() -> None:
    done = lint(TEXT)
    assert (done.stdout, done.returncode) == ("", 0)


def test_hadolint_would_find_a_named_user_and_an_image_without_a_tag() -> None:
    harmed = TEXT.replace("USER 1000:1000", "USER root").replace("FROM python:3.11-slim\n", "FROM python\n")
    assert {"DL3002", "DL3006"} <= set(re.findall(r"DL\d+", lint(harmed).stdout))


def test_a_container_runs_as_a_user_by_number_who_is_not_root() -> None:
    assert IMAGE.all("USER") == ["1000:1000"]


def test_every_image_has_a_tag_and_none_is_the_latest() -> None:
    images = [stage.image for stage in STAGES if stage.image not in [one.name for one in STAGES]]
    assert images == ["python:3.11-slim", "python:3.11-slim"]


def test_what_is_copied_is_there_and_the_builder_is_sent_it() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied, made = set[str](), []
    for stage in STAGES:
        for words in stage.all("COPY"):
            if "--from=" in words:
                made.append(words)
            else:
                copied |= set(words.split()[:-1])
    assert all((ROOT / name).exists() for name in copied)
    assert sent == copied
    assert made == ["--from=build /zoo /zoo", "--from=demo --chown=1000:1000 /demo /demo"]


def test_the_extras_that_are_installed_exist_and_none_is_of_training() -> None:
    extras = [name for found in re.findall(r"'\.\[([\w,]+)\]'", TEXT) for name in found.split(",")]
    assert sorted(extras) == ["cluster", "evaluate", "hub", "postgres", "serve", "traces"]
    assert set(extras) < set(PROJECT["optional-dependencies"])


def test_nothing_of_an_index_stays_in_the_image() -> None:
    assert not any("INDEX" in words for stage in STAGES for words in stage.all("ENV"))


def test_all_folders_that_are_written_lie_in_the_one_volume() -> None:
    assert IMAGE.all("VOLUME") == ["/cache"]
    set_there = environment(IMAGE)
    folders = {name: value for name, value in set_there.items() if value.startswith("/") and name != "PATH"}
    assert {"HOME", "HF_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"} < set(folders)
    assert all(PurePosixPath(folder).is_relative_to("/cache") for folder in folders.values())
    assert IMAGE.all("WORKDIR") == ["/cache"]  # where Python makes temporary files if /tmp is read-only


def test_the_command_is_a_verb_with_options_that_it_has() -> None:
    words = json.loads(IMAGE.all("ENTRYPOINT")[0]) + json.loads(IMAGE.all("CMD")[0])
    assert words[:2] == ["medzoo", "demo"]
    command: click.Command = next(iter(entry_points(group="medzoo.verbs", name=words[1]))).load()
    known = {option for one in command.params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", ["version", "licenses"])
def test_the_labels_say_what_the_project_says(name: str) -> None:
    said = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', " ".join(IMAGE.all("LABEL"))))
    assert said[name] == {"version": PROJECT["version"], "licenses": PROJECT["license"]}[name]
    assert NOTICE.partition(":")[0] in said["description"]
