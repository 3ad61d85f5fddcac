"""The numbers that a card claims, in whatever form, and which of them an adapter's own scores back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model_cards.evals import dataset_id, task_id
from model_cards.repo import README_NAME, Repo
from zoo.manifest import Evaluation

_RESULTS = re.compile(r"result|score|evaluat|benchmark|performance|accurac|metric|leaderboard", re.IGNORECASE)
_PRINTED = re.compile(r"(?<![\w.])[-+]?\d+\.\d{3}(?![\w.])")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)?(?![\w])")


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
    number in a table of scores, of another one each table of numbers under a heading about results."""
    text = repo.text or ""
    if repo.manifest is None:
        return [*_of_index(repo, []), *_of_files(repo, []), *_of_text(text)]
    evaluation = repo.manifest.evaluation
    return [*_of_index(repo, evaluation), *_of_files(repo, evaluation), *_of_tables(text, evaluation)]


def _of_index(repo: Repo, evaluation: list[Evaluation]) -> Iterator[Claim]:
    own = {
        (dataset_id(e.dataset), e.split, e.subset, e.metric, e.judge): e.value
        for e in evaluation
        if e.shown == "own"
    }
    for result in _dicts(repo.metadata.get("model-index"), "results"):
        dataset = _dict(result.get("dataset"))
        for metric in _dicts([result], "metrics"):
            judge = _dict(metric.get("args")).get("judge", "rules")
            key = (*(dataset.get(k) for k in ("type", "split", "config")), metric.get("type"), judge)
            named = [str(dataset.get(k)) for k in ("type", "split", "config") if dataset.get(k)]
            yield _claim(
                f"model-index of {README_NAME}",
                f"{metric.get('type')} on {'/'.join(named)}",
                metric.get("value"),
                own,
                key,
            )


def _of_files(repo: Repo, evaluation: list[Evaluation]) -> Iterator[Claim]:
    own = {(dataset_id(e.dataset), task_id(e)): e.value for e in evaluation}
    for where, entries in repo.results.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            entry = _dict(entry)
            dataset = _dict(entry.get("dataset"))
            key = (dataset.get("id"), dataset.get("task_id"))
            yield _claim(where, "/".join(map(str, key)), entry.get("value"), own, key)


def _of_tables(text: str, evaluation: list[Evaluation]) -> Iterator[Claim]:
    """Numbers are told apart from an answer's by the table's head, which names a metric."""
    own = {number for e in evaluation for number in _printed(e)}
    is_scores = False
    above = ""
    for line in text.splitlines():
        if line.startswith("|---"):
            is_scores = "| metric |" in above
        elif is_scores and line.startswith("|"):
            named = " ".join(cell.strip() for cell in line.split("|")[1:4])
            for number in _PRINTED.findall(line):
                yield Claim(
                    where=f"a table of {README_NAME}",
                    what=named,
                    value=number,
                    backed=number in own,
                    own=None if number in own else "no such number",
                )
        else:
            is_scores = False
        above = line


def _printed(e: Evaluation) -> Iterator[str]:
    """A score's numbers as a card's tables print them."""
    for value in (e.value, e.low, e.high, e.base_value, e.sft_value, e.own_value):
        if value is not None:
            yield f"{value:.3f}"
    for other, bounds in ((e.base_value, e.over_base), (e.sft_value, e.over_sft), (e.own_value, e.lost)):
        if other is not None:
            yield from (f"{sign * (e.value - other):+.3f}" for sign in (1, -1))
        if bounds is not None:
            yield from (f"{bounds.low:+.3f}", f"{bounds.high:+.3f}")


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


def _claim(where: str, what: str, value: Any, own: dict[Any, float], key: Any) -> Claim:
    try:
        mine = own.get(key)
    except TypeError:  # a key that is a list or a mapping is no key of ours
        mine = None
    backed = mine is not None and not isinstance(value, bool) and value == mine
    return Claim(where=where, what=what, value=value, backed=backed, own=mine)


def _dict(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _dicts(raw: Any, key: str) -> Iterator[dict[str, Any]]:
    """The mappings in the lists that the mappings of a list hold under `key`."""
    for one in raw if isinstance(raw, list) else []:
        inside = _dict(one).get(key)
        yield from (each for each in (inside if isinstance(inside, list) else []) if isinstance(each, dict))
