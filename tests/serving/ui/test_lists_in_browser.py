"""Work lists in a real browser: uploaded, prepared, followed, closed."""

import pytest

from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._ward import open_list, ward

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
def place(rig, tmp_path):
    with ward(rig.service, tmp_path / "ratings.db") as place:
        yield place


def faults(page):
    """Serious faults that axe-core finds in what is ours on the page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context="section.mz-lists").response["violations"]
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
