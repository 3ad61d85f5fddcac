"""Objectives and differences as words, for people who read a card and not the code.

It knows the terms of the preference grid by name; a term that it does not know is shown as data.
"""

import re
from typing import Any

from zoo.manifest import Bounds

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
    """`value` against `other`: no difference where the interval of the difference holds zero."""
    if other is None:
        return "–"
    gap = f"{value - other:+.3f}"
    if interval is None:
        return f"{gap}, interval not computed"
    bounds = f"({interval.low:+.3f} to {interval.high:+.3f})"
    return f"no difference {bounds}" if interval.holds_zero else f"{gap} {bounds}"


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
