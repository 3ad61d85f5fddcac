"""What a pair set is, what was dropped on the way, and what its lengths alone give away."""

import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import BadRecord
from zoo.records import PreferencePair

REPORT_NAME = "pairs.json"
_MOST_MAKERS = 12
"""That the report for people names."""
_MAKER_KEYS = ("writer", "judge", "rejected_image", "roi", "policy", "weighed_by", "asked_by")


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """What a pair set is and how it came to be."""

    variant: str
    base: str
    """`name@revision` of the base that the pairs are meant for."""
    policy: str
    """What answered where the steps ask the policy: the base, an adapter on it, a file; empty if nothing."""
    dataset: str
    split: str
    license: str
    publishable: bool
    """Whether the data set's licence lets the pairs be published."""
    seed: int
    steps: list[dict[str, Any]]
    """The steps with all their numbers, in order."""
    questions: int
    kept: int
    dropped: dict[str, int]
    """Drafts that gave no pair, by reason."""
    halves: dict[str, int]
    """Pairs by what is rejected: `response`, `image`, `both`, `none`."""
    words: dict[str, dict[str, float]]
    """Length of chosen and rejected responses in words: mean, median, most."""
    longer_is_chosen: float
    """Share of pairs whose chosen response is the longer, ties counted half."""
    length_only_accuracy: float
    """How often the chosen response is guessed right from the lengths alone, by the better of the two rules
    "the longer" and "the shorter"."""
    makers: list[str]
    fingerprint: str
    """sha256 over the pairs and the images."""

    def lines(self) -> list[str]:
        """The report for people."""
        found = [f"{self.kept} pairs from {self.questions} questions of {self.dataset}/{self.split}"]
        found += [f"  dropped {count}: {reason}" for reason, count in self.dropped.items()]
        found.append("  rejected: " + ", ".join(f"{what} {count}" for what, count in self.halves.items()))
        found += [
            f"  {side}: {w['mean']} words on average, median {w['median']}, at most {w['most']}"
            for side, w in self.words.items()
        ]
        if "rejected" in self.words:
            found.append(
                f"  guessing the chosen response by length alone: {self.length_only_accuracy:.1%} right"
            )
        found += [f"  by: {maker}" for maker in self.makers[:_MOST_MAKERS]]
        if len(self.makers) > _MOST_MAKERS:
            found.append(f"  and by {len(self.makers) - _MOST_MAKERS} more, see {REPORT_NAME}")
        return found


def read_report(folder: Path) -> PairReport:
    """The report of a pair set.

    Raises:
        BadRecord: the folder is no pair set, or its report is broken.
    """
    path = folder / REPORT_NAME
    if not path.is_file():
        raise BadRecord(f"{folder} is no pair set: it has no {REPORT_NAME}", hint="medzoo pairs --help")
    try:
        return PairReport(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise BadRecord(f"{path}: not the report of a pair set ({error})") from error


def write_report(folder: Path, report: PairReport) -> None:
    """Write the report into the folder of its pair set."""
    (folder / REPORT_NAME).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def fingerprint(folder: Path) -> str:
    """sha256 over a pair set's records and images, by relative path and content.

    Its report and card do not count, nor do hidden files, which a download from a Hub leaves.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if name.name in (REPORT_NAME, "README.md") or any(part.startswith(".") for part in name.parts):
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def makers_of(pairs: Sequence[PreferencePair]) -> list[str]:
    """Everything named as a maker in the pairs' records, sorted."""
    named = {(key, str(p.made_by[key])) for p in pairs for key in _MAKER_KEYS if key in p.made_by}
    return sorted({name.partition(":")[0] if key == "roi" else name for key, name in named})


def halves_of(pairs: Sequence[PreferencePair]) -> dict[str, int]:
    """Pairs by what is rejected."""
    names = {(False, False): "none", (True, False): "response", (False, True): "image", (True, True): "both"}
    counted = Counter(names[p.rejected is not None, p.rejected_images is not None] for p in pairs)
    return dict(sorted(counted.items()))


def words_of(pairs: Sequence[PreferencePair]) -> dict[str, dict[str, float]]:
    """Length statistics of the responses in words."""
    texts = {"chosen": [p.chosen for p in pairs], "rejected": [p.rejected for p in pairs if p.rejected]}
    return {side: _statistics([len(t.split()) for t in found]) for side, found in texts.items() if found}


def longer_is_chosen(pairs: Sequence[PreferencePair]) -> float:
    """Share of pairs whose chosen response has more characters, ties counted half; 0.5 where nothing is
    rejected."""
    halves = [
        0.5 if len(p.chosen) == len(p.rejected) else float(len(p.chosen) > len(p.rejected))
        for p in pairs
        if p.rejected is not None
    ]
    return round(sum(halves) / len(halves), 4) if halves else 0.5


def _statistics(lengths: Sequence[int]) -> dict[str, float]:
    return {
        "mean": round(statistics.mean(lengths), 2),
        "median": statistics.median(lengths),
        "most": max(lengths),
    }
