"""The options by which every verb loads its base."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from zoo.cli._base import base_options, base_settings
from zoo.errors import BadInput

CASES: list[tuple[list[str], dict[str, Any]]] = [
    ([], {"device": "auto", "dtype": "auto", "quantize": None}),
    (["--load-in-4bit"], {"device": "auto", "dtype": "auto", "quantize": "4bit"}),
    (
        ["--device", "cuda:1", "--dtype", "bfloat16", "--load-in-8bit"],
        {"device": "cuda:1", "dtype": "bfloat16", "quantize": "8bit"},
    ),
]


def settings_of(words: list[str], **how: Any) -> dict[str, Any]:
    """What a verb with these options gets, beside an option of its own that stays."""
    found: dict[str, Any] = {}

    @click.command()
    @base_options
    @click.option("--other", default="kept")
    def verb(**options: Any) -> None:
        found.update(base_settings(options, **how))
        assert options == {"other": "kept"}

    CliRunner().invoke(verb, words, catch_exceptions=False)
    return found


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_options_become_what_loading_takes(words: list[str], expected: dict[str, Any]) -> None:
    assert settings_of(words) == expected


def test_two_quantisations_and_training_in_float16_are_refused() -> None:
    with pytest.raises(BadInput, match="exclude each other"):
        settings_of(["--load-in-4bit", "--load-in-8bit"])
    with pytest.raises(BadInput, match="float16 does not train"):
        settings_of(["--dtype", "float16"], trains=True)
    assert settings_of(["--dtype", "float16"])["dtype"] == "float16"
