import pytest

from serving.ui.tray import Tray, preview
from zoo.errors import BadInput


def test_an_image_is_kept_for_its_time_and_no_longer(image):
    now = [0.0]
    tray = Tray(ttl_s=60, clock=lambda: now[0])
    key = tray.put(image)
    assert tray.get(key) is image
    now[0] = 60
    with pytest.raises(BadInput, match="no longer kept") as refused:
        tray.get(key)
    assert refused.value.hint == "choose it again"


def test_the_tray_holds_no_more_than_its_bytes(image):
    tray = Tray(max_bytes=64 * 48 * 3 * 2)
    keys = [tray.put(image) for _ in range(3)]
    with pytest.raises(BadInput):
        tray.get(keys[0])
    assert tray.get(keys[1]) is tray.get(keys[2])


@pytest.mark.parametrize("key", ["", None])
def test_no_key_means_that_no_image_was_chosen(key):
    with pytest.raises(BadInput, match="no image is chosen"):
        Tray().get(key)


def test_a_preview_is_small_and_leaves_the_image_as_it_is(image):
    large = image.resize((2000, 1500))
    assert len(preview(large, longest=64)) < 20_000
    assert large.size == (2000, 1500)
