"""A card's Markdown as HTML that may stand in a page: strangers' words, so nothing of theirs is markup.

HTML in it is shown as text, links lead to http and https alone, and no picture is loaded but those that
are given here as bytes. It knows no files.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

LIMIT = 60_000
"""Most characters of a card that are shown; the zoo's own have about a third."""
_METADATA = re.compile(r"\A---\r?\n.*?^---\s*$", re.DOTALL | re.MULTILINE)
_WEB = re.compile(r"https?://[^\s/]", re.IGNORECASE)
_PNG = b"\x89PNG\r\n\x1a\n"
_LOWER = 4
"""Levels that its headings go down, below those of the page."""


def card_html(text: str, *, pictures: Mapping[str, bytes] | None = None) -> str:
    """The whole card without its metadata. `pictures` are PNGs by their place in the repo; any other one is
    left out, with its words in its place."""
    body = _METADATA.sub("", text[:LIMIT].replace("\0", ""), count=1)
    cut = '<p class="mz-soft">The card goes on; this is its beginning.</p>' if len(text) > LIMIT else ""
    return f"{_reader().render(body, {'pictures': pictures or {}})}{cut}"


def line_html(text: str) -> str:
    """A line with links in it."""
    return str(_reader().renderInline(text[:LIMIT]))


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(
        ["table", "strikethrough"]
    )
    reader.validateLink = lambda url: True  # type: ignore[method-assign]  # so that none is left as Markdown
    return reader


class _Renderer(RendererHTML):
    """HTML of a card's tokens."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<{_lower(tokens[idx].tag)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"</{_lower(tokens[idx].tag)}>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        url = str(tokens[idx].attrGet("href") or "")
        if not _WEB.match(url):
            return "<span>"
        return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        depth = 0
        for token in reversed(tokens[:idx]):
            depth += {"link_close": 1, "link_open": -1}.get(token.type, 0)
            if depth < 0:
                return "</a>" if _WEB.match(str(token.attrGet("href") or "")) else "</span>"
        return ""

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        words = self.renderInlineAsText(token.children or [], options, env)
        found = env.get("pictures", {}).get(str(token.attrGet("src") or "").removeprefix("./"))
        if found is None or not found.startswith(_PNG):
            return f'<span class="mz-soft">[picture: {escape(words)}]</span>'
        data = base64.b64encode(found).decode()
        return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="mz-scroll" role="group" tabindex="0" aria-label="Table of the card"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'


def _lower(tag: str) -> str:
    return f"h{min(6, int(tag[1:]) + _LOWER)}"
