"""A study on the page `Compare` in a real browser: what is in view, what answers are about, what is lost."""

import base64

import numpy as np
import pytest

from tests.conftest import adapter_maker
from tests.serving.conftest import rigs
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._cut import covered
from tests.serving.ui._drawn import copied, drawn
from tests.serving.ui._ward import open_list, ward
from tests.zoo._images import dicom_bytes

pytestmark = [pytest.mark.slow, needs_chromium]
FRAMES = dicom_bytes(np.random.default_rng(0).integers(0, 1000, size=(3, 40, 60)))
STALE = "These answers are not about what is in view now. Ask again for answers about that."
KEPT = "(([one]) => one && !one.seen)(document.querySelectorAll('.mz-fault + .mz-result'))"
DROP = """([selector, name, data]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name));
  const place = document.querySelector(selector);
  const event = (type) => new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer });
  return ['dragover', 'drop'].map((type) => place.dispatchEvent(event(type)));
}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One ward for all."""
    folder = tmp_path_factory.mktemp("ward")
    with rigs(adapter_maker(folder)) as make, ward(make().service, folder / "ratings.db") as place:
        open_list(place.desk, count=1)
        yield place


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, place):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = place.sign_in(context, "chief")
    errors = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(place.address)
    page.locator("#mz-adapters label").nth(3).wait_for()
    yield page
    context.close()
    assert errors == []


def put(page, *files):
    """Choose these files, and wait until the study has them and the one in view is there."""
    count = page.locator(".mzv-tabs [data-number]").count() + len(files)
    page.locator("#mz-picker input[type=file]").set_input_files(
        [{"name": "x", "mimeType": "", "buffer": one} for one in files]
    )
    page.locator(".mzv-tabs [data-number]").nth(count - 1).wait_for()
    still(page)


def still(page):
    """Wait until nothing of the viewer is under way, and all of it is told."""
    page.locator(".mz-viewer[aria-busy=false] .mzv-stage > img.mzv-there").wait_for()
    page.evaluate("new Promise((done) => setTimeout(done, 60))")  # the viewer's own pause, begun before


def drop(page, selector, name, data):
    """Drop a file there; whether the browser would have opened it."""
    return any(page.evaluate(DROP, [selector, name, base64.b64encode(data).decode()]))


def ask(page, question):
    page.locator("#mz-question textarea").fill(question)
    page.locator("#mz-compare").click()
    page.locator(".mz-result:not([aria-busy]) .mz-asked").get_by_text(question, exact=True).wait_for()


def in_view(page):
    return page.locator(".mzv-tabs [data-number][aria-pressed=true]").get_attribute("aria-label")


def about(page):
    """What the answers say that they are about, whether each has a small picture, and what is remarked."""
    pictures = page.locator(".mz-pictures li")
    small = pictures.evaluate_all("all => all.map((one) => !!one.querySelector('img')?.src)")
    return pictures.all_inner_texts(), small, page.locator(".mz-stale:visible").all_inner_texts()


def test_a_new_picture_comes_into_view_and_is_asked_about_and_the_others_stay_as_they_were(page, png):
    put(page, FRAMES)
    page.get_by_label("Frame", exact=True).fill("2")
    page.get_by_role("button", name="Invert").click()
    page.locator(".mzv-stage").press("+")
    still(page)
    put(page, png)
    assert in_view(page) == "Picture 2"
    ask(page, "Which?")
    assert page.locator(".mz-text").first.inner_text() == "base: Which? 64x48"
    page.get_by_role("button", name="Picture 1", exact=True).click()
    page.get_by_role("button", name="Take Picture 2 away").click()
    still(page)
    assert in_view(page) == "Picture 1"
    assert page.locator(".mzv-stage").get_attribute("aria-label").startswith("Picture, frame 3 of 3")
    assert page.get_by_role("button", name="Invert").get_attribute("aria-pressed") == "true"
    assert page.locator(".mzv-stage > img").evaluate("img => img.style.transform").endswith("scale(1.25)")


def test_answers_say_which_picture_and_view_they_are_about_and_that_it_is_no_longer_in_view(page, png):
    put(page, FRAMES, png)
    assert in_view(page) == "Picture 1"
    page.get_by_label("Frame", exact=True).fill("2")
    page.get_by_label("Width", exact=True).fill("200")
    still(page)
    centre = page.locator(".mzv-sliders label:has(input[aria-label=Centre]) output").inner_text()
    ask(page, "What is this?")
    words = f"frame 3 of 3, W 200 C {centre}"
    assert about(page) == ([f"Picture 1 of 2, {words}"], [True], [])
    page.get_by_role("button", name="Picture 2", exact=True).click()
    page.locator(".mz-stale:visible").wait_for()
    assert about(page) == ([f"Picture 1 of 2, {words}"], [True], [STALE])
    page.get_by_role("button", name="Picture 1", exact=True).click()
    page.locator(".mz-stale:visible").wait_for(state="detached")
    page.get_by_label("Frame", exact=True).fill("0")
    page.locator(".mz-stale:visible").wait_for()
    page.get_by_role("button", name="Take Picture 1 away").click()
    still(page)
    assert about(page) == ([f"A picture that was taken away, {words}"], [True], [STALE])
    ask(page, "And this?")
    assert about(page) == (["Picture 1 of 1"], [True], [])
    assert copied(page).endswith("\n\nAsked about: Picture 1 of 1")


