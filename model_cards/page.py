"""A template of this package filled in, below the metadata that a Hub reads. Knows no manifest."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, RepoCard
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model_cards import words
from zoo.notice import NOTICE

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # Markdown, not HTML
)
_FRAME = "---\n{{ card_data }}\n---\n\n{{ body }}\n"


def page(kind: type[RepoCard], template: str, data: CardData, **values: Any) -> str:
    """The README.md of that template, such as `adapter.md.j2`, with its values, the notice and `words`."""
    body = _ENVIRONMENT.get_template(template).render(notice=NOTICE, words=words, **values)
    body = re.sub(r"\n{3,}", "\n\n", body.strip())
    return str(kind.from_template(data, template_str=_FRAME, body=body))
