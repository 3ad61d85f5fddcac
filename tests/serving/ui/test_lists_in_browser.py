"""Work lists in a real browser: uploaded, prepared, followed, closed."""

import pytest

from serving.annotations.beside import NO_BASE, NO_SFT
from tests.serving.rest._rating import archive, picture
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._ward import open_list, ward

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
def place(rig, tmp_path):
    with ward(rig.service, tmp_path / "ratings.db") as place:
        yield place


def faults(page):
    """Serious faults that axe-core finds in what is ours on the page."""
    found = violations(page, context="section.mz-lists")
    return [(one["id"], one["impact"]) for one in found if one["impact"] in ("serious", "critical")]


def test_the_example_becomes_a_list_that_opens_and_is_closed(place, tmp_path):
    with chromium() as browser:
        page = place.sign_in(browser.new_context(viewport={"width": 820, "height": 1180}), "chief")
        page.goto(f"{place.address}/lists")
        page.get_by_text("What the ZIP must hold").click()
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 820
        left, right = (page.locator(f".mz-new > div >> nth={side}") for side in (0, 1))
        assert left.evaluate("one => one.scrollWidth <= one.clientWidth")
        assert left.bounding_box()["x"] + left.bounding_box()["width"] <= right.bounding_box()["x"]
        with page.expect_download() as coming:
            page.get_by_text("Download an example of 12 drawn scans").click()
        coming.value.save_as(tmp_path / "cases.zip")
        page.get_by_role("button", name="Upload and prepare").click()
        assert page.inner_text(".mz-new .mz-problem") == "Choose the ZIP first."
        page.set_input_files("#mz-zip", tmp_path / "cases.zip")
        page.get_by_label("Title").fill("Drawn scans")
        page.get_by_label("Instructions to the raters").fill("Look twice.")
        page.get_by_role("button", name="Upload and prepare").click()
        page.wait_for_selector(".mz-state-open")
        card = page.locator(".mz-worklist")
        assert "0 of 24 ratings done" in card.inner_text()
        [made] = place.desk.lists.all()
        assert (made.title, made.instructions, made.overlap, made.keep) == (
            "Drawn scans",
            "Look twice.",
            2,
            False,
        )
        assert made.adapters == ("base", "sft", "text_hallu", "mdpo")
        [first, *others] = place.desk.lists.cases(made.id)
        assert len(others) == 11
        assert [one.adapter for one in place.desk.lists.answers(first.id)] == list(made.adapters)
        assert place.desk.lists.picture(first.id, 0)
        card.get_by_text("Raters", exact=True).click()
        assert card.locator(".mz-raters").inner_text().split("\n") == ["ana", "0 of 12", "ben", "0 of 12"]
        assert faults(page) == []
        page.get_by_role("button", name="Close …").click()
        assert "erased for good" in page.inner_text("dialog[open]")
        assert faults(page) == []
        page.get_by_role("button", name="Not now").click()
        assert place.desk.lists.get(made.id).state == "open"
        page.get_by_role("button", name="Close …").click()
        page.get_by_role("button", name="Close and erase").click()
        page.wait_for_selector(".mz-state-closed")
        assert place.desk.lists.get(made.id).state == "closed"
        assert place.desk.lists.case(first.id).prompt == ""


def test_a_file_that_is_no_list_is_told_why_and_a_rater_makes_none(place, tmp_path):
    open_list(place.desk, count=1)
    (tmp_path / "cases.zip").write_bytes(b"no archive")
    with chromium() as browser:
        page = place.sign_in(browser.new_context(), "chief")
        page.goto(f"{place.address}/lists")
        page.get_by_text("New work list").click()
        page.set_input_files("#mz-zip", tmp_path / "cases.zip")
        page.get_by_label("Title").fill("None")
        page.get_by_role("button", name="Upload and prepare").click()
        page.wait_for_selector(".mz-new .mz-problem")
        assert "ZIP" in page.inner_text(".mz-new .mz-problem")
        assert len(place.desk.lists.all()) == 1
        page = place.sign_in(browser.new_context(), "ana")
        page.goto(f"{place.address}/lists")
        page.wait_for_selector(".mz-lists .mz-nothing")
        assert "made by an administrator" in page.inner_text(".mz-lists")


