"""The numbers that a card claims, in whatever form, and which of them an adapter's own scores back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_cards import words
from model_cards.evals import dataset_id, task_id
from model_cards.repo import README_NAME, Repo
from zoo.manifest import Evaluation
from zoo.records import RULES

_RESULTS = re.compile(r"result|score|evaluat|benchmark|performance|accurac|metric|leaderboard", re.IGNORECASE)
_PRINTED = re.compile(r"(?<![\w.])[-+]?\d+\.\d{3}(?![\w.])")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)?(?![\w])")
_STATED = re.compile(r"(?<![\w.:/-])(?!95 ?%)(?:\d+\.\d+(?![\w.])|\d+(?= ?%))")
"""A decimal or a percentage in running text; 95 % is that of the intervals."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A score that a card states."""

    where: str
    """The file, and the place in it."""
    what: str
    """What was measured, in the card's words."""
    value: Any
    backed: bool
    """Whether the manifest has this very score."""
    own: Any = None
    """What the manifest has in its place, if it has that score with another value."""


def claims(repo: Repo) -> list[Claim]:
    """Every score of `model-index` and `.eval_results`, and those of the text: of a card of the zoo each
    number in a table of scores or in a sentence about them, of another one each table of numbers under a
    heading about results."""
    text = repo.text or ""
    if repo.manifest is None:
        return [*_of_index(repo, []), *_of_files(repo, []), *_of_text(text)]
    evaluation = repo.manifest.evaluation
    return [
        *_of_index(repo, evaluation),
        *_of_files(repo, evaluation),
        *_of_tables(text, evaluation),
        *_of_sentences(text, evaluation),
    ]


def _of_index(repo: Repo, evaluation: list[Evaluation]) -> Iterator[Claim]:
    own = {
        (dataset_id(e.dataset), e.split, e.subset, e.metric, e.judge): e
        for e in evaluation
        if e.shown == "own"
    }
    for result in _dicts(repo.metadata.get("model-index"), "results"):
        dataset = _dict(result.get("dataset"))
        for metric in _dicts([result], "metrics"):
            more = _dict(metric.get("args"))
            judge = more.get("judge", RULES)
            key = (*(dataset.get(k) for k in ("type", "split", "config")), metric.get("type"), judge)
            named = [str(dataset.get(k)) for k in ("type", "split", "config") if dataset.get(k)]
            what = f"{metric.get('type')} on {'/'.join(named)}"
            where, mine = f"model-index of {README_NAME}", _found(own, key)
            yield _claim(where, what, metric.get("value"), mine and mine.value)
            for name in ("low", "high", "n"):
                if mine is not None and name in more and more[name] != getattr(mine, name):
                    yield _claim(where, f"{name} of {what}", more[name], getattr(mine, name))


def _of_files(repo: Repo, evaluation: list[Evaluation]) -> Iterator[Claim]:
    own = {(dataset_id(e.dataset), task_id(e)): e for e in evaluation}
    for where, entries in repo.results.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            entry = _dict(entry)
            dataset = _dict(entry.get("dataset"))
            key = (dataset.get("id"), dataset.get("task_id"))
            what, mine = "/".join(map(str, key)), _found(own, key)
            yield _claim(where, what, entry.get("value"), mine and mine.value)
            if mine is not None:
                bounds = [f"{mine.low:g}", f"{mine.high:g}"]
                for number in _STATED.findall(str(entry.get("notes", "")).replace(mine.judge, "")):
                    if number not in bounds:
                        yield _claim(where, f"interval of {what}", number, " to ".join(bounds))


