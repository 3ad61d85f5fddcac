"""The page `Compare` in a real browser. `MEDZOO_SCREENSHOT=FILE` keeps a picture of it."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serving.app import build_app
from tests.conftest import adapter_maker
from tests.serving._brought import brought
from tests.serving._served import served
from tests.serving.conftest import rigs
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._drawn import copied, drawn
from zoo.notice import NOTICE

pytestmark = [pytest.mark.slow, needs_chromium]
NAMES = ["base", "sft", "text_hallu", "mdpo"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One for all: what a test asks and sees of it is its own page's."""
    with rigs(adapter_maker(tmp_path_factory.mktemp("rig"))) as make:
        yield make()


@pytest.fixture(scope="module")
def address(rig):
    """The page of a service on fakes, on a real server."""
    with served(build_app(rig.service)) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    """The page, opened, with its adapters; at the end it must have said no error and asked nobody else."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator("#mz-adapters label").nth(3).wait_for()
    yield page
    page.close()
    assert {url.netloc for url in hosts if url.scheme.startswith("http")} == {urlsplit(address).netloc}
    assert errors == []


def put(page, *files):
    """Choose these files, and wait until the first of them is in view."""
    page.locator("#mz-picker input[type=file]").set_input_files(
        [one if isinstance(one, str) else {"name": "x", "mimeType": "", "buffer": one} for one in files]
    )
    page.locator(".mzv-stage > img.mzv-there").wait_for()


def ask(page, question):
    page.locator("#mz-question textarea").fill(question)
    page.keyboard.press("Control+Enter")


def texts(page, count=4):
    """The answers, when all are there."""
    page.locator(".mz-result:not([aria-busy]) .mz-text").nth(count - 1).wait_for()
    return page.locator(".mz-text").all_inner_texts()


def test_a_scan_is_asked_about_side_by_side_and_nothing_leaves_this_machine(page, png, rig):
    assert NOTICE in page.locator(".mz-notice").inner_text()
    put(page, png)
    ask(page, "What is shown?")
    assert texts(page) == [f"{name}: What is shown? 64x48" for name in NAMES]
    card = page.locator(".mz-card").nth(3).inner_text()
    assert "local/mdpo@22222222" in card
    assert f"weights {brought(rig.library, 'mdpo').adapter.manifest.weights_sha256[:8]}" in card
    if path := os.environ.get("MEDZOO_SCREENSHOT"):
        page.screenshot(path=path, full_page=True)


def test_a_suggested_question_is_one_click_from_being_asked(page, png):
    put(page, png)
    page.get_by_role("button", name="What is the main finding?", exact=True).click()
    page.keyboard.press("Control+Enter")
    assert texts(page)[0] == "base: What is the main finding? 64x48"


def test_an_example_is_one_click_from_its_answers(page):
    page.locator(".mz-strip button").first.click()
    assert len(texts(page)) == 4
    page.locator(".mzv-stage > img.mzv-there").wait_for()


def test_a_broken_file_and_a_question_without_an_image_are_told_why(page, png):
    page.locator("#mz-picker input[type=file]").set_input_files(
        {"name": "broken.dcm", "mimeType": "", "buffer": b"no image at all"}
    )
    page.locator(".mz-study > .mz-problem:visible").wait_for()
    assert "of no kind known here" in page.locator(".mz-study > .mz-problem").inner_text()
    ask(page, "What is shown?")
    page.locator(".mz-fault").wait_for()
    assert "No image is chosen." in page.locator(".mz-fault").inner_text()
    put(page, png)
    ask(page, "What is shown?")
    assert len(texts(page)) == 4


def test_a_server_that_is_away_is_told_of_in_plain_words_and_is_found_again(browser, address, png):
    page = browser.new_page()
    page.goto(address)
    page.locator("#mz-adapters label").nth(3).wait_for()
    page.route("**/gradio_api/**", lambda route: route.abort())
    page.locator("#mz-picker input[type=file]").set_input_files({"name": "x", "mimeType": "", "buffer": png})
    page.locator(".mz-study > .mz-problem:visible").wait_for()
    said = page.locator(".mz-study > .mz-problem").inner_text()
    assert said == "The server does not answer. Try again in a moment."
    page.locator("#mz-compare").click()
    page.get_by_text("Connection to the server was lost").first.wait_for()
    with page.expect_navigation():
        page.unroute("**/gradio_api/**")
    page.locator("#mz-adapters label").nth(3).wait_for()
    page.close()


def test_pixels_of_a_dicom_file_asked_about_in_the_page_reach_no_disk(
    page, shared_data, monkeypatch, tmp_path
):
    import gradio.processing_utils as gradio_files

    written = []
    for name in ("save_pil_to_cache", "save_bytes_to_cache", "save_base64_to_cache"):
        monkeypatch.setattr(gradio_files, name, lambda *_, **__: written.append(1))
    put(page, str((shared_data / "dicom" / "RG1_J2KI.dcm").resolve()))
    ask(page, "Q")
    assert "1955" in texts(page)[0]
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", tmp_path / "none"))
    assert written == []
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_what_is_asked_about_is_the_picture_in_view_as_it_is_seen(page, png, shared_data, rig, monkeypatch):
    asked = []
    submit = rig.engine.submit

    def noting(work, on_piece=None):
        asked.append(work.images)
        return submit(work, on_piece)

    monkeypatch.setattr(rig.engine, "submit", noting)
    dicom = (shared_data / "dicom" / "CT_small.dcm").read_bytes()
    put(page, dicom, png)
    assert "The picture in view is asked about." in page.locator(".mz-study-note").inner_text()
    page.get_by_label("Window preset").select_option("Bone")
    page.get_by_role("button", name="Invert").click()
    page.locator(".mz-viewer[aria-busy=false]").wait_for()
    ask(page, "Q")
    texts(page)
    page.get_by_role("button", name="Picture 2", exact=True).click()
    page.locator(".mz-viewer[aria-busy=false]").wait_for()
    ask(page, "Q again")
    page.get_by_text("base: Q again 64x48").wait_for()
    from zoo.images import Window, decode, open_scan

    expected = open_scan(dicom).show(window=Window(centre=400, width=1800), inverted=True)
    assert [one.tobytes() for [one] in asked] == [expected.tobytes(), decode(png).tobytes()]


def test_names_hide_behind_letters_in_another_order_until_they_are_shown(page, png):
    put(page, png)
    page.evaluate(
        "() => { crypto.getRandomValues = (numbers) => numbers.fill(0); }"
    )  # a shuffle that is known
    page.keyboard.press("Tab")
    page.locator("[data-do=hide]").click()
    ask(page, "Q")
    said = texts(page)
    assert sorted(said) == sorted(f"{name}: Q 64x48" for name in NAMES)
    assert said != [f"{name}: Q 64x48" for name in NAMES]
    assert page.locator(".mz-letter").all_inner_texts() == list("ABCD")
    for hidden in (".mz-card h3", ".mz-card footer", ".mz-chips"):
        assert not page.locator(hidden).first.is_visible(), hidden
    page.locator("[data-do=hide]").click()
    assert (
        page.locator(".mz-card h3").evaluate_all("all => all.map(one => one.firstChild.textContent)") == NAMES
    )
    assert texts(page) == [f"{name}: Q 64x48" for name in NAMES]


def test_words_are_marked_against_what_is_chosen_and_another_sample_has_a_seed_of_its_own(page, png):
    put(page, png)
    page.locator("#mz-reference textarea").fill("Base: Q 64x48")
    ask(page, "Q")
    texts(page)
    shown = "all => all.filter(one => getComputedStyle(one).boxShadow !== 'none').map(one => one.textContent)"
    marks = page.locator(".mz-text mark")
    assert page.locator(".mz-against").input_value() == "reference"
    assert marks.evaluate_all(shown) == ["sft:", "text_hallu:", "mdpo:"]
    page.locator(".mz-against").select_option("others")
    assert marks.evaluate_all(shown) == ["base:", "sft:", "text_hallu:", "mdpo:"]
    page.locator(".mz-against").select_option("")
    assert marks.evaluate_all(shown) == []
    page.locator(".mz-letter").first.click()
    page.keyboard.press("s")
    page.wait_for_function("document.querySelector('.mz-said').textContent.includes('sample of seed')")
    assert re.search(r"sample of seed \d+ at temperature 0.7", page.locator(".mz-said").inner_text())


def test_the_answers_can_be_copied_as_text_with_where_they_come_from(page, png):
    put(page, png)
    ask(page, "Q")
    texts(page)
    said = copied(page)
    assert said.startswith("Q\n\nbase: base: Q 64x48\n  adapter: medvlm-zoo/phantom@")
    assert f"mdpo: mdpo: Q 64x48\n  adapter: local/mdpo@{'2' * 40}\n  sha256: " in said


def test_where_an_answer_looked_lies_over_the_picture_on_demand_and_is_asked_for_once(page, png, rig):
    put(page, png)
    ask(page, "Q")
    texts(page)
    looked = len(rig.model.looked)
    for card, much in ((0, "2.0 times"), (2, "times")):
        page.locator("[data-act=look]").nth(card).click()
        heat = page.locator(".mz-card").nth(card).locator(".mz-heat")
        heat.locator("figure").wait_for()
        assert much in heat.locator(".mz-about").inner_text()
    assert len(rig.model.looked) == looked + 1
    drawn(page, ".mz-heat img")
    boxes = [page.locator(".mz-heat figure > img").nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0] == boxes[1]
    page.locator(".mz-through input").first.fill("20")
    assert page.locator(".mz-map").first.evaluate("map => map.style.opacity") == "0.2"
    page.locator("[data-act=look]").first.click()
    assert not page.locator(".mz-heat").first.is_visible()
    ask(page, "gridless")
    page.get_by_text("base: gridless 64x48").wait_for()
    page.locator("[data-act=look]").first.click()
    page.get_by_text("no grid").wait_for()


@pytest.mark.parametrize("width", [1280, 820])
def test_the_page_is_no_wider_than_the_screen_and_has_no_serious_fault_of_accessibility(page, png, width):
    page.set_viewport_size({"width": width, "height": 1100})

    def faults():
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = violations(page)
        return [
            (one["id"], [node["html"][:120] for node in one["nodes"]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    assert faults() == []
    put(page, png)
    ask(page, "What is shown?")
    texts(page)
    assert faults() == []
    page.locator("#mz-adapters input").first.focus()
    page.keyboard.press("Tab")
    focused = page.locator("#mz-adapters label").nth(1)
    assert focused.evaluate("one => getComputedStyle(one).outlineStyle") == "solid", (
        "who goes by keys sees where"
    )
    page.locator("[data-do=keys]").click()
    assert page.locator(".mz-keys").is_visible()
    assert faults() == []
