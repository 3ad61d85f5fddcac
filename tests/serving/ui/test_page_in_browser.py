"""The page in a real browser. `MEDZOO_SCREENSHOT=FILE` keeps a picture of it."""

import json
import os
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn

from serving.app import build_app
from serving.run import listen
from tests.serving._brought import brought
from zoo.notice import NOTICE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs chromium and chromedriver: apt-get install chromium chromium-driver",
    ),
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1440,1000"
)


@pytest.fixture
def address(rig):
    """The page of a service on fakes, on a real server."""
    taken = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(build_app(rig.service), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def wait(browser, selector: str, count: int = 1):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def there(driver):
        found = driver.find_elements(By.CSS_SELECTOR, selector)
        return found if len(found) >= count else False

    return WebDriverWait(browser, 30).until(there, f"no {count} of {selector}")


def requested(browser) -> set[str]:
    """Hosts of everything that the pages asked the network for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        urlsplit(one["params"]["request"]["url"])
        for one in messages
        if one["method"] == "Network.requestWillBeSent"
    ]
    return {url.netloc for url in urls if url.scheme not in ("data", "blob", "chrome")}


def test_a_scan_is_asked_about_side_by_side_and_nothing_leaves_this_machine(
    browser, address, tmp_path, png, rig
):
    browser.get(address)
    wait(browser, "#mz-adapters label", 4)
    assert NOTICE in wait(browser, ".mz-notice")[0].text
    scan = tmp_path / "scan.png"
    scan.write_bytes(png)
    wait(browser, "#mz-picker input[type=file]")[0].send_keys(str(scan))
    wait(browser, ".mz-full img")
    wait(browser, "#mz-question textarea")[0].send_keys("What is shown?")
    wait(browser, "#mz-compare")[0].click()
    texts = [one.text for one in wait(browser, ".mz-text", 4)]
    assert texts == [f"{name}: What is shown? 64x48" for name in ("base", "sft", "text_hallu", "mdpo")]
    cards = [one.text for one in wait(browser, ".mz-card", 4)]
    assert "local/mdpo@22222222" in cards[3]
    digest = brought(rig.library, "mdpo").adapter.manifest.weights_sha256
    assert f"weights {digest[:8]}" in cards[3]
    if path := os.environ.get("MEDZOO_SCREENSHOT"):
        browser.save_screenshot(path)
    assert requested(browser) == {urlsplit(address).netloc}
    assert [one["message"] for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_an_example_is_one_click_from_its_answers(browser, address):
    browser.get(address)
    wait(browser, "#mz-adapters label", 4)
    wait(browser, ".mz-strip button", 4)[0].click()
    assert len(wait(browser, ".mz-text", 4)) == 4
    assert wait(browser, ".mz-full img")


def test_a_broken_file_and_a_question_without_an_image_are_told_why(browser, address, tmp_path, png):
    browser.get(address)
    wait(browser, "#mz-adapters label", 4)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"no image at all")
    wait(browser, "#mz-picker input[type=file]")[0].send_keys(str(broken))
    assert "of no kind known here" in wait(browser, ".mz-problem")[0].text
    wait(browser, "#mz-question textarea")[0].send_keys("What is shown?")
    wait(browser, "#mz-compare")[0].click()
    assert "no image is chosen" in wait(browser, ".mz-fault")[0].text
    scan = tmp_path / "scan.png"
    scan.write_bytes(png)
    wait(browser, "#mz-picker input[type=file]")[0].send_keys(str(scan))
    wait(browser, ".mz-full img")
    wait(browser, "#mz-compare")[0].click()
    assert len(wait(browser, ".mz-text", 4)) == 4


def test_pixels_of_a_dicom_file_asked_about_in_the_page_reach_no_disk(
    browser, address, shared_data, monkeypatch, tmp_path
):
    import gradio.processing_utils as gradio_files

    written = []
    for name in ("save_pil_to_cache", "save_bytes_to_cache", "save_base64_to_cache"):
        monkeypatch.setattr(gradio_files, name, lambda *_, **__: written.append(1))
    browser.get(address)
    wait(browser, "#mz-adapters label", 4)
    dicom = shared_data / "dicom" / "RG1_J2KI.dcm"
    wait(browser, "#mz-picker input[type=file]")[0].send_keys(str(dicom.resolve()))
    wait(browser, ".mz-full img")
    wait(browser, "#mz-question textarea")[0].send_keys("Q")
    wait(browser, "#mz-compare")[0].click()
    assert "1955" in wait(browser, ".mz-text", 4)[0].text
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", tmp_path / "none"))
    assert written == []
    assert [path for path in folder.rglob("*") if path.is_file()] == []
