"""All pages of a ward as people see them: nothing cut at two widths, nothing that keeps someone out, and no
trace of a patient when a session is over."""

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end._pages import Someone, rated_list, visits
from tests.end_to_end._ward import ADAPTERS, PASSWORD, Ward, forge_adapters
from tests.serving.test_no_traces import dicom
from tests.serving.ui._axe import violations
from tests.serving.ui._chromium import CHROMIUM, LIMIT_MS, chromium, needs_chromium
from tests.serving.ui._cut import covered, cut
from zoo.evaluation.pictures import pixels_digest
from zoo.localhub.server import serving

pytestmark = [needs_chromium, pytest.mark.slow]
PAGES = ["compare", "lists", "results", "browse", "rate"]
WIDTHS = (1280, 820)
PLANTED = "Plantedpatient"
DICOM = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom" / "CT_small.dcm"
QUESTION = f"Has {PLANTED} a nodule?"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the repos of three adapters."""
    with serving(tmp_path_factory.mktemp("hub")) as url:
        yield url, list(forge_adapters(url, tmp_path_factory.mktemp("forged")))


def made(folder: Path, hub: tuple[str, list[str]], **environment: str) -> Ward:
    ward = Ward(folder, *hub, MEDZOO_MAX_NEW_TOKENS="6", **environment)
    for name, role in (("chief", "administrator"), ("anna", "rater"), ("boris", "rater")):
        ward.account(name, role)
    return ward


def of_pixels(grey: np.ndarray) -> list[bytes]:
    """By what a picture could be known again: runs of its pixels as they are, of its files in bytes and in
    base64, and its digests."""
    picture = Image.fromarray(grey)
    rgb = picture.convert("RGB")
    traces = [one.tobytes()[4000:4032] for one in (picture, rgb)]
    for one in (picture, rgb):
        out = io.BytesIO()
        one.save(out, "PNG")
        file = out.getvalue()
        middle = len(file) // 2
        traces.append(file[middle : middle + 32])
        traces += [base64.b64encode(file[middle + skip : middle + skip + 48]) for skip in range(3)]
        traces += [pixels_digest(one).encode(), hashlib.sha256(one.tobytes()).hexdigest().encode()]
    return traces


def traces_in(folder: Path, traces: list[bytes]) -> list[tuple[Path, bytes]]:
    """Every file and name below the folder in which one of them stands."""
    found = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder)).encode()
        held = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found += [(path, trace) for trace in traces if trace in held or trace in name]
    return found


@contextmanager
def browsing(profile: Path) -> Iterator[Any]:
    """A browser with a profile on disk, which keeps what browsers keep."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        context.set_default_timeout(LIMIT_MS)
        yield context
        context.close()


@pytest.mark.skipif(not DICOM.is_file(), reason="needs shared/data beside the repository")
def test_no_page_is_cut_or_keeps_anyone_out(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    ward = made(tmp_path, hub)
    faults, wide, seen = [], [], []
    with ward.server(), chromium() as browser:
        people = {name: Someone(browser, ward.url, name, PASSWORD) for name in ("chief", "anna", "boris")}
        chief, anna, boris = people.values()
        work_list = rated_list(chief, [anna, boris], ["base", *ADAPTERS])
        for width in WIDTHS:
            for one in people.values():
                one.page.set_viewport_size({"width": width, "height": 1000})
            for name, page in visits(chief, boris, work_list, DICOM):
                seen.append(name)
                wide += [(name, width, fault) for fault in cut(page)]
                faults += [
                    (name, width, fault["id"], [node["html"][:200] for node in fault["nodes"]])
                    for fault in violations(page)
                    if fault["impact"] in ("serious", "critical")
                ]
        study = chief.page
        study.set_viewport_size({"width": 1280, "height": 900})
        study.goto(ward.url)
        study.locator("#mz-adapters label").first.wait_for()
        study.locator("#mz-picker input[type=file]").set_input_files([DICOM] * 7)
        study.locator(".mzv-tabs img[src]").nth(6).wait_for()
        study.locator(".mz-viewer[aria-busy=false]").wait_for()
        assert study.get_by_label("Centre", exact=True).is_visible()
        assert covered(study) == []
        page.evaluate("document.querySelector('main, .mz-case').append(document.createElement('section'))")
        page.evaluate("document.querySelector('section:empty').style = 'width: 3000px; height: 20px'")
        assert any("beyond the edge" in fault for fault in cut(page)), "what is cut would not be seen"
    assert seen == PAGES * len(WIDTHS)
    assert faults == []
    assert wide == []


def test_after_a_session_no_name_question_or_pixel_is_anywhere(
    hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("home", "tmp", "profile", "downloads")}
    for place in places.values():
        place.mkdir()
    ward = made(
        tmp_path,
        hub,
        HOME=str(places["home"]),
        TMPDIR=str(places["tmp"]),
        MPLCONFIGDIR=str(Path.home() / ".cache" / "matplotlib"),  # its list of fonts takes seconds
    )
    noise = np.random.default_rng(7).integers(0, 256, (96, 96), dtype=np.uint8)
    noisy = places["downloads"] / f"{PLANTED}.png"
    Image.fromarray(noise).save(noisy)
    scan = places["downloads"] / f"{PLANTED}.dcm"
    scan.write_bytes(dicom().replace(b"Planted", PLANTED[:7].encode()))
    with ward.server(), browsing(places["profile"]) as context:
        someone = Someone(context, ward.url, "anna", PASSWORD)
        page = someone.page
        for picture in (noisy, scan):
            page.goto(ward.url)
            page.locator("#mz-adapters label").first.wait_for()
            page.locator("#mz-picker input[type=file]").set_input_files(picture)
            page.locator(".mzv-stage img.mzv-there").first.wait_for()
            page.locator("#mz-question textarea").fill(QUESTION)
            page.locator("#mz-compare").click()
            page.locator(".mz-text").nth(2).wait_for()
            page.get_by_role("button", name="Where it looked").last.click()
            page.locator(".mz-heat figure").first.wait_for()
        stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert PLANTED not in stored
        assert page.evaluate("(async () => (await indexedDB.databases()).length)()") == 0
        assert page.evaluate("(async () => (await caches.keys()).length)()") == 0
    for picture in (noisy, scan):
        picture.unlink()
    assert len(traces_in(tmp_path, [b"SQLite format 3"])) > 0, "what lies there would not be found"
    assert (
        traces_in(tmp_path, [PLANTED.encode(), b"Planted^Jane", QUESTION.encode(), *of_pixels(noise)]) == []
    )
