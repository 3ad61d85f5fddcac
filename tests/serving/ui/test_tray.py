import pytest

from serving.ui.tray import Tray
from zoo.errors import BadInput


def test_a_thing_is_kept_for_its_time_after_it_was_last_used_and_no_longer():
    now = [0.0]
    tray = Tray(ttl_s=60, clock=lambda: now[0])
    key = tray.put("scan", size=4)
    for now[0] in (59, 118):
        assert tray.get(key) == "scan"
    now[0] = 178
    with pytest.raises(BadInput, match="no longer kept") as refused:
        tray.get(key)
    assert refused.value.hint == "choose it again"


def test_the_tray_holds_no_more_than_its_bytes():
    tray = Tray(max_bytes=20)
    keys = [tray.put(name, size=10) for name in "abc"]
    with pytest.raises(BadInput):
        tray.get(keys[0])
    assert [tray.get(key) for key in keys[1:]] == ["b", "c"]


def test_a_key_that_was_never_given_out_gets_nothing():
    with pytest.raises(BadInput, match="no longer kept"):
        Tray().get("guessed")
