"""How the page Rate looks, as a browser computes it: by day, by night, and on a phone."""

import re

import pytest

from serving.ui.style import ASSETS
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._cut import cut
from tests.serving.ui._ward import open_list, ward

CONTRAST = """([ink, ground]) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [more, less] = [light(ink), light(ground)].sort((a, b) => b - a);
  return (more + 0.05) / (less + 0.05);
}"""
LOOK = "(one, key) => getComputedStyle(one)[key]"


@pytest.mark.parametrize("sheet", sorted(ASSETS.glob("*.css")), ids=lambda path: path.name)
def test_no_selector_is_torn_where_gradio_scopes_it(sheet):
    """It splits at each comma, within brackets too, and takes the class of night out of the first alone."""
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    selectors = [one.strip() for one in re.findall(r"([^{};]+)\{", text) if not one.strip().startswith("@")]
    assert selectors
    torn = [one for one in selectors if re.search(r":(is|where|not|has)\([^)]*,", one)]
    assert torn == []
    assert [one for one in selectors if one.count(".dark") > 1 or (".dark" in one and "," in one)] == []


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
    """Call it for a page as somebody sees it once what it shows is there."""
    contexts = []

    def open_page(name, path, there, *, width=1280, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 844}, **options))
        page = place.sign_in(contexts[-1], name)
        page.goto(place.address + path)
        page.wait_for_selector(there)
        page.locator(".mz-who b").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def look(page, selector, key):
    return page.locator(selector).first.evaluate(LOOK, key)


@pytest.mark.slow
@needs_chromium
def test_by_night_what_the_browser_draws_is_dark_too(open_page, place):
    open_list(place.desk, count=1)
    page = open_page("ana", "/rate", ".mz-case", color_scheme="dark")
    page.keyboard.press("n")
    for selector in (
        "html",
        ".mz-choice input[type=radio]",
        ".mz-choice input[type=checkbox]",
        ".mz-last textarea",
    ):
        assert look(page, selector, "colorScheme") == "dark"
    assert look(page, ".mz-choice input", "accentColor") == "rgb(45, 212, 191)"
    by_day = open_page("ana", "/rate", ".mz-case")
    assert look(by_day, ".mz-choice input", "colorScheme") == "normal"
    assert look(by_day, ".mz-choice input", "accentColor") == "rgb(15, 118, 110)"


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_key_on_done_can_be_read_before_and_after(open_page, place, scheme):
    open_list(place.desk, count=1)
    page = open_page("ana", "/rate", ".mz-case", color_scheme=scheme)
    for ready in (False, True):
        assert page.locator(".mz-act .mz-ready").count() == ready
        colours = [look(page, ".mz-act kbd", "color"), look(page, ".mz-act button", "backgroundColor")]
        assert page.evaluate(CONTRAST, colours) >= 4.5, colours
        for number in "1234":
            for key in (number, "n", "Shift+Digit1"):
                page.keyboard.press(key)


@pytest.mark.slow
@needs_chromium
def test_no_misunderstanding_beside_an_error_is_remarked_on_and_holds_nobody_up(open_page, place):
    open_list(place.desk, count=1)
    page = open_page("ana", "/rate", ".mz-case")
    remark = page.locator(".mz-answer[data-letter=A] .mz-both")
    for key in ("1", "n", "r", "q"):
        page.keyboard.press(key)
    assert remark.inner_text() == "No misunderstanding, and MM, LAS: both will count."
    page.keyboard.press("m")
    assert remark.inner_text() == ""
    page.keyboard.press("n")
    for number in "1234":
        for key in (number, "n", "Shift+Digit1"):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_selector(".mz-names span")
    assert remark.inner_text() == "No misunderstanding, and MM, LAS: both will count."


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("adapters", [4, 8])
def test_on_a_phone_a_case_is_rated_and_nothing_lies_over_anything(open_page, place, adapters):
    texts = {f"a{number}": f"There are {number} nodules in the right lung." for number in range(adapters)}
    open_list(place.desk, count=1, texts=texts)
    page = open_page("ana", "/rate", ".mzv-there", width=390, has_touch=True, is_mobile=True)
    assert cut(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for place_ in range(adapters):
        card = page.locator(".mz-answer").nth(place_)
        card.locator("input[value=minor]").tap()
        card.locator(f"input[name^=mz-rank][value='{place_ + 1}']").tap()
    assert cut(page) == []
    page.locator(".mz-act button").tap()
    page.wait_for_selector(".mz-names span")


@pytest.mark.slow
@needs_chromium
def test_lists_of_one_title_are_told_apart_and_a_rater_has_no_page_of_others(open_page, place):
    for _ in range(2):
        open_list(place.desk, count=1, raters=("ana",))
    page = open_page("ana", "/rate", ".mz-list-card", timezone_id="UTC")
    made = [one.made_at for one in place.desk.lists.all()]
    assert page.locator(".mz-list-card time").evaluate_all("all => all.map(one => one.dateTime)") == made
    shown = page.locator(".mz-list-card").first.inner_text().split("\n")
    assert shown[0] == "Chest"
    assert re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d:\d\d", shown[1])
    assert shown[2:] == ["0 of 1 case done", "Begin"]
    tabs = ".nav-holder a:visible"
    assert page.locator(tabs).all_inner_texts() == ["Compare", "Rate", "Results", "Browse"]
    chief = open_page("chief", "/lists", ".mz-worklist")
    assert chief.locator(tabs).all_inner_texts() == ["Compare", "Rate", "Work lists", "Results", "Browse"]
