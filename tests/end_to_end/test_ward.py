"""A ward at work, through its pages in real browsers: two raters rate twelve cases blind and at once while
the server is killed and comes back, an administrator sees what came of it, and a variant is trained on it."""

import sqlite3
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end._ward import ADAPTERS, PASSWORD, Ward, archive, forge_adapters, scan_png
from tests.serving.ui._chromium import chromium, needs_chromium
from zoo.localhub.server import serving
from zoo.manifest import read_manifest
from zoo.records import PreferencePair, Rating, read_jsonl

pytestmark = [needs_chromium, pytest.mark.slow]
CASES = 12
TITLE = "Twelve scans"
RATERS = ("anna", "boris")
VERDICTS = (("none", "n", ()), ("minor", "m", ("SLC",)), ("severe", "s", ("MM", "AM")))
"""What both raters think of the first, second and third adapter: severity, its key, errors."""
ERROR_KEYS = {"MM": "q", "SLC": "w", "AM": "e"}
PLANTED = "Plantedname"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("hub")) as url:
        yield url


@pytest.fixture(scope="module")
def words(hub: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each adapter's repo and the one word that it can say."""
    return forge_adapters(hub, tmp_path_factory.mktemp("forged"))


@pytest.fixture
def ward(hub: str, words: dict[str, str], tmp_path: Path) -> Ward:
    made = Ward(tmp_path, hub, list(words), MEDZOO_MAX_NEW_TOKENS="6")
    made.account("chief", "administrator")
    made.account("anna", "rater")
    made.account("boris", "rater")
    return made


def sign_in(page: Any, ward: Ward, name: str, to: str) -> None:
    page.goto(f"{ward.url}{to}")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def upload(page: Any, zipped: bytes) -> None:
    """An administrator's work list of all adapters but the base, both raters for each case."""
    form = page.locator(".mz-new")
    form.locator("input[type=file]").set_input_files(
        {"name": "list.zip", "mimeType": "application/zip", "buffer": zipped}
    )
    form.get_by_label("Title").fill(TITLE)
    for box in form.locator("input[name=adapters]").all():
        box.set_checked(box.get_attribute("value") in ADAPTERS)
    for box in form.locator("input[name=raters]").all():
        box.set_checked(box.get_attribute("value") in RATERS)
    form.get_by_label("Raters for each case").fill("2")
    form.get_by_role("button", name="Upload").click()
    page.locator(".mz-worklist .mz-state-open").wait_for()


def rate(ward: Ward, name: str, words: dict[str, str], done: "Counter[str]") -> list[dict[str, str]]:
    """Rate every case by keyboard as `VERDICTS` says; which name stood at which text afterwards."""
    order = list(words.values())
    revealed = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        sign_in(page, ward, name, "/rate")
        for number in range(CASES):
            page.get_by_text(f"Case {number + 1} of {CASES}").wait_for()
            cards = page.locator(".mz-answer")
            cards.nth(2).wait_for()
            assert not any(repo in page.content() for repo in words), "a name is in the page before its time"
            texts = [card.locator(".mz-rate-text").inner_text() for card in cards.all()]
            for place, text in enumerate(texts):
                adapter = next(n for n, word in enumerate(order) if text.startswith(word))
                _, key, errors = VERDICTS[adapter]
                page.keyboard.press(str(place + 1))
                page.keyboard.press(key)
                for error in errors:
                    page.keyboard.press(ERROR_KEYS[error])
                page.keyboard.press(f"Shift+Digit{adapter + 1}")
            page.keyboard.press("Enter")
            page.locator(".mz-case.mz-done").wait_for()
            names = [card.locator(".mz-names").inner_text() for card in cards.all()]
            revealed.append(dict(zip(texts, names, strict=True)))
            done[name] += 1
            page.keyboard.press("Enter")
        page.locator(".mz-thanks").wait_for()
    return revealed


def test_two_raters_rate_blind_through_a_killed_server_and_a_variant_is_trained_on_what_they_said(
    ward: Ward, words: dict[str, str], tmp_path: Path
) -> None:
    cases = [
        {
            "id": f"case-{n}",
            "files": {f"{PLANTED}{n}.png": scan_png(40 + n)},
            "question": "What is shown?",
            "reference": "a scan",
            "modality": "CT",
        }
        for n in range(CASES)
    ]
    done: Counter[str] = Counter()
    with ward.server() as first:
        with chromium() as browser:
            page = browser.new_page()
            sign_in(page, ward, "chief", "/lists")
            upload(page, archive(cases))
        with ThreadPoolExecutor(2) as pool:
            rating = [pool.submit(rate, ward, name, words, done) for name in RATERS]
            wait_until(lambda: sum(done.values()) >= CASES or any(one.done() for one in rating))
            first.child.kill()
            first.child.wait()
            with ward.server():
                revealed = [one.result() for one in rating]
    assert done == dict.fromkeys(RATERS, CASES)
    for per_case in revealed:
        for texts in per_case:
            for text, name in texts.items():
                repo = next(repo for repo, word in words.items() if text.startswith(word))
                assert repo.rpartition("/")[2] in name
    with ward.server():  # noqa: SIM117, the browser ends first
        with chromium() as browser:
            page = browser.new_page(accept_downloads=True)
            sign_in(page, ward, "chief", "/results")
            strengths = page.get_by_role("table").first.inner_text()
            exported = {
                name: fetch(page, tmp_path / name, words)
                for name, words in (
                    ("ratings.jsonl", "Ratings as JSON lines"),
                    ("pairs.zip", "Preference pairs"),
                )
            }
    assert [line.split()[0] for line in strengths.splitlines() if line.startswith(ADAPTERS)] == list(ADAPTERS)
    ratings = read_jsonl(exported["ratings.jsonl"], Rating)
    check_ratings(ratings, list(words))
    assert b"anna" not in exported["ratings.jsonl"].read_bytes()
    check_clicks(ward.database)
    log = ward.log.read_text()
    assert PLANTED not in log
    assert "What is shown?" not in log
    train_on(exported["pairs.zip"], tmp_path, ward)


def wait_until(true: Any) -> None:
    event = threading.Event()
    for _ in range(6000):
        if true():
            return
        event.wait(0.1)
    raise AssertionError("it did not come to that in ten minutes")


def fetch(page: Any, path: Path, words: str) -> Path:
    """Download an export by its link."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name=words).click()
    waiting.value.save_as(path)
    return path


def check_ratings(ratings: list[Rating], repos: list[str]) -> None:
    """Every case was rated by both, of every adapter, as they meant it."""
    assert len(ratings) == CASES * 2 * len(repos)
    said = Counter((r.adapter, r.misunderstanding, r.error_types, r.rank) for r in ratings)
    names = [repo.rpartition("/")[2] for repo in repos]
    assert said == {
        (name, severity, tuple(sorted(errors, key=["MM", "AM", "SLC", "LAS"].index)), place): CASES * 2
        for place, (name, (severity, _, errors)) in enumerate(zip(names, VERDICTS, strict=True), start=1)
    }
    assert len({r.rater for r in ratings}) == 2
    assert all(len(r.digest) == 64 and len(r.case_sha256) == 64 for r in ratings)


def check_clicks(database: Path) -> None:
    """No click is there twice, and the kill lost none: what was set last is what was meant."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select uid, field, blind from clicks").fetchall()
    assert len({uid for uid, *_ in rows}) == len(rows)
    counted = Counter(name for _, name, _ in rows)
    assert counted["done"] == counted["opened"] == CASES * 2
    assert all(blind for *_, blind in rows)


def train_on(pairs: Path, folder: Path, ward: Ward) -> None:
    with zipfile.ZipFile(pairs) as zipped:
        zipped.extractall(folder / "rated")
    out = folder / "adapter"
    ward.medzoo(
        "train", "rated_dpo", "--dataset", "rated", "--data-dir", str(folder / "rated"), "--out", str(out)
    )
    manifest = read_manifest(out)
    assert manifest.variant.name == "rated_dpo"
    made = read_jsonl(out / "pairs" / "pairs.jsonl", PreferencePair)
    assert made
    assert all(pair.weight for pair in made)
