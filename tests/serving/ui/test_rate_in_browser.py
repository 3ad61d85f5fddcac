"""Blind rating in a real browser, against a real server and database."""

import re

import pytest

from serving.annotations.clicks import AnswerState
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._ward import TEXTS, open_list, ward

pytestmark = [pytest.mark.slow, needs_chromium]
KEYS = {"none": "n", "minor": "m", "severe": "s"}


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def place(rig, tmp_path):
    with ward(rig.service, tmp_path / "ratings.db") as place:
        yield place


@pytest.fixture
def open_page(browser, place):
    """Call it for the page Rate as somebody sees it once a case is there."""
    contexts = []

    def open_page(name, *, width=1280, height=900, path="/rate", setup=None, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = place.sign_in(contexts[-1], name)
        if setup:
            setup(page)
        page.goto(place.address + path)
        page.wait_for_selector(".mz-case, .mz-thanks, .mz-list-card")
        page.locator(".mz-who b").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def saved(page):
    """Wait until the server has every mark."""
    page.evaluate("document.activeElement.blur()")
    page.wait_for_function("dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    page.wait_for_function("document.querySelector('.mz-saved').textContent === 'Saved'")


def said(place, case, rater):
    """What is kept, by the adapters' names."""
    answers = place.said(case, rater).answers
    return {
        one.adapter: answers[one.answer_sha256]
        for one in place.desk.lists.answers(case)
        if one.answer_sha256 in answers
    }


def letters(page):
    """Which text stands at which letter."""
    found = page.locator(".mz-answer").evaluate_all(
        "all => all.map(one => [one.querySelector('.mz-rate-text').textContent, one.dataset.letter])"
    )
    return {name: dict(found)[text] for name, text in TEXTS.items()}


def faults(page):
    """Serious faults that axe-core finds in what is ours on the page."""
    found = violations(page, context="section.mz-rate")
    return [(one["id"], one["impact"]) for one in found if one["impact"] in ("serious", "critical")]


def test_a_case_is_rated_by_keys_alone_and_names_come_after(open_page, place):
    made = open_list(place.desk, count=2)
    page = open_page("ana")
    first, second = (case.id for case in place.desk.lists.cases(made.id))
    blind = page.inner_text(".mz-rate")
    assert not re.search("mdpo|text_hallu|sft", blind)
    where = letters(page)
    expected = {}
    for rank, (name, severity) in enumerate(
        [("mdpo", "none"), ("sft", "minor"), ("base", "severe")], start=1
    ):
        page.keyboard.press(str(ord(where[name]) - 64))
        page.keyboard.press(KEYS[severity])
        page.keyboard.press(f"Shift+Digit{rank}")
        expected[name] = AnswerState(severity=severity, rank=rank)
    page.keyboard.press("w")
    page.keyboard.press("r")
    page.keyboard.press("e")
    page.keyboard.press("e")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert "text_hallu" not in page.inner_text(".mz-rate")
    assert (
        page.inner_text(".mz-answer.mz-current .mz-missing")
        == "Still needed: image misunderstanding and rank"
    )
    page.keyboard.press("c")
    page.keyboard.press("Enter")
    page.wait_for_selector(".mz-names span")
    assert page.inner_text(f".mz-answer[data-letter={where['mdpo']}] .mz-names").startswith("mdpo @")
    expected["base"] = AnswerState(severity="severe", rank=2, errors=("SLC", "LAS"))
    expected["text_hallu"] = AnswerState(severity="cannot judge")
    assert said(place, first, "ana") == expected
    assert place.said(first, "ana").done_at
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.mz-jump summary').textContent === 'Case 2 of 2'")
    page.wait_for_url(f"{place.address}/rate?list={made.id}&case={second}")


def test_keys_write_in_a_comment_and_set_nothing(open_page, place):
    made = open_list(place.desk, count=1)
    page = open_page("ana")
    [case] = place.desk.lists.cases(made.id)
    page.locator(".mz-answer textarea").first.fill("")
    page.keyboard.type("n, 2 mm? severe")
    saved(page)
    kept = place.said(case.id, "ana").answers
    assert [one.comment for one in kept.values()] == ["n, 2 mm? severe"]
    assert [one.severity for one in kept.values()] == [None]


def test_clicks_reach_a_server_that_was_away_once_each_and_in_order(open_page, place):
    made = open_list(place.desk, count=1)
    [case] = place.desk.lists.cases(made.id)
    page = open_page("ana", setup=lambda page: page.add_init_script("delete Crypto.prototype.randomUUID"))
    saved(page)
    tries, held = [], []

    def away(route):
        tries.append(route.request.post_data_json)
        if len(tries) == 1:
            return route.abort()  # never arrives
        if len(tries) == 2:
            route.fetch()  # arrives, and the reply is lost
            return route.abort()
        if len(tries) == 3:
            return route.fulfill(status=503, json={"error": {"type": "Busy", "message": "busy", "hint": ""}})
        return held.append(route) if len(tries) == 4 else route.continue_()

    page.route("**/clicks", away)
    for key in ("m", "s", "n"):
        page.keyboard.press(key)
    waits = "document.querySelector('.mz-saved').textContent.startsWith('Not saved yet (3), trying again (')"
    page.wait_for_function(f"document.querySelector('.mz-loud') && {waits}")
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    page.wait_for_function("document.querySelector('.mz-saved').textContent === 'Saved'")
    assert [one["value"] for one in tries] == ["minor", "minor", "minor", "minor", "severe", "none"]
    clicks = place.desk.clicks.of(case.id, "ana")
    assert [one.value for one in clicks] == ["true", '"minor"', '"severe"', '"none"']
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one.uid) for one in clicks)


