"""Whether a page is whole at its width: nothing beyond the edge, no text cut off, nothing over a text."""

from pathlib import Path
from typing import Any

from tests.serving.ui._axe import rest

HIGHEST = 8000
_FAULTS = (Path(__file__).parent / "cut.js").read_text(encoding="utf-8")


def cut(page: Any) -> list[str]:
    """What is cut off, covered or beyond the edge, on the page in its full height at its width."""
    before = page.viewport_size
    height = min(HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": before["width"], "height": max(height, before["height"])})
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)  # what moves has begun to
    rest(page)
    found: list[str] = page.evaluate(_FAULTS)
    page.set_viewport_size(before)
    return found


def covered(page: Any) -> list[str]:
    """What has something over it at any scroll of the page in a window as high as it is."""
    found = []
    height = page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, max(1, height - page.viewport_size["height"] + 100), 100):
        page.evaluate(f"scrollTo(0, {top})")
        found += [(top, fault) for fault in page.evaluate(_FAULTS) if fault.startswith("covered")]
    return [f"{fault} (scrolled by {top})" for top, fault in found]
