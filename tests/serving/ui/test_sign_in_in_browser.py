"""Signing in and out in Chromium, by keys alone, without scripts on the sign-in page."""

import re
from itertools import product

import pytest

from serving.annotations.desk import Desk
from serving.annotations.people import People
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence
from tests.serving._served import served
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import LIMIT_MS, chromium, needs_chromium

NOW = ("location.pathname", "document.documentElement.style.display", "document.readyState")
pytestmark = [pytest.mark.slow, needs_chromium]
PASSWORD = "four words are easy"
SIGNED_OUT = re.compile(r"/sign-in(\?to=.*)?$")
"""Where one lands: a page that was asking for something meanwhile is sent there too, to come back."""


@pytest.fixture
def address(rig, tmp_path):
    """A server on fakes where ana may sign in."""
    desk = Desk(str(tmp_path / "ratings.db"))
    desk.accounts.add("ana", "rater", PASSWORD)
    pace = Pace(Quota(per_minute=6000, burst=1000, at_once=50))
    defence = Defence(callers=Callers(keys=None, people=People(desk.accounts)), pace=pace)
    with served(build_app(rig.service, desk=desk, defence=defence)) as address:
        yield address
    desk.close()


@pytest.fixture
def browser():
    with chromium() as browser:
        yield browser


def faults_of(page):
    """What axe-core finds of the serious kind."""
    found = violations(page)
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]


def test_who_opens_a_page_signs_in_by_keys_alone_lands_there_and_signs_out_again(browser, address):
    context = browser.new_context(viewport={"width": 820, "height": 1000})
    page = context.new_page()
    said, been = [], []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("framenavigated", lambda frame: been.append(frame.url))
    page.goto(f"{address}/rate?case=3")
    assert page.url == f"{address}/sign-in?to=/rate%3Fcase%3D3"
    page.wait_for_function("document.activeElement.name === 'name'")
    page.keyboard.type("Ana")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.wait_for_function("document.activeElement.name === 'password'")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    who = page.wait_for_selector(".mz-who:visible")
    page.locator(".mz-nothing").wait_for()
    assert f"{address}/rate?case=3" in been, "who has no such case is led on from there"
    assert re.sub(r"\s+", " ", who.inner_text()) == "signed in as ana Password Sign out"
    middles = [page.query_selector(part).bounding_box() for part in (".mz-brand", ".mz-base", ".mz-who")]
    assert len({round(box["y"] + box["height"] / 2) for box in middles}) == 1, "the head is on one line"
    (cookie,) = context.cookies()
    kept = {name: cookie[name] for name in ("name", "httpOnly", "sameSite", "secure", "path")}
    assert kept == {
        "name": "medzoo_session",
        "httpOnly": True,
        "sameSite": "Strict",
        "secure": False,
        "path": "/",
    }
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(SIGNED_OUT)
    assert context.cookies() == []
    page.goto(f"{address}/")
    assert page.url == f"{address}/sign-in?to=/"
    assert [text for text in said if "401" not in text] == []


def test_a_question_after_a_sign_out_elsewhere_leads_to_signing_in(browser, address):
    context = browser.new_context()
    page, other = context.new_page(), context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("[name=name]", "ana")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#mz-adapters label").nth(3).wait_for()
    other.goto(f"{address}/rate")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url(SIGNED_OUT)
    page.locator("#mz-compare").click()
    page.wait_for_url(f"{address}/sign-in?to=/")


def test_the_sign_in_page_is_whole_and_within_reach_of_all(browser, address):
    for theme, width in product(("light", "dark"), (1280, 820, 360)):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            bypass_csp=True,  # axe is a script
        )
        page = context.new_page()
        page.goto(f"{address}/sign-in")
        assert faults_of(page) == [], (theme, width)
        page.fill("#name", f"ana{width}")
        page.fill("#password", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        assert faults_of(page) == [], (theme, width)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        context.close()


def test_the_button_back_shows_a_page_again_to_whom_it_was_shown_and_to_nobody_after_a_sign_out(address):
    from playwright.sync_api import Error

    kept = "--disable-back-forward-cache"  # with which the driver begins every browser
    with chromium(ignore_default_args=[kept]) as browser:
        context = browser.new_context()
        page = context.new_page()
        shown = []
        page.on("console", lambda message: shown.append(message.text))
        page.goto(f"{address}/sign-in?to=/rate")
        page.fill("[name=name]", "ana")
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(".mz-who button:visible")
        page.wait_for_selector(".mz-nothing")  # a page that still asks for something is not kept
        page.evaluate("addEventListener('pageshow', (event) => console.log(`kept: ${event.persisted}`))")
        devtools = context.new_cdp_session(
            page
        )  # the driver waits in vain for the load of a page that was kept

        def ask(what):
            return devtools.send("Runtime.evaluate", {"expression": what})["result"].get("value")

        def comes_to(path, display, *told):
            now = None
            for _ in range(LIMIT_MS // 50):
                page.wait_for_timeout(50)
                try:
                    now = [ask(one) for one in NOW]
                except Error:  # between two pages there is none to ask
                    continue
                if set(told) <= set(shown) and now == [path, display, "complete"]:
                    return
            raise AssertionError((shown, now))

        def back_to(path, display):
            shown.clear()
            ask("void setTimeout(() => history.back())")
            comes_to(path, display, "kept: true")

        before = ask("document.documentElement.style.display")
        page.goto(f"{address}/browse")
        back_to("/rate", before)
        ask("document.querySelector('.mz-who button').click()")
        comes_to("/sign-in", "")
        back_to("/sign-in", "")