def test_a_case_is_waited_for_while_the_server_is_away(open_page, place):
    open_list(place.desk, count=2)
    page = open_page("ana")
    page.route("**/v1/annotations/cases/*", lambda route: route.abort())
    page.keyboard.press("f")
    page.get_by_text("The server does not answer, trying again").wait_for()
    assert page.inner_text(".mz-jump summary") == "Case 1 of 2"
    page.unroute("**/v1/annotations/cases/*")
    page.wait_for_function("document.querySelector('.mz-jump summary').textContent === 'Case 2 of 2'")
    saved(page)


def test_leaving_with_something_unsaved_is_warned_of(open_page, place):
    open_list(place.desk, count=1)
    page = open_page("ana")
    saved(page)
    page.route("**/clicks", lambda route: route.abort())
    page.locator(".mz-answer").first.click()
    page.keyboard.press("m")
    page.wait_for_selector(".mz-loud")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload())")
    assert asked == ["beforeunload"]


def test_after_a_reload_and_on_another_machine_all_is_as_it_was(open_page, place):
    made = open_list(place.desk, count=3)
    page = open_page("ana")
    page.keyboard.press("2")
    for key in ("s", "q", "Shift+Digit3"):
        page.keyboard.press(key)
    page.locator(".mz-answer textarea").nth(1).fill("wrong side")
    saved(page)
    elsewhere = open_page("ana", path=f"/rate{page.url.partition('/rate')[2]}")
    page.reload()
    for one in (page, elsewhere):
        one.wait_for_selector(".mz-case")
        card = one.locator(".mz-answer[data-letter=B]")
        ticked = card.locator("input:checked").evaluate_all("all => all.map(one => one.value)")
        assert ticked == ["severe", "MM", "3"]
        assert card.locator("textarea").input_value() == "wrong side"
        assert one.locator(".mz-board li[data-rank='3']").inner_text().split() == ["3", "B"]
    assert made.id in page.url
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_change_after_the_names_is_kept_as_one(open_page, place):
    made = open_list(place.desk, count=1)
    [case] = place.desk.lists.cases(made.id)
    page = open_page("ana")
    for number in "1234":
        for key in (number, "n", "Shift+Digit1"):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector(".mz-names span")
    page.keyboard.press("1")
    page.keyboard.press("s")
    assert page.inner_text(".mz-tell") == "Names are shown. 1 change made after they were seen."
    saved(page)
    assert place.said(case.id, "ana").corrections == 1
    page.locator(".mz-act button").click()
    page.wait_for_selector(".mz-thanks")
    assert page.inner_text(".mz-thanks h2") == "1 of 1, thank you"
    assert page.locator(".mz-tile-done").count() == 1
    assert faults(page) == []


