import pytest

from serving.settings import read_settings
from zoo.errors import BadInput


def test_flags_beat_the_environment_and_the_environment_the_defaults(monkeypatch):
    monkeypatch.setenv("MEDZOO_PORT", "8080")
    monkeypatch.setenv("MEDZOO_SLOTS", "3")
    settings = read_settings(port=9)
    assert (settings.port, settings.slots, settings.host) == (9, 3, "127.0.0.1")


def test_adapters_in_the_environment_are_a_json_list(monkeypatch):
    monkeypatch.setenv("MEDZOO_ADAPTERS", '["a/b", "c/d@v1"]')
    assert read_settings().adapters == ("a/b", "c/d@v1")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("MEDZOO_PORT", "70000", "port is '70000'"),
        ("MEDZOO_DTYPE", "int3", "dtype is 'int3'"),
        ("MEDZOO_ADAPTERS", "a/b", "adapters"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(monkeypatch, name, value, reason):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=reason):
        read_settings()
