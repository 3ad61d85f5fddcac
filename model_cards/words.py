"""Objectives and differences as words, for people who read a card and not the code.

It knows the terms of the preference grid by name; a term that it does not know is shown as data.
"""

import re
from collections.abc import Sequence
from typing import Any

from zoo.errors import UnknownName
from zoo.evaluation.correction import stands
from zoo.evaluation.metrics import get_metric
from zoo.manifest import Bounds, Evaluation
from zoo.records import RULES
from zoo.vllm import RANKS

BRANCHES = {
    "chosen": "the chosen response under the chosen image",
    "rejected_response": "the rejected response under the chosen image",
    "rejected_image": "the chosen response under the rejected image",
    "rejected_both": "the rejected response under the rejected image",
    "question": "the question itself under the chosen image",
}
SENTENCES = {
    "Imitate": "Imitate {branch}: negative log-likelihood, the mean over its tokens",
    "Prefer": "Prefer {preferred} over {over}, each measured against the reference",
    "Anchor": "Keep {branch} at least as likely as the reference has it",
    "TokenKL": "Keep the distribution over the vocabulary near the reference's at the tokens of {branch}",
    "PreferOverArgmax": "Prefer {preferred} over the model's own likeliest tokens when it reads {noised}",
    "Reinforce": "Make the tokens of {branch} likelier or rarer by the reward of each (policy gradient)",
}
REFERENCED = ("Prefer", "Anchor", "TokenKL", "PreferOverArgmax")
"""Terms that measure against the reference."""
SHOWN = {"noise": "noise in its place", "other": "another patient's picture"}
"""What an image ablation shows."""
WRITTEN_BY = "Card written by MedVLM Zoo"
"""In front of the version, at a card's end."""
QUOTED = 300
"""Most characters of an answer that a card quotes."""
NO_LORA_NUMBERS = ("2601.17918",)
"""arXiv numbers of papers that report full fine-tuning alone."""


def term(data: dict[str, Any]) -> str:
    """One term of an objective as a sentence, with its numbers behind it."""
    name = str(data.get("term", "term"))
    sentence = SENTENCES.get(name, f"`{name}`")
    named = set(re.findall(r"\{(\w+)\}", sentence))
    if not named <= data.keys():
        sentence, named = f"`{name}`", set()
    words = sentence.format(**{key: BRANCHES.get(str(data[key]), str(data[key])) for key in named})
    rest = [
        f"{key} {value}" for key, value in data.items() if key not in {"term", *named} and value is not None
    ]
    return f"{words} ({', '.join(rest)})" if rest else words


def difference(value: float, other: float | None, interval: Bounds | None) -> str:
    """`value` against `other`: no difference where the interval of the difference holds zero. A dash where
    there is no other, or where it is the adapter itself."""
    if other is None or (interval is None and value == other):
        return "–"
    return gap(_apart(value, other, interval), interval)


def _apart(value: float, other: float, interval: Bounds | None) -> float:
    """The difference as it was paired, which lost replies can make another than that of the scores."""
    stated = interval.value if interval else None
    return value - other if stated is None else stated


def gap(value: float, interval: Bounds | None) -> str:
    """A difference with its interval, and whether the correction for many comparisons takes it away."""
    said = f"{value:+.3f}"
    if interval is None:
        return f"{said}, interval not computed"
    bounds = f"({interval.low:+.3f} to {interval.high:+.3f})"
    if interval.holds_zero:
        return f"no difference {bounds}"
    return f"{said} {bounds}{'' if _stands(interval) else ', not after correction'}"


def _stands(interval: Bounds) -> bool:
    """Whether the correction for many comparisons, where there was one, leaves the difference."""
    return interval.adjusted_p is None or stands(interval.adjusted_p)


def in_short(e: Evaluation) -> str:
    """A score against base and SFT in a sentence without numbers; empty where it is compared with neither."""
    said = [
        f"{_beside(_apart(e.value, other, bounds), bounds)} {whose}"
        for other, bounds, whose in (
            (e.base_value, e.over_base, "the base's"),
            (e.sft_value, e.over_sft, "SFT's"),
        )
        if other is not None and bounds is not None
    ]
    where = f"{cell(e.dataset)}/{cell(e.split)}"
    return f"In short, on {where} its {scored_by(e)} is {' and is '.join(said)}." if said else ""


def _beside(gap: float, interval: Bounds) -> str:
    if interval.holds_zero or not _stands(interval):
        return "not shown to differ from"
    return "higher than" if gap > 0 else "lower than"


def scored_by(e: Evaluation) -> str:
    """The metric, with the judge of one that needs a judge."""
    return cell(e.metric if e.judge == RULES else f"{e.metric}, judged by {e.judge}")


def questions(e: Evaluation) -> str:
    """How many questions a score rests on, and how many of them the judge's reply was lost for."""
    return f"{e.n} ({e.failed} not judged)" if e.failed else str(e.n)


def image_matters(rows: Sequence[Evaluation]) -> str:
    """What an ablation's rows say, in a sentence: whether the answers need the picture."""
    whole = [e for e in rows if e.subset == "all"]
    blind = [e for e in whole if not _needs_picture(e)]
    if not blind:
        falls = "falls" if all(_better(e.metric) > 0 for e in whole) else "gets worse"
        return f"With them the score {falls}: the answers rest on the image." if whole else ""
    named = "; ".join(f"{e.dataset}/{e.split}, {SHOWN[e.shown]} (n {e.n})" for e in blind)
    return (
        f"**That the image matters is not shown on {named}**: the answers may come from the question alone."
    )


def _needs_picture(e: Evaluation) -> bool:
    """Whether an ablation's score is worse than that with the questions' own pictures."""
    if e.lost is None or not _stands(e.lost):
        return False
    return e.lost.low > 0.0 if _better(e.metric) > 0 else e.lost.high < 0.0


def _better(metric: str) -> int:
    """1 where more is better, as for a metric that is not known here, else -1."""
    try:
        return get_metric(metric).better
    except UnknownName:
        return 1


def vllm_rank(rank: int) -> int:
    """The smallest rank that vLLM keeps room for and that this one fits in."""
    return next((known for known in RANKS if known >= rank), rank)


def quoted(text: str) -> str:
    """A model's or a data set's words in a table's cell, with nothing left that Markdown reads."""
    short = " ".join(text.split())
    short = short if len(short) <= QUOTED else short[: QUOTED - 1] + "…"
    return re.sub(r"([\\`*_<>\[\]|#~&$])", r"\\\1", short) or "(nothing)"


def published_numbers(paper: str) -> str:
    """What the paper's own numbers mean for this adapter; empty where there is no paper."""
    if not paper:
        return ""
    full = " and ".join(f"arXiv {number}" for number in NO_LORA_NUMBERS if number in paper)
    lora = (
        f"**LoRA versions have no published numbers**: those of {full} come from full fine-tuning. "
        if full
        else ""
    )
    return linked(
        f"{lora}Nothing here reproduces a paper's number: its bases, its data and its training were others."
    )


def linked(paper: str) -> str:
    """The citation with its arXiv numbers as links."""
    return re.sub(r"arXiv[ :](\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
