import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from serving.core.requests import AdapterId, HeatMap
from serving.ui.heat import Looked, heat_uri, read_wanted
from zoo.errors import BadInput


def test_a_map_is_yellow_and_opaque_where_much_was_looked_and_dark_and_clear_where_little():
    values = np.array([[0, 1], [0, 1]], np.float32)
    drawn = Image.open(
        io.BytesIO(base64.b64decode(heat_uri(HeatMap(values=values, box=(0, 0, 1, 1))).partition(",")[2]))
    )
    assert drawn.size == (256, 256)
    assert drawn.getpixel((0, 128)) == (0x44, 0x01, 0x54, 64)
    assert drawn.getpixel((255, 128)) == (0xFD, 0xE7, 0x25, 255)


def test_lightness_alone_tells_much_from_little():
    values = np.linspace(0, 1, 256, dtype=np.float32)[None]
    drawn = Image.open(
        io.BytesIO(base64.b64decode(heat_uri(HeatMap(values=values, box=(0, 0, 1, 1))).partition(",")[2]))
    )
    grey = np.asarray(drawn.convert("RGB").convert("L"))[0].astype(int)
    assert (np.diff(grey) >= 0).all()
    assert grey[-1] - grey[0] > 180


def looking(*digests):
    """A service whose adapters have these digests now, and how often it was asked."""
    heats = tuple(
        SimpleNamespace(asked="mdpo", adapter=AdapterId("local/mdpo", digest[0] * 8, digest))
        for digest in digests
    )
    calls = []
    return SimpleNamespace(look=lambda asked: calls.append(asked) or heats, heats=heats), calls


def test_the_engine_is_asked_once_for_all_answers_of_a_comparison():
    service, calls = looking("aa", "bb")
    looked = Looked(service, "asked", service.heats)
    assert looked.heats() == looked.heats() == service.heats
    assert calls == ["asked"]


def test_a_map_of_another_commit_than_answered_is_not_shown():
    service, _ = looking("bb")
    with pytest.raises(BadInput, match="mdpo answered as local/mdpo@aaaaaaaa and is local/mdpo@bbbbbbbb now"):
        Looked(service, "asked", looking("aa")[0].heats).heats()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"asked": "k", "row": -1}', '{"asked": "k", "row": 0, "x": 1}', "[1]"]
)
def test_a_wish_that_the_script_never_writes_is_refused(text):
    with pytest.raises(BadInput, match="no such map"):
        read_wanted(text)
