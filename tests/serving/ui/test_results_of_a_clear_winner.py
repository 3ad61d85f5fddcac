"""The page Results where one adapter is preferred in every question, in a real browser."""

import pytest

from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._ward import open_list, ward
from tests.serving.ui.test_results_in_browser import keep

pytestmark = [pytest.mark.slow, needs_chromium]
RANKS = {"mdpo": (1, 1), "base": (2, 3), "text_hallu": (3, 2), "sft": (4, 4)}
"""Of every other question."""


@pytest.fixture
def rated(rig, tmp_path):
    """The pages, and a list of four questions that one rater is done with."""
    with ward(rig.service, tmp_path / "ratings.db") as place:
        made = open_list(place.desk, count=4, raters=("ana",))
        for number, case in enumerate(place.desk.lists.cases(made.id)):
            for one in place.desk.lists.answers(case.id):
                severity = "none" if one.adapter == "mdpo" else "severe"
                rank = RANKS[one.adapter][number % 2]
                for sets, value in (("severity", severity), ("rank", rank), ("errors", ["LAS"])):
                    keep(place.desk, "ana", case.id, sets, value, one.answer_sha256)
            keep(place.desk, "ana", case.id, "done", True)
        yield place, made


def heights(page):
    return page.locator(".mz-results figure img").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().height))"
    )


def test_its_strength_is_in_how_many_and_pictures_have_their_place_before_they_come(rated):
    place, made = rated
    with chromium() as browser:
        page = place.sign_in(browser.new_context(viewport={"width": 1280, "height": 900}), "chief")
        held, free = [], []
        page.route("**/results/*.svg*", lambda route: route.continue_() if free else held.append(route))
        page.goto(f"{place.address}/results?list={made.id}")
        page.wait_for_selector(".mz-results table")
        rows = page.locator(".mz-results table").first.locator("tbody tr")
        told = {
            row.locator("th").inner_text(): [
                cell.inner_text().split("\n") for cell in row.locator("td").all()
            ]
            for row in rows.all()
        }
        no_end = "no finite strength"
        assert told["mdpo"] == [["above in all 4", no_end], ["–"], ["above in all 4", no_end], ["–"]]
        assert told["sft"] == [["below in all 4", no_end], ["–"], ["50, the reference"], ["–"]]
        assert told["base"][2:] == [["above in all 4", no_end], ["–"]]
        assert told["text_hallu"][0][0] == "50.0"
        caption = page.locator(".mz-results figcaption").all_inner_texts()
        assert [words.split(" in a bar")[0] for words in caption] == ["The upper line"]
        method = page.locator(".mz-method").inner_text()
        assert "above or below the reference in all rankings has no finite strength" in method
        assert "an answer without misunderstanding can have some" in method
        page.wait_for_function("document.querySelectorAll('.mz-results img[src]').length === 3")
        before = heights(page)
        assert min(before) > 100
        free.append(True)
        for route in held:
            route.continue_()
        page.wait_for_function(
            "[...document.querySelectorAll('.mz-results img')].every((i) => i.naturalWidth)"
        )
        assert heights(page) == pytest.approx(before, abs=2)
