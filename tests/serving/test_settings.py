import pytest

from serving.settings import Settings, read_settings, try_settings
from zoo.errors import BadInput


def test_flags_beat_the_environment_and_the_environment_the_defaults(monkeypatch):
    monkeypatch.setenv("MEDZOO_PORT", "8080")
    monkeypatch.setenv("MEDZOO_SLOTS", "3")
    settings = read_settings(port=9)
    assert (settings.port, settings.slots, settings.host) == (9, 3, "127.0.0.1")


@pytest.mark.parametrize("written", ['["a/b", "c/d@v1"]', "a/b,c/d@v1", " a/b , c/d@v1,"])
def test_a_list_in_the_environment_is_json_or_words_between_commas(monkeypatch, written):
    monkeypatch.setenv("MEDZOO_ADAPTERS", written)
    assert read_settings().adapters == ("a/b", "c/d@v1")


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    monkeypatch.setenv("MEDZOO_KEYS_FILE", "")
    assert read_settings().keys_file is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("MEDZOO_PORT", "70000", "port is '70000'"),
        ("MEDZOO_DTYPE", "int3", "dtype is 'int3'"),
        ("MEDZOO_ADAPTERS", '["a/b"', "adapters is"),
        ("MEDZOO_REMOTE_PORTS", "80,http", "remote_ports is 'http'"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(monkeypatch, name, value, reason):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=reason):
        read_settings()


def test_all_values_that_are_not_allowed_are_told_at_once(monkeypatch):
    monkeypatch.setenv("MEDZOO_PORT", "-1")
    monkeypatch.setenv("MEDZOO_SLOTS", "many")
    settings, wrong = try_settings(max_rows=0, burst=7)
    assert sorted(one.split(":")[0] for one in wrong) == ["max_rows is 0", "port is '-1'", "slots is 'many'"]
    assert (settings.port, settings.slots, settings.max_rows, settings.burst) == (7860, 8, 16, 7)


def test_the_file_of_keys_does_not_say_that_nobody_else_is_served():
    assert Settings.model_fields["keys_file"].description == (
        "File of `medzoo keys`; none: this machine's own clients, or people with accounts, alone are served."
    )


def test_every_setting_says_what_it_is_for():
    assert Settings.model_fields
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
