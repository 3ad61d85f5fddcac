"""What README and CONTRIBUTING tell people to type is there, and their examples run."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)

VARIABLES = re.compile(r"^(?:[A-Z_]+=\S+ +)+")
"""Set for the one command after them."""


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def commands(document: str) -> list[list[str]]:
    lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
    words = [shlex.split(VARIABLES.sub("", line), comments=True) for line in lines]
    return [one for one in words if one[:1] == ["medzoo"]]


COMMANDS = commands("README.md")


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(c[:3]) for c in COMMANDS])
def test_a_command_of_the_readme_parses(words: list[str]) -> None:
    command: click.Command = next(iter(entry_points(group="medzoo.verbs", name=words[1]))).load()
    rest = words[2:]
    while isinstance(command, click.Group) and not (command.invoke_without_command and rest[0][0] == "-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, rest[0]
        command, rest = found, rest[1:]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= known


def test_the_readme_shows_every_verb_that_a_user_types() -> None:
    shown = {words[1] for words in COMMANDS}
    assert shown >= {"hub", "pairs", "train", "evaluate", "score", "publish", "ls", "pull"}
    assert shown >= {"serve", "ask", "keys"}


def test_every_file_that_a_document_links_to_is_there() -> None:
    found = 0
    for document in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "EXPERIMENTS.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([\w./-]+)\)", text):
            assert (ROOT / target).exists(), f"{document} links to {target}"
            found += 1
        for target in re.findall(r"`((?:zoo|training|serving|tests|model_cards)/[\w./]+)`", text):
            assert (ROOT / target).exists(), f"{document} names {target}"
    assert found >= 5


def test_the_examples_of_contributing_run() -> None:
    from training.objective import as_data
    from training.variant import Variant
    from zoo.bases import Base

    variant, base, metric = (dict[str, object]() for _ in range(3))
    sources = blocks("CONTRIBUTING.md", "python")
    assert len(sources) == 3
    exec(sources[0], variant)
    declared = variant["VARIANT"]
    assert isinstance(declared, Variant)
    assert declared.lacks == ""
    assert [term["term"] for term in as_data(declared.objective)] == ["Prefer", "Imitate"]
    exec(sources[1], base)
    assert isinstance(base["BASE"], Base)
    exec("from zoo.records import Prediction\nfrom zoo.evaluation.metrics.vqa import words", metric)
    exec(sources[2], metric)
    assert callable(metric["starts_right"])
