"""The viewer by itself in a real browser, its pictures drawn by the page."""

import pytest

from serving.ui.style import css, script
from tests.serving.ui._chromium import chromium, needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]

CT = {
    "frames": 5,
    "modality": "CT",
    "window": {"centre": 40, "width": 400},
    "range": {"low": -1024, "high": 3071},
}
PNG = {"frames": 1, "modality": "", "window": None, "range": None, "burned_in": "unknown"}
PAGE = """
<!doctype html><html lang="en"><title>viewer</title><style>%s</style><main id="host"></main><script>
%s
window.asked = []; window.seen = []; window.under = 0; window.most = 0; window.held = null;
async function picture(number, view) {
  asked.push({ number, ...view });
  most = Math.max(most, ++under);
  await held;
  under--;
  const drawn = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  const pen = drawn.getContext('2d');
  pen.fillStyle = `rgb(${40 * number}, ${30 * (view.frame ?? 0)}, 90)`;
  pen.fillRect(0, 0, 64, 48);
  return drawn.toDataURL();
}
window.begin = (images) => {
  const onview = (number, view) => seen.push({ number, ...view });
  window.made = viewer(document.getElementById('host'), { images, picture, onview });
};
</script></html>
"""


@pytest.fixture
def page():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 820, "height": 900})
        page.set_content(PAGE % (css(), script("api.js", "viewer.js")))
        yield page


def begin(page, *images):
    page.evaluate("images => begin(images)", list(images))
    page.wait_for_function("document.querySelector('.mz-viewer').getAttribute('aria-busy') === 'false'")


def settled(page):
    """What was asked for last, when nothing is under way any more."""
    page.evaluate("new Promise((done) => setTimeout(done, 60))")  # the viewer's own pause, begun before
    page.wait_for_function("document.querySelector('.mz-viewer').getAttribute('aria-busy') === 'false'")
    return page.evaluate("asked.at(-1)")


def view(number=0, **changed):
    return {"number": number, "frame": None, "centre": None, "width": None, "inverted": False} | changed


def test_frames_are_turned_by_wheel_keys_and_slider(page):
    begin(page, CT)
    assert page.evaluate("asked") == [view()]
    page.locator(".mzv-stage").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_function("asked.length > 1")
    assert settled(page) == view(frame=3)
    page.locator(".mzv-stage").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert settled(page) == view(frame=1)
    page.get_by_label("Frame", exact=True).fill("4")
    assert settled(page) == view(frame=4)
    assert page.evaluate("seen.at(-1)") == view(frame=4)
    assert page.evaluate("made.current()") == {
        "number": 0,
        "view": {"frame": 4, "centre": None, "width": None, "inverted": False},
    }


def test_a_drag_with_the_right_button_changes_the_window_and_never_more_than_one_picture_is_under_way(page):
    begin(page, CT)
    page.evaluate("() => { held = new Promise((done) => { window.release = done; }); }")
    box = page.locator(".mzv-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 60, y + 60, steps=30)
    page.mouse.up(button="right")
    page.wait_for_function("under === 1")
    page.evaluate("release()")
    unit = (3071 + 1024) / 600
    assert settled(page) == view(centre=round(40 + 60 * unit), width=round(400 + 60 * unit))
    assert page.evaluate("most") == 1
    assert page.evaluate("asked.length") <= 3, "of what is wanted meanwhile only the last is asked"


def test_presets_inversion_and_reset_are_asked_of_the_server(page):
    begin(page, CT)
    page.get_by_label("Window preset").select_option("Lung")
    page.locator(".mzv-stage").press("i")
    assert settled(page) == view(centre=-600, width=1500, inverted=True)
    page.get_by_role("button", name="Reset").click()
    assert settled(page) == view()


def test_a_zoomed_picture_is_moved_no_further_than_its_edge_and_a_double_click_resets_it(page):
    begin(page, PNG)
    stage = page.locator(".mzv-stage")
    for _ in range(4):
        stage.press("+")
    zoom = 1.25**4
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 5000, box["y"] + 50, steps=4)
    page.mouse.up()
    far = page.locator(".mzv-stage > img").evaluate("img => img.style.transform")
    width = stage.evaluate("stage => stage.clientWidth")
    assert far == f"translate({width * (zoom - 1) / 2:g}px, 0px) scale({zoom:g})"
    stage.dblclick()
    assert (
        page.locator(".mzv-stage > img").evaluate("img => img.style.transform")
        == "translate(0px, 0px) scale(1)"
    )


def test_several_pictures_have_thumbnails_and_a_plain_one_has_no_window(page):
    begin(page, CT, PNG)
    assert page.evaluate("asked") == [view(), view(1)]
    assert page.locator(".mzv-tabs img[src]").count() == 2
    assert page.get_by_label("Centre", exact=True).is_visible()
    page.get_by_role("button", name="Picture 2").click()
    assert settled(page) == view(1)
    assert not page.get_by_label("Centre", exact=True).is_visible()
    assert "Text may be burned into this picture" in page.locator(".mzv-warn").inner_text()
    assert page.evaluate("most") == 1
