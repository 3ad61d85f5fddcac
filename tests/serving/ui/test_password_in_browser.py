"""A person changes their password in Chromium, by keys alone and without scripts on the page."""

from itertools import product
from urllib.parse import quote

import pytest

from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._cut import cut
from tests.serving.ui._ward import PASSWORD, open_list, ward

pytestmark = [pytest.mark.slow, needs_chromium]
NEW = "seven words of a ward"


def faults_of(page):
    """What axe-core finds of the serious kind, and what is cut off."""
    found = violations(page)
    serious = [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ]
    return serious + cut(page)


def press(page, *keys):
    """Type a text or press a key, one after the other."""
    for one in keys:
        (page.keyboard.press if one in ("Tab", "Enter") else page.keyboard.type)(one)


def focused(page, name):
    page.wait_for_function("name => document.activeElement?.name === name", arg=name)


def test_by_keys_alone_from_a_page_and_back_to_it_and_elsewhere_one_is_signed_out(rig, tmp_path):
    with ward(rig.service, tmp_path / "ratings.db") as ours, chromium() as browser:
        page = ours.sign_in(browser.new_context(viewport={"width": 820, "height": 1000}), "ana")
        other = ours.sign_in(browser.new_context(), "ana")
        other.goto(f"{ours.address}/lists")
        other.get_by_role("button", name="Sign out").wait_for()
        made = open_list(ours.desk, count=2)
        second = f"/rate?list={made.id}&case={ours.desk.lists.cases(made.id)[1].id}"
        page.goto(f"{ours.address}{second}")
        page.locator(".mz-answer").first.wait_for()
        link = page.get_by_role("link", name="Password")
        link.focus()
        link.press("Enter")
        page.wait_for_url(f"{ours.address}/password?to={quote(second, safe='')}")
        focused(page, "old")
        press(page, "wrong words", "Tab", NEW, "Tab", NEW, "Enter")
        page.get_by_role("alert").wait_for()
        focused(page, "old")
        press(page, PASSWORD, "Tab", NEW, "Tab", NEW, "Enter")
        page.get_by_text("Your password is changed.").wait_for()
        page.wait_for_function("document.activeElement.textContent === 'Go on'")
        press(page, "Enter")
        page.wait_for_url(f"{ours.address}{second}")
        page.get_by_role("button", name="Sign out").wait_for()
        other.reload()
        assert other.url == f"{ours.address}/sign-in?to=/lists"
        other.fill("[name=name]", "ana")
        other.fill("[name=password]", NEW)
        other.keyboard.press("Enter")
        other.get_by_role("link", name="Password").wait_for()
        for theme, width in product(("light", "dark"), (1280, 820, 360)):
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
                bypass_csp=True,  # axe is a script
            )
            ours.desk.accounts.set_password("ben", PASSWORD)
            page = ours.sign_in(context, "ben")
            page.goto(f"{ours.address}/password")
            assert faults_of(page) == [], (theme, width)
            for words, told in (("other words here", "alert"), (NEW, "status")):
                for field, typed in (("old", PASSWORD), ("new", NEW), ("again", words)):
                    page.fill(f"#{field}", typed)
                page.keyboard.press("Enter")
                page.get_by_role(told).wait_for()
                assert faults_of(page) == [], (theme, width, told)
            context.close()
