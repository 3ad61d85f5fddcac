"""The page Results in a real browser. `MEDZOO_SCREENSHOTS=FOLDER` keeps pictures of it."""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.annotations.desk import Desk
from serving.annotations.records import Click
from serving.app import build_app
from tests.serving._served import served
from tests.serving.rest._rating import SaidBy, open_desk, open_list
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import chromium, needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]
TASTE = {"base": 0.0, "sft": 0.3, "mdpo": 1.6}


def rate_all(desk: Desk, work_list: str) -> None:
    """Both raters prefer mdpo more often than not, and see less wrong in it."""
    dice = np.random.default_rng(3)
    for case in desk.lists.cases(work_list):
        answers = desk.lists.answers(case.id)
        for rater in desk.lists.raters(case.id):
            worth = {one.adapter: TASTE[one.adapter] + dice.gumbel() for one in answers}
            order = sorted(worth, key=worth.__getitem__, reverse=True)
            for one in answers:
                severity = ("none", "minor", "severe")[int(np.clip(1.6 - worth[one.adapter], 0, 2))]
                errors = ["AM", "SLC"][: int(severity == "severe") + int(dice.random() < 0.2)]
                said: dict[Any, Any] = {"severity": severity, "rank": order.index(one.adapter) + 1}
                for sets, value in (said | {"errors": errors}).items():
                    keep(desk, rater, case.id, sets, value, one.answer_sha256)
            keep(desk, rater, case.id, "done", True)


def keep(desk: Desk, rater: str, case: int, sets: Any, value: Any, sha256: str = "") -> None:
    desk.clicks.add(
        Click(
            uid=str(uuid.uuid4()),
            rater=rater,
            case=case,
            answer_sha256=sha256,
            sets=sets,
            value=json.dumps(value),
        )
    )


@pytest.fixture
def site(rig: Any, tmp_path: Path) -> Any:
    """The pages on a desk with a list that is rated and one that is not."""
    desk = open_desk(tmp_path / "ratings.db")
    rated, second, fresh = (open_list(desk, count=count) for count in (30, 4, 3))
    rate_all(desk, rated.id)
    rate_all(desk, second.id)
    with served(SaidBy(build_app(rig.service, desk=desk))) as address:
        yield address, rated, second, fresh
    desk.close()


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("MEDZOO_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_results_are_told_in_tables_and_pictures_to_who_may_see_them(site: Any) -> None:
    address, rated, _, fresh = site
    with chromium() as browser:
        page = browser.new_page(extra_http_headers={"x-who": "root"}, viewport={"width": 1280, "height": 900})
        wrong: list[str] = []
        page.on("pageerror", lambda fault: wrong.append(str(fault)))
        page.goto(f"{address}/results?list={rated.id}")
        page.wait_for_selector(".mz-results figure >> nth=2")
        page.wait_for_function(
            "[...document.querySelectorAll('.mz-results img')].every((i) => i.naturalWidth)"
        )
        captions = page.locator(".mz-results caption").all_text_contents()
        assert [words.split(":")[0].split(",")[0] for words in captions] == [
            "How likely an answer is preferred",
            "How often the first of two was preferred",
            "What experts saw",
            "All raters",
            "Two by two",
        ]
        expert = page.locator(".mz-results table").nth(2)
        assert expert.locator("tbody th").all_text_contents() == ["base", "sft", "mdpo"]
        assert page.locator(".mz-counted").text_content() == (
            "30 questions about 30 cases whose pictures are not known, 2 raters, 180 ratings of answers."
        )
        assert page.locator(".mz-few").count() == 0
        assert page.get_by_role("link", name="Preference pairs").get_attribute("href") == (
            f"/v1/annotations/lists/{rated.id}/export/pairs.zip"
        )
        page.get_by_text("Publish as a data set").click()
        assert page.get_by_label("private").is_checked()
        shot(page, "results-1280")
        serious = [
            one for one in violations(page, context="#mz-results") if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
        page.set_viewport_size({"width": 820, "height": 1100})
        every = "[...document.querySelectorAll('.mz-scroll, html')]"
        assert page.evaluate(f"{every}.every((one) => one.scrollWidth <= one.clientWidth)")
        shot(page, "results-820")
        page.goto(f"{address}/results?list={fresh.id}")
        page.wait_for_selector(".mz-results .mz-nothing")
        assert "Nobody is done" in page.locator(".mz-nothing").text_content()
        shot(page, "results-none")
        rater = browser.new_page(extra_http_headers={"x-who": "ana"})
        rater.goto(f"{address}/results?list={rated.id}")
        rater.wait_for_selector(".mz-results figure >> nth=2")
        rater.get_by_text("How far raters are").wait_for()
        assert rater.get_by_role("link", name="Preference pairs").count() == 0
        rater.goto(f"{address}/results?list={fresh.id}")
        rater.wait_for_selector(".mz-results .mz-nothing")
        assert "once all of your cases are done" in rater.locator(".mz-nothing").text_content()
        going_on = rater.get_by_role("link", name="Go on rating")
        assert going_on.get_attribute("href") == f"/rate?list={fresh.id}"
        assert wrong == []


def test_lists_are_seen_together_and_what_that_means_is_told(site: Any) -> None:
    address, rated, second, fresh = site
    with chromium() as browser:
        page = browser.new_page(extra_http_headers={"x-who": "root"}, viewport={"width": 820, "height": 1100})
        page.goto(f"{address}/results?list={rated.id}&list={fresh.id}")
        page.wait_for_selector(".mz-results figure >> nth=2")
        assert page.locator(".mz-also input:checked").count() == 1
        page.locator(".mz-also input:not(:checked)").check()
        page.wait_for_function("document.querySelector('.mz-counted').textContent.includes('3 lists')")
        assert page.locator(".mz-counted").text_content() == (
            "30 questions about 30 cases whose pictures are not known, 2 raters, 204 ratings of answers. "
            "3 lists together; whoever rates in several is one rater. "
            "4 questions in several lists: each counts once, with the mean over all who rated it. "
            "24 ratings by someone who had rated that answer before: what they said first counts."
        )
        assert page.url.endswith(f"/results?list={rated.id}&list={fresh.id}&list={second.id}") or (
            page.url.endswith(f"/results?list={rated.id}&list={second.id}&list={fresh.id}")
        )
        assert page.locator(".mz-results caption").last.text_content().startswith("Raters with themselves")
        assert page.get_by_role("link", name="Preference pairs").count() == 0
        saved = page.get_by_role("link", name="Ratings as CSV").get_attribute("href")
        assert saved.startswith(f"/v1/annotations/lists/{rated.id}/export/ratings.csv?also=")
        shot(page, "results-together-820")
        found = violations(page, context="#mz-results")
        assert [one for one in found if one["impact"] in ("serious", "critical")] == []


def test_by_night_pictures_are_drawn_for_a_dark_ground_and_again_for_a_light_one(site: Any) -> None:
    address, rated, *_ = site
    drawn = "[...document.querySelectorAll('.mz-results img')].every((i) => i.naturalWidth && %s)"
    with chromium() as browser:
        page = browser.new_page(
            extra_http_headers={"x-who": "root"},
            color_scheme="dark",
            viewport={"width": 1280, "height": 900},
        )
        page.goto(f"{address}/results?list={rated.id}")
        page.wait_for_selector(".mz-results figure >> nth=2")
        page.wait_for_function(drawn % "i.src.endsWith('dark=true')")
        shot(page, "results-dark-1280")
        page.evaluate("document.body.classList.remove('dark')")
        page.wait_for_function(drawn % "!i.src.includes('dark')")
