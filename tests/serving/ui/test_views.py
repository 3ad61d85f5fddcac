import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from serving.ui.views import MOST, Shown, View, png_uri, read_views
from tests.zoo._images import dicom_bytes
from zoo.errors import BadInput
from zoo.images import Window, open_scan


def picture_in(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_what_the_script_says_of_a_view_is_read_and_anything_else_is_refused():
    said = [{"key": "k", "frame": 3, "centre": 40, "width": 400, "inverted": True}, {"key": "l"}]
    assert read_views(json.dumps(said)) == [
        View(key="k", frame=3, centre=40, width=400, inverted=True),
        View(key="l"),
    ]
    assert read_views("") == read_views(None) == []
    wrong = ["{", "[1]", '[{"key": "k", "zoom": 2}]', '[{"key": "k", "frame": -1}]', '[{"key": 1}]']
    wrong += ['[{"key": "k", "centre": NaN}]', json.dumps([{"key": "k"}] * (MOST + 1)), "Planted"]
    for text in wrong:
        with pytest.raises(BadInput, match="no such view") as refused:
            read_views(text)
        assert "Planted" not in str(refused.value)


def test_a_view_shows_frame_window_and_inversion_of_the_scan(shared_data):
    scan = open_scan((shared_data / "dicom" / "CT_small.dcm").read_bytes())
    shown = Shown(scan).show(View(key="k", frame=0, centre=200, width=300, inverted=True))
    expected = scan.show(frame=0, window=Window(centre=200, width=300), inverted=True)
    assert shown.tobytes() == expected.tobytes() != scan.show().tobytes()


def test_a_view_is_told_in_words_by_what_can_be_chosen_in_it():
    scan = open_scan(dicom_bytes(np.arange(3 * 8 * 10).reshape(3, 8, 10)))
    chosen = View(key="k", frame=0, centre=499.5, width=1.25, inverted=True)
    assert [Shown(scan).words(view) for view in (View(key="k"), chosen)] == [
        "frame 2 of 3, window as in the file",
        "frame 1 of 3, W 1.25 C 500, inverted",
    ]


def test_of_a_plain_picture_there_is_nothing_to_choose_but_inversion(png):
    shown = Shown(open_scan(png))
    assert [shown.words(View(key="k", inverted=inverted)) for inverted in (False, True)] == ["", "inverted"]


def test_a_picture_for_the_browser_is_exact_where_it_fits_and_smaller_where_not(image):
    assert picture_in(png_uri(image)).convert("RGB").tobytes() == image.tobytes()
    assert picture_in(png_uri(image)).mode == "L"
    red = Image.fromarray(np.full((4, 4, 3), (200, 0, 0), np.uint8))
    assert picture_in(png_uri(red)).tobytes() == red.tobytes()
    large = image.resize((3200, 2400))
    assert picture_in(png_uri(large)).size == (1600, 1200)
    assert large.size == (3200, 2400)
