import re
import time
from html.parser import HTMLParser

import pytest

from serving.ui.browse.cards import card_of
from serving.ui.browse.markdown import LIMIT, card_html, line_html
from tests.serving.ui._shelf import absent, listing

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
TAGS = {
    "a",
    "blockquote",
    "br",
    "code",
    "div",
    "em",
    "h5",
    "h6",
    "hr",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
}
TAGS |= {"strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
ATTRIBUTES = {
    "href",
    "target",
    "rel",
    "src",
    "alt",
    "class",
    "style",
    "role",
    "tabindex",
    "aria-label",
    "start",
}


class Seen(HTMLParser):
    """Tags and attributes of HTML, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "<svg><script>alert(1)</script></svg>",
    "<div><p onclick=alert(1)><b>nested</div>",
    "<!-- <script>alert(1)</script> -->",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "</div></details></section><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example/x)",
    "[x](/sign-out)",
    "<javascript:alert(1)>",
    '[x](https://a.example/"onmouseover="alert(1))',
    '[x](https://a.example "t\\"onmouseover=alert(1)")',
    "[x]\n\n[x]: javascript:alert(1)",
    "![x](data:text/html,<script>alert(1)</script>)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](https://evil.example/pixel.png)",
    '![x" onerror="alert(1)](training.png)',
    "![<img src=x onerror=alert(1)>](training.png)",
    '```"><script>alert(1)</script>\nx\n```',
    "    <script>alert(1)</script>",
    "`<script>alert(1)</script>`",
    '|<script>|\n|---|\n|<img src=x onerror="alert(1)">|',
    "# <script>alert(1)</script>",
    "---\na: 1\n---\n<script>alert(1)</script>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_card_is_markup_of_its_own(text):
    for tag, attributes in Seen(card_html(text, pictures={"training.png": PNG}) + line_html(text)).tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES
        assert attributes.get("href", "https://").startswith("https://")
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert attributes.get("class", "mz-soft") in ("mz-soft", "mz-scroll")
        assert re.fullmatch(r"text-align:(left|right|center)", attributes.get("style", "text-align:left"))


def test_links_to_the_web_open_apart_and_tell_nobody_where_they_were():
    assert card_html("[a *b*](https://c.example/d?e=1&f=2)") == (
        '<p><a href="https://c.example/d?e=1&amp;f=2" target="_blank" rel="noopener noreferrer nofollow">a '
        "<em>b</em></a></p>\n"
    )


def test_a_link_into_the_repo_is_its_words_alone():
    assert card_html("see [`log.jsonl`](log.jsonl).") == "<p>see <span><code>log.jsonl</code></span>.</p>\n"


def test_the_metadata_of_a_card_is_left_out_and_its_headings_stand_below_the_pages():
    text = "---\nlicense: apache-2.0\n---\n\n# Title\n\n## Part\n\n---\n\nend\n"
    assert card_html(text) == "<h5>Title</h5>\n<h6>Part</h6>\n<hr />\n<p>end</p>\n"


def test_a_picture_of_the_repo_is_shown_and_any_other_is_named():
    html = card_html(
        "![the run](training.png) ![far](https://x.example/y.png)", pictures={"training.png": PNG}
    )
    assert html == (
        '<p><img src="data:image/png;base64,iVBORw0KGgpwaWN0dXJl" alt="the run"> '
        '<span class="mz-soft">[picture: far]</span></p>\n'
    )


def test_a_picture_that_is_no_png_is_left_out():
    html = card_html("![the run](training.png)", pictures={"training.png": b"<svg onload=alert(1)>"})
    assert html == '<p><span class="mz-soft">[picture: the run]</span></p>\n'


@pytest.mark.parametrize(
    "text",
    [
        "word " * 10**6,
        "[" * 10**6,
        "*a_" * 10**6,
        "![a](" * 10**6,
        ">" * 10**6,
        "---\n" + "a\n" * 10**6,
        "|-" * 10**6,
    ],
    ids=["words", "brackets", "stars", "pictures", "quotes", "metadata", "columns"],
)
def test_a_huge_card_is_cut_and_quickly(text):
    began = time.process_time()
    html = card_html(text)
    assert time.process_time() - began < 20  # seconds, on a slow machine too
    assert len(html) < 8 * LIMIT
    assert html.endswith('<p class="mz-soft">The card goes on; this is its beginning.</p>')


def test_the_card_is_that_of_the_files_that_are_served(make_adapter):
    folder = make_adapter()
    (folder / "README.md").write_text("---\na: 1\n---\n# Card of *this* commit\n\n![run](training.png)\n")
    (folder / "training.png").write_bytes(PNG)
    assert card_of(listing(folder)) == (
        "<h5>Card of <em>this</em> commit</h5>\n"
        '<p><img src="data:image/png;base64,iVBORw0KGgpwaWN0dXJl" alt="run"></p>\n'
    )


def test_a_picture_too_large_is_left_out(make_adapter):
    folder = make_adapter()
    (folder / "README.md").write_text("![run](training.png)")
    (folder / "training.png").write_bytes(PNG + bytes(2**20))
    assert card_of(listing(folder)) == '<p><span class="mz-soft">[picture: run]</span></p>\n'


def test_a_card_that_is_not_text_or_not_there_is_no_fault(make_adapter):
    folder = make_adapter()
    assert "without a card" in card_of(listing(folder))
    (folder / "README.md").write_bytes(b"\xff\xfe ok \0")
    assert "ok" in card_of(listing(folder))


def test_an_adapter_that_is_not_here_has_its_reason_in_place_of_a_card():
    assert card_of(absent("mdpo", "no <such> repo")) == '<p class="mz-problem">no &lt;such&gt; repo</p>'