def test_a_question_that_fails_takes_no_answers_away(page, png):
    put(page, png)
    ask(page, "What is shown?")
    for _ in range(2):
        page.evaluate("document.querySelector('.mz-result').seen = true")  # which a copy has not
        page.locator("#mz-question textarea").fill("")
        page.locator("#mz-compare").click()
        page.wait_for_function(KEPT)
        page.locator(".mz-fault + .mz-result .mz-text").nth(3).wait_for()
    assert page.locator(".mz-asked").all_inner_texts() == ["What is shown?"]
    page.locator("[data-act=look]").first.click()
    page.locator(".mz-heat figure").wait_for()
    ask(page, "And now?")
    assert page.locator(".mz-fault").count() == 0
    assert page.locator(".mz-asked").all_inner_texts() == ["And now?"]


def test_a_new_study_begins_with_nothing_of_the_last_and_with_its_adapters(page, png):
    put(page, png, FRAMES)
    page.locator("#mz-adapters input").nth(1).uncheck()
    page.locator("#mz-reference textarea").fill("A nodule")
    ask(page, "What is shown?")
    page.get_by_role("button", name="New study").click()
    page.locator(".mz-empty").wait_for()
    assert page.locator(".mz-viewer, .mz-result, .mz-suggestions button").count() == 0
    fields = "[...document.querySelectorAll('#mz-question textarea, #mz-reference textarea')]"
    page.wait_for_function(f"{fields}.map((one) => one.value).join() === ','")
    assert not page.get_by_role("button", name="New study").is_visible()
    page.locator("#mz-question textarea").fill("")
    page.locator("#mz-compare").click()
    page.locator(".mz-fault").wait_for()
    assert page.locator(".mz-result").count() == 0, "answers about another patient came back"
    put(page, png)
    ask(page, "Next?")
    assert page.locator(".mz-card h3").count() == 3


def test_a_file_dropped_beside_its_place_is_never_opened_by_the_browser(page, png, place):
    address = page.url
    assert not drop(page, ".mz-notice", "scan.png", png)
    page.locator(".mzv-stage > img.mzv-there").wait_for()
    assert page.locator(".mz-dropped:visible").count() == 0
    page.on("dialog", lambda dialog: dialog.accept())
    for path, there, said in (
        ("/browse", ".mz-browse h2", "Nothing was opened: pictures are dropped on the page Compare."),
        ("/lists", "[data-drop]", "Nothing was opened: drop the ZIP of cases into the form of a new list."),
    ):
        page.goto(place.address + path)
        page.locator(there).first.wait_for(state="attached")
        assert not drop(page, ".mz-notice", "scan.png", png)
        assert page.locator(".mz-dropped").inner_text() == said
    page.locator(".mz-fresh summary").first.click()
    assert not drop(page, ".mz-new", "cases.zip", b"PK")
    assert page.locator(".mz-chosen").inner_text() == "cases.zip, 0.0 MiB"
    assert page.url == address + "lists"


def test_who_leaves_a_study_is_asked_first_and_who_has_nothing_to_lose_is_not(page, png):
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.locator(".mz-strip button").first.click()
    page.locator(".mz-result:not([aria-busy])").wait_for()
    page.get_by_role("link", name="Browse").click()
    page.wait_for_url("**/browse")
    page.get_by_role("link", name="Compare").click()
    page.locator("#mz-adapters label").nth(3).wait_for()
    assert asked == []
    put(page, png)
    with page.expect_event("dialog"):
        page.get_by_role("link", name="Browse").click(no_wait_after=True)
    assert asked == ["beforeunload"]
    assert in_view(page) == "Picture 1"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in**")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("width", [1280, 820])
def test_nothing_of_a_study_of_seven_pictures_is_covered_and_the_warning_stands_above_them(page, png, width):
    page.set_viewport_size({"width": width, "height": 900})
    put(page, FRAMES, *[png] * 6)
    warning, stage = (page.locator(one).bounding_box() for one in (".mzv-warn", ".mzv-stage"))
    assert warning["y"] + warning["height"] <= stage["y"]
    assert page.get_by_label("Centre", exact=True).is_visible()
    assert covered(page) == []
    page.evaluate("document.querySelector('#mz-compare').style = 'position: fixed; bottom: 10px'")
    assert covered(page) != [], "what is covered would not be seen"


def test_where_one_answer_looked_stretches_no_other(page, png):
    put(page, png)
    ask(page, "Where?")
    cards = page.locator(".mz-card")
    before = cards.nth(1).bounding_box()["height"]
    page.locator("[data-act=look]").first.click()
    drawn(page, ".mz-heat img")
    assert cards.nth(0).bounding_box()["height"] > before + 100
    assert cards.nth(1).bounding_box()["height"] <= before


def test_where_names_are_hidden_it_is_said_that_answers_of_this_page_cannot_be_rated(page):
    note = page.locator(".mz-unrated")
    assert not note.is_visible()
    page.locator("[data-do=hide]").click()
    note.wait_for()
    assert note.inner_text() == (
        "Answers of this page are not kept and cannot be rated. Cases of work lists can, on Rate."
    )
    assert note.locator("a").get_attribute("href") == "/rate"
