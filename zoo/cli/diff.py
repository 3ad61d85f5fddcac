"""`medzoo diff`: what differs between two adapters."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.records import RULES

if TYPE_CHECKING:
    from zoo.evaluation.diff import Answers, Diff, Scores, Setting


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def diff(a: str, b: str, hub: str | None, as_json: bool) -> None:
    """Say what differs between the adapters A and B, each a REPO[@REVISION] on a Hub or a FOLDER.

    How they were made; what they score on the questions that both answered, with the 95 % interval of the
    paired difference B - A; and how many answers differ, with examples that one of them has right.
    """
    from zoo.evaluation.diff import diff as compare

    sides = [_brought(text, hub) for text in (a, b)]
    found = compare(sides[0][0], sides[1][0])
    if as_json:
        told = {"a": sides[0][1], "b": sides[1][1], **asdict(found)}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, default=lambda one: one.model_dump()))
        return
    for side, (_, name) in zip("AB", sides, strict=True):
        click.echo(f"{side}  {name}")
    for text in _sections(found):
        click.echo(f"\n{text}")


def _brought(text: str, hub: str | None) -> tuple[Path, str]:
    """The folder of an adapter, and its name."""
    from zoo.hub import fetch, parse_ref
    from zoo.manifest import MANIFEST_NAME

    if (Path(text) / MANIFEST_NAME).is_file():
        return Path(text), text
    ref = parse_ref(text)
    folder, sha = fetch(ref.repo, ref.revision, endpoint=hub)
    return folder, f"{ref.repo}@{sha}"


def _sections(found: "Diff") -> list[str]:
    made = [line for one in found.settings for line in _setting(one)]
    sections = ["\n".join(["MADE", *(made or ["  the same in all that decides an adapter"])])]
    if found.same_weights:
        sections.append("WEIGHTS\n  the same, byte for byte")
    if found.scores:
        sections.append("\n".join(["SCORES", *(f"  {line}" for line in _scores(found.scores))]))
    sections += ["\n".join(_answers(one)) for one in found.answers]
    sections += [f"NOTE\n  {note}" for note in found.notes]
    if not found.scores and not found.notes:
        sections.append("SCORES\n  none: neither was evaluated")
    return sections


def _setting(one: "Setting") -> list[str]:
    """A key with both values; of a list what only one of them has."""
    a, b = one.a, one.b
    if isinstance(a, list) and isinstance(b, list):
        a, b = [part for part in a if part not in b], [part for part in b if part not in a]
    if isinstance(a, list) or isinstance(b, list):
        lines = [f"    only {side}  {_value(part)}" for side, of in (("A", a), ("B", b)) for part in of or []]
        return [f"  {one.key}", *(lines or ["    the same in another order"])]
    return [f"  {one.key}", f"    A  {_value(a)}", f"    B  {_value(b)}"]


def _value(value: Any) -> str:
    from zoo.cli._text import term

    if isinstance(value, dict):
        return term(value) if "term" in value else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value in (None, "") else str(value)


def _scores(scores: "tuple[Scores, ...]") -> list[str]:
    from zoo.cli._text import aligned, between

    def said(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    head = ("benchmark", "metric", "n", "A", "B", "B - A")
    rows = [
        (
            f"{s.dataset}/{s.split}",
            s.metric + ("" if s.judge == RULES else f" by {s.judge}"),
            str(s.n),
            said(s.a),
            said(s.b),
            between(s.b, s.a, s.bounds) if s.bounds else "not paired",
        )
        for s in scores
    ]
    return aligned([head, *rows])


def _answers(one: "Answers") -> list[str]:
    lines = [
        f"ANSWERS to {one.dataset}/{one.split}",
        f"  {one.differ} of {one.questions} differ; {one.only_a_right} are right in A alone, "
        f"{one.only_b_right} in B alone",
    ]
    for example in one.examples:
        lines += [f"  {example.question_id}: {example.prompt}", f"    truth  {example.truth}"]
        for side, answer in (("A", example.a), ("B", example.b)):
            lines.append(f"    {side} {'right' if example.right == side else 'wrong'}  {answer}")
    return lines
