"""The page Browse in a real browser. `MEDZOO_SCREENSHOTS=FOLDER` keeps pictures of it."""

import os
from typing import Any

import pytest

from serving.app import build_app
from tests.serving._served import served
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium
from zoo.hub import RepoRef

pytestmark = [pytest.mark.slow, needs_chromium]
ASKED = "**/component_server/"
CARD = """---
license: apache-2.0
---
# Card of mdpo

<script>window.pwned = 1</script> <img src=x onerror="window.pwned = 1">
[bad](javascript:window.pwned=1) [good](https://example.org/paper)

| a | b |
|---|--:|
| 1 | 2 |
"""


@pytest.fixture
def address(make_rig: Any, make_adapter: Any) -> Any:
    """The pages of a server with three adapters and one that is not on its Hub."""
    rig = make_rig()
    (rig.hub.fetch("local/mdpo", "2" * 40) / "README.md").write_text(CARD)
    rig.library.names.name("lost", RepoRef("local/lost"), replace=False)
    with served(build_app(rig.service)) as address:
        yield address


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("MEDZOO_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def serious(page: Any) -> list[Any]:
    found = violations(page, context="#mz-browse")
    return [one for one in found if one["impact"] in ("serious", "critical")]


def visible(page: Any, what: str) -> int:
    return page.locator(f"{what}:visible").count()


def test_the_zoo_is_browsed_by_filter_by_address_and_by_card(address: Any) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on("pageerror", lambda fault: wrong.append(str(fault)))
        page.goto(f"{address}/browse#text_hallu")
        page.wait_for_selector(".mz-variant")
        assert page.evaluate("document.activeElement.dataset.variant") == "text_hallu"
        assert page.locator(".mz-find [role=status]").text_content() == "3 adapters, 3 variants"
        assert page.locator(".mz-absent b").all_text_contents() == ["lost"]
        assert serious(page) == []

        asked: list[str] = []
        page.on("request", lambda one: one.resource_type in ("fetch", "xhr") and asked.append(one.url))
        page.get_by_label("Show only").fill("phantom mdpo")
        assert page.locator(".mz-find [role=status]").text_content() == "1 of 3 adapters"
        assert visible(page, ".mz-variant") == 1
        first = page.locator(".mz-ladder").first
        assert first.locator("tbody tr:visible th").all_inner_texts() == [
            "mdpo",
            "sft",
            "SFT, not served here",
            "base",
        ]
        assert asked == []
        others = page.locator(".mz-others")
        page.get_by_label("Show only").fill("medgemma")
        assert others.locator("h3:visible").all_inner_texts() == ["medgemma-4b"]
        page.get_by_label("Show only").fill("nothing of the kind")
        assert visible(page, ".mz-variant") == visible(page, ".mz-others") == 0
        page.evaluate("location.hash = 'sft'")
        page.wait_for_function("document.activeElement.dataset.variant === 'sft'")
        assert visible(page, ".mz-variant") == 3
        assert others.is_visible()
        assert others.get_attribute("open") is None  # folded again

        mdpo = page.locator("[data-variant=mdpo]")
        mdpo.locator("summary").get_by_text("Card").click()
        mdpo.locator(".mz-card-text h5").get_by_text("Card of mdpo").wait_for()
        assert "<script>window.pwned = 1</script>" in mdpo.locator(".mz-card-text").inner_text()
        links = mdpo.locator(".mz-card-text a").evaluate_all("all => all.map((one) => one.href)")
        assert links == ["https://example.org/paper"]
        mdpo.locator("summary").get_by_text("How it was made").click()
        assert page.evaluate("window.pwned") is None
        assert serious(page) == []
        shot(page, "browse-1280")
        page.set_viewport_size({"width": 820, "height": 1100})
        every = "[...document.querySelectorAll('.mz-browse .mz-scroll, html')]"
        assert page.evaluate(f"{every}.every((one) => one.scrollWidth <= one.clientWidth)")
        shot(page, "browse-820")
        assert wrong == []


def test_a_server_that_is_away_is_said_and_can_be_asked_again(address: Any) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.route(ASKED, lambda route: route.abort())
        page.goto(f"{address}/browse")
        page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()
        page.unroute(ASKED)
        page.route(ASKED, lambda route: route.fulfill(status=503, body="{}"))
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()
        page.unroute(ASKED)
        page.get_by_role("button", name="Try again").click()
        page.wait_for_selector(".mz-variant")

        page.route(ASKED, lambda route: route.abort())
        card = page.locator("[data-card=mdpo]")
        card.locator("summary").click()
        card.get_by_role("alert").wait_for()
        page.unroute(ASKED)
        card.locator("summary").click()
        card.locator(".mz-problem").wait_for(state="detached")
        card.locator("summary").click()
        card.locator("h5").wait_for()