def _of_tables(text: str, evaluation: list[Evaluation]) -> Iterator[Claim]:
    """Numbers are told apart from an answer's by the table's head, which names a metric. Those of a row are
    held against the scores that it names."""
    scores: dict[tuple[str, ...], Evaluation] = {}
    for e in evaluation:
        named = (f"{words.cell(e.dataset)}/{words.cell(e.split)}", words.scored_by(e), words.cell(e.subset))
        scores[(*named, *([words.SHOWN[e.shown]] if e.shown != "own" else []))] = e
    names = 0
    above = ""
    for line in text.splitlines():
        if line.startswith("|---"):
            names = 0 if "| metric |" not in above else 4 if "| shown |" in above else 3
        elif names and line.startswith("|"):
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            mine = scores.get(cells[:names])
            in_order, others = _printed(mine) if mine else ([], [])
            said = _PRINTED.findall(line)
            plain = [number for number in said if number[0] not in "+-"]
            for place, number in enumerate(plain):
                yield _number(cells[:names], number, in_order[place : place + 1])
            for number in said:
                if number[0] in "+-":
                    yield _number(cells[:names], number, others)
        else:
            names = 0
        above = line


def _number(named: Sequence[str], number: str, own: Sequence[str]) -> Claim:
    """A number in a table, which `own` holds if it is right."""
    right = number in own
    return Claim(
        where=f"a table of {README_NAME}",
        what=" ".join(named),
        value=number,
        backed=right,
        own=None if right else own[0] if len(own) == 1 else "no such number",
    )


def _of_sentences(text: str, evaluation: list[Evaluation]) -> Iterator[Claim]:
    """Decimals and percentages in sentences about scores, outside tables and code."""
    own = {number for e in evaluation for numbers in _printed(e) for number in numbers}
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if fenced or line.startswith("|") or not _RESULTS.search(line):
            continue
        for number in _STATED.findall(line):
            yield Claim(where=README_NAME, what=line[:60], value=number, backed=number in own)


def _printed(e: Evaluation) -> tuple[list[str], list[str]]:
    """A score's numbers as a card's tables print them: values in their order, and differences."""
    values = (
        (e.value, e.low, e.high, e.base_value, e.sft_value) if e.shown == "own" else (e.own_value, e.value)
    )
    return [f"{value:.3f}" for value in values if value is not None], list(_differences(e))


def _differences(e: Evaluation) -> Iterator[str]:
    for other, bounds in ((e.base_value, e.over_base), (e.sft_value, e.over_sft), (e.own_value, e.lost)):
        if other is not None:
            yield from (f"{sign * (e.value - other):+.3f}" for sign in (1, -1))
        if bounds is not None:
            stated = (bounds.low, bounds.high, bounds.value)
            yield from (f"{number:+.3f}" for number in stated if number is not None)


def _of_text(text: str) -> Iterator[Claim]:
    heading = ""
    numbers: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        fenced ^= line.lstrip().startswith("```")
        if not fenced and line.lstrip().startswith("|"):
            cells = line.strip().strip("|").split("|")[1:]
            numbers += [number for cell in cells for number in _NUMBER.findall(cell)]
            continue
        if numbers and _RESULTS.search(heading):
            said = f"{numbers[0]} and {len(numbers) - 1} numbers more" if numbers[1:] else numbers[0]
            yield Claim(where=README_NAME, what=f"a table under {heading!r}", value=said, backed=False)
        numbers = []
        if not fenced and line.startswith("#"):
            heading = line.lstrip("# ").strip()


def _found(own: Mapping[Any, Evaluation], key: Any) -> Evaluation | None:
    try:
        return own.get(key)
    except TypeError:  # a key that is a list or a mapping is no key of ours
        return None


def _claim(where: str, what: str, value: Any, mine: Any) -> Claim:
    backed = mine is not None and not isinstance(value, bool) and value == mine
    return Claim(where=where, what=what, value=value, backed=backed, own=mine)


def _dict(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _dicts(raw: Any, key: str) -> Iterator[dict[str, Any]]:
    """The mappings in the lists that the mappings of a list hold under `key`."""
    for one in raw if isinstance(raw, list) else []:
        inside = _dict(one).get(key)
        yield from (each for each in (inside if isinstance(inside, list) else []) if isinstance(each, dict))