def test_the_page_tells_that_the_server_is_away_and_goes_on_by_itself_with_the_form_as_it_was(place):
    open_list(place.desk, count=1, title="First")
    with chromium() as browser:
        page = place.sign_in(browser.new_context(), "chief")
        page.route("**/v1/annotations/me", lambda route: route.abort())
        page.goto(f"{place.address}/lists")
        page.get_by_text("The server does not answer, trying again").wait_for()
        page.unroute("**/v1/annotations/me")
        page.locator(".mz-fresh summary").first.click()
        page.get_by_label("Title").fill("Half filled")
        assert page.inner_text(".mz-offline") == ""
        page.route("**/v1/annotations/lists", lambda route: route.fulfill(status=502, body="<html>"))
        page.get_by_text("The server does not answer, trying again").wait_for()
        assert faults(page) == []
        open_list(place.desk, count=1, title="Second")
        page.unroute("**/v1/annotations/lists")
        page.get_by_role("article", name="Second").wait_for()
        assert page.inner_text(".mz-offline") == ""
        page.context.clear_cookies()
        page.get_by_text("You are signed out. Sign in in another tab.").wait_for()
        assert page.get_by_label("Title").input_value() == "Half filled"


def test_a_form_that_is_opened_while_lists_are_on_their_way_stays_open(place):
    open_list(place.desk, count=1)

    def late(route):
        page.wait_for_timeout(500)
        route.continue_()

    with chromium() as browser:
        page = place.sign_in(browser.new_context(), "chief")
        page.route("**/v1/annotations/lists", late, times=1)
        page.goto(f"{place.address}/lists")
        page.locator(".mz-fresh summary").first.click()
        page.locator(".mz-worklist").wait_for()
        assert page.locator(".mz-fresh").get_attribute("open") is not None


def test_the_same_file_can_be_chosen_again_once_it_is_mended(place, tmp_path):
    path = tmp_path / "cases.zip"
    with chromium() as browser:
        page = place.sign_in(browser.new_context(), "chief")
        page.goto(f"{place.address}/lists")
        page.locator("#mz-zip").wait_for(state="attached")
        devtools = page.context.new_cdp_session(page)  # the driver tells of each choice, a browser does not
        found = devtools.send("Runtime.evaluate", {"expression": "document.querySelector('#mz-zip')"})
        for mib in (1, 2):
            path.write_bytes(bytes(mib << 20))
            choice = {"files": [str(path)], "objectId": found["result"]["objectId"]}
            devtools.send("DOM.setFileInputFiles", choice)
            page.get_by_text(f"cases.zip, {mib}.0 MiB").wait_for()


def test_a_list_without_sft_or_with_a_case_twice_is_asked_about_before_it_is_made(place, tmp_path):
    rows = "images,question,id\n1.png,Q?,a\n2.png,Q?,b\n1.png,Q?,c"
    (tmp_path / "cases.zip").write_bytes(
        archive({"cases.csv": rows, "1.png": picture(1), "2.png": picture(2)})
    )
    with chromium() as browser:
        page = place.sign_in(browser.new_context(viewport={"width": 820, "height": 1180}), "chief")
        page.goto(f"{place.address}/lists")
        remark = page.locator(".mz-new .mz-remark")
        remark.wait_for(state="attached")
        assert remark.inner_text() == ""
        page.locator(".mz-new").get_by_label("sft", exact=True).uncheck()
        assert remark.inner_text() == NO_SFT
        page.locator(".mz-new").get_by_label("base", exact=True).uncheck()
        assert remark.inner_text() == f"{NO_SFT} {NO_BASE}"
        page.set_input_files("#mz-zip", tmp_path / "cases.zip")
        page.get_by_label("Title").fill("Repeats")
        page.get_by_role("button", name="Upload and prepare").click()
        asked = page.locator(".mz-new .mz-problem")
        asked.wait_for()
        assert "cases.csv, row 4: 'c' shows and asks the same as 'a', cases.csv, row 2" in asked.inner_text()
        assert place.desk.lists.all() == []
        assert faults(page) == []
        page.get_by_role("button", name="It is meant, upload").click()
        card = page.get_by_role("article", name="Repeats")
        card.get_by_text(NO_SFT).wait_for()
        assert "3 cases, 1 of them repeats" in card.inner_text()
        assert card.locator(".mz-remark").all_inner_texts() == [NO_SFT, NO_BASE]
        assert faults(page) == []
        card.get_by_text("0 of 6 ratings done").wait_for()
        rating = place.sign_in(browser.new_context(), "ana")
        rating.goto(f"{place.address}/rate")
        ends = ("Done; names are shown later in this list.", "Names are shown.", "Names are shown.")
        for number, end in enumerate(ends, start=1):
            rating.get_by_text(f"Case {number} of 3").wait_for()
            for key in ("1", "n", "Shift+Digit1", "2", "m", "Shift+Digit2", "Enter"):
                rating.keyboard.press(key)
            rating.get_by_text(end).wait_for()
            rating.keyboard.press("Enter")
        rating.get_by_text("3 of 3, thank you").wait_for()