def test_marks_are_never_kept_as_those_of_someone_who_signed_in_meanwhile(open_page, place):
    made = open_list(place.desk, count=1)
    [case] = place.desk.lists.cases(made.id)
    page = open_page("ana")
    saved(page)
    page.evaluate("dispatchEvent(new Event('blur'))")  # another window comes to the front
    place.sign_in(page.context, "ben").close()
    page.locator(".mz-answer").first.click()
    page.keyboard.press("m")
    page.wait_for_selector(".mz-loud")
    assert "ben is signed in now. Sign in as ana in another tab." in page.inner_text(".mz-saved")
    assert place.desk.clicks.of(case.id, "ben") == []
    place.sign_in(page.context, "ana").close()
    page.wait_for_function("document.querySelector('.mz-saved').textContent === 'Saved'")
    assert [one.value for one in place.desk.clicks.of(case.id, "ana")] == ["true", '"minor"']


def test_a_closed_list_takes_no_mark_and_the_page_says_so(open_page, place):
    made = open_list(place.desk, count=1)
    page = open_page("ana")
    page.wait_for_selector(".mzv-there")
    saved(page)
    place.desk.lists.close(made.id)
    page.locator(".mz-answer").first.click()
    page.keyboard.press("m")
    page.locator(".mz-problem:visible").filter(has_text="closed").first.wait_for()


@pytest.mark.parametrize("width", [820, 1280])
def test_fingers_rate_a_case_and_nothing_is_cut(open_page, place, width):
    made = open_list(place.desk, count=1)
    [case] = place.desk.lists.cases(made.id)
    page = open_page("ben", width=width, height=1180, has_touch=True)
    page.wait_for_selector(".mzv-there")
    where = letters(page)
    for letter in "ABCD":
        page.locator(f".mz-answer[data-letter={letter}] input[value=minor]").tap()
    for place_, letter in enumerate("ABC", start=1):
        page.locator(f".mz-answer[data-letter={letter}] input[name^=mz-rank][value='{place_}']").tap()
    chip, column = page.locator(".mz-chip-answer", has_text="D"), page.locator(".mz-board li[data-rank='1']")
    start, end = chip.bounding_box(), column.bounding_box()
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 15, end["y"] + 40, steps=5)
    page.mouse.up()
    assert column.inner_text().split() == ["1", "A", "D"]
    small = (
        page.locator("section.mz-rate")
        .locator("button, label, summary")
        .evaluate_all(
            "all => all.filter(one => one.checkVisibility() && !one.closest('.mz-viewer'))"
            ".map(one => [one.textContent, one.getBoundingClientRect().height])"
            ".filter(([, high]) => high < 44)"
        )
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert faults(page) == []
    page.locator(".mz-act button").tap()
    page.wait_for_selector(".mz-names span")
    ranks = {name: state.rank for name, state in said(place, case.id, "ben").items()}
    assert ranks == {name: {"A": 1, "B": 2, "C": 3, "D": 1}[letter] for name, letter in where.items()}
    assert faults(page) == []


def test_of_two_lists_one_is_chosen_and_each_rater_sees_an_order_of_their_own(open_page, place):
    open_list(place.desk, count=8)
    open_list(place.desk, count=1, title="Brain", raters=("ana",))
    page = open_page("ana")
    cards = page.locator(".mz-list-card")
    assert [one.split("\n")[0] for one in cards.all_inner_texts()] == ["Brain", "Chest"]
    assert faults(page) == []
    orders = []
    for name in ("ana", "ben"):
        one = open_page(name)
        if name == "ana":
            one.locator(".mz-list-card").nth(1).click()
        seen = []
        for number in range(1, 9):
            one.wait_for_function(
                f"document.querySelector('.mz-jump summary')?.textContent === 'Case {number} of 8'"
            )
            seen.append(tuple(letters(one).values()))
            one.keyboard.press("f")
        orders.append(seen)
    assert orders[0] != orders[1]
    assert len(set(orders[0])) > 1
