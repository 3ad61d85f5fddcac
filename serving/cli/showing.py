"""Answers on a terminal, as they come: one as plain text, several by name. Knows no model and no server.

What a model says is shown without control characters, which could do anything to a terminal.
"""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import click

from zoo.notice import NOTICE

if TYPE_CHECKING:
    from serving.api import Stream
    from serving.core.requests import Answer

SHORT = 12
"""Hex digits of a digest; `--json` has all of them."""


def show_one(stream: "Stream") -> None:
    """One answer to stdout, word by word; who gave it and the notice to stderr."""
    try:
        for piece in stream:
            click.echo(printable(piece.text), nl=False)
    finally:
        click.echo()
    answer = stream.result().answers[0]
    click.echo(f"{_name(answer)}  {provenance(answer)}\n{NOTICE}", err=True)


def show_several(stream: "Stream") -> None:
    """All answers to stdout, each under who gave it; on a terminal also as they come, a line each."""
    if sys.stdout.isatty():
        _show_coming(stream)
    for answer in stream.result().answers:
        text = "\n".join(printable(answer.text).splitlines())
        click.echo(f"{click.style(_name(answer), bold=True)}  {provenance(answer)}")
        click.echo(textwrap.indent(text, "  ") + "\n")
    click.echo(NOTICE, err=True)


def provenance(answer: "Answer") -> str:
    """What gave an answer, in a line."""
    adapter = answer.adapter
    words = [
        str(adapter),
        f"sha256 {adapter.digest[:SHORT]}" if adapter.digest else "no adapter",
        f"{answer.tokens} token{'' if answer.tokens == 1 else 's'}",
        f"{answer.milliseconds / 1000:.2f} s",
        *([f"seed {answer.seed}"] if answer.seed else []),
        *(["cut short"] if answer.finish == "length" else []),
        *(["an unfinished sentence left off"] if answer.left_off else []),
        *(["Hub out of reach: last known commit"] if answer.hub_unreachable else []),
    ]
    return " · ".join(words)


def printable(text: str) -> str:
    """The text with what is no printable character, line end or tab replaced."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


def _name(answer: "Answer") -> str:
    return answer.asked if answer.asked == answer.variant else f"{answer.asked} ({answer.variant})"


def _show_coming(stream: "Stream") -> None:
    """A line for each answer, its last words, drawn anew with each piece and gone at the end."""
    names = [who.asked for who in stream.answering]
    texts = [""] * len(names)
    click.echo("\n" * len(names), nl=False)
    try:
        for piece in stream:
            texts[piece.row] += piece.text
            click.echo(f"\x1b[{len(names)}F\x1b[J{_lines(names, texts)}", nl=False)
    finally:
        click.echo(f"\x1b[{len(names)}F\x1b[J", nl=False)


def _lines(names: Sequence[str], texts: Sequence[str]) -> str:
    """A line for each, none wider than the terminal."""
    columns = shutil.get_terminal_size().columns - 1
    column = min(max(map(len, names)), columns // 3)
    lines = []
    for name, text in zip(names, texts, strict=True):
        tail = " ".join(printable(text).split())
        while tail and _width(tail) > columns - column - 2:
            tail = tail[1:]
        lines.append(f"{name[-column:].ljust(column)}  {tail}\n")
    return "".join(lines)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(one) in "WF" else 1 for one in text)
