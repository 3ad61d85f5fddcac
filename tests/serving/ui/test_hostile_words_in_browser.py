"""What strangers write is words on every page, and neither markup, nor a template, nor a script."""

import hashlib
import io

import pytest
from PIL import Image

from serving.annotations.records import CaseAnswer, NewCase
from tests.serving.ui._chromium import chromium, needs_chromium
from tests.serving.ui._ward import ward

pytestmark = [pytest.mark.slow, needs_chromium]
EVIL = (
    "</textarea><img src=x onerror=\"window.pwned='tag'\"> ${window.pwned='literal'} "
    "`+(window.pwned='tick')+` {{#with this}}{{constructor}}{{/with}} javascript:window.pwned=1"
)


def png():
    out = io.BytesIO()
    Image.new("L", (64, 48), 90).save(out, "PNG")
    return out.getvalue()


def hostile_list(desk):
    """A list in which every text is hostile, and ana is to rate its one case."""
    answers = [
        CaseAnswer(
            adapter=f"{name} {EVIL}"[:200],
            variant=EVIL[:100],
            repo=EVIL[:100],
            sha="a" * 40,
            digest="",
            base="phantom@" + "e" * 40,
            text=f"{name} {EVIL}",
            answer_sha256=hashlib.sha256(name.encode()).hexdigest(),
            finish="stop",
            tokens=5,
        )
        for name in ("one", "two")
    ]
    case = NewCase(
        question_id="1",
        dataset="own",
        split="rated",
        prompt=EVIL,
        pictures=(png(),),
        case_sha256="0" * 64,
        reference=EVIL,
        modality="CT",
    )
    adapters = [one.adapter for one in answers]
    return desk.lists.add(
        EVIL[:200],
        [case],
        adapters=adapters,
        raters=["ana"],
        overlap=1,
        made_by="chief",
        instructions=EVIL,
        said=[answers],
    )


def test_words_of_strangers_stay_words_on_every_page(rig, tmp_path):
    with ward(rig.service, tmp_path / "ratings.db") as place, chromium() as browser:
        hostile_list(place.desk)
        rater = place.sign_in(browser.new_context(), "ana")
        rater.goto(f"{place.address}/rate")
        assert EVIL in rater.locator(".mz-rate-question h2").inner_text()
        rater.locator(".mz-rate-answers > textarea").fill(EVIL)
        for number in (1, 2):
            card = rater.locator(".mz-answer").nth(number - 1)
            card.locator(".mz-set-severity input").first.check()
            card.locator(".mz-set-rank input").nth(number - 1).check()
        rater.locator(".mz-act button").click()
        rater.locator(".mz-names b").first.wait_for()
        assert EVIL[:40] in rater.locator(".mz-names").first.inner_text()
        assert rater.evaluate("window.pwned") is None
        chief = place.sign_in(browser.new_context(), "chief")
        for path, shown in (("/lists", ".mz-lists h3"), ("/results", ".mz-results h3")):
            chief.goto(place.address + path)
            chief.locator(shown).first.wait_for()
            chief.wait_for_timeout(500)
            assert "onerror" in chief.locator("body").inner_text()
            assert chief.evaluate("window.pwned") is None
        rater.goto(place.address)
        rater.locator("#mz-adapters label").nth(3).wait_for()
        rater.locator("#mz-picker input[type=file]").set_input_files(
            [{"name": EVIL[-40:], "mimeType": "", "buffer": png()}]
        )
        rater.locator(".mzv-stage > img.mzv-there").wait_for()
        rater.locator("#mz-reference textarea").fill(EVIL)
        rater.locator("#mz-question textarea").fill(EVIL)
        rater.keyboard.press("Control+Enter")
        rater.locator(".mz-result:not([aria-busy]) .mz-text").nth(3).wait_for()
        assert EVIL in rater.locator(".mz-text").first.inner_text()
        assert rater.evaluate("window.pwned") is None
