"""The page of the whole zoo."""

from typing import Any

from click.testing import CliRunner

from model_cards.cli import card
from model_cards.overview import render
from zoo.catalog import Entry
from zoo.errors import BadManifest
from zoo.hub_publish import publish_folder
from zoo.manifest import read_manifest

BY_F1 = {
    "metric": "open_f1", "subset": "all", "dataset": "phantom", "split": "test", "value": 0.7, "low": 0.6,
    "high": 0.8, "n": 9, "fingerprint": "b" * 64,
}  # fmt: skip
HEAD = (
    "| variant | adapter | score (95 % interval) | n | base | SFT | over base | over SFT | seed | licence "
    "| commit |\n|---|---|---|---:|---:|---:|---|---|---:|---|---|\n"
)
SHA = "0123456789abcdef" * 3


def entry(make_adapter: Any, repo: str, **changes: Any) -> Entry:
    folder = make_adapter(repo.replace("/", "-"), repo=repo, **changes)
    return Entry(repo=repo, sha=SHA[:40], manifest=read_manifest(folder))


def test_each_adapter_stands_under_its_base_and_benchmark_beside_base_and_sft(make_adapter: Any) -> None:
    found = [
        entry(make_adapter, "zoo/b", variant="mdpo"),
        entry(make_adapter, "zoo/a", variant="dpo", evaluation=[]),
        entry(make_adapter, "zoo/c", variant="sft", evaluation=[BY_F1]),
        Entry(repo="zoo/broken", sha=SHA[:40], error=BadManifest("key 'base' is missing")),
    ]
    text = render(found, hub="http://hub")
    assert text.startswith("# MedVLM Zoo\n\n> **Research software, not a medical device")
    assert text.partition("## ")[2] == (
        "phantom on phantom, unscored\n\n"
        f"Base `phantom` at `{'a' * 40}`.\n\n"
        f"{HEAD}"
        "| dpo | `zoo/a` | not evaluated | – | – | – | – | – | 0 | `apache-2.0` | `0123456789ab` |\n"
        "| sft | `zoo/c` | not scored by accuracy | – | – | – | – | – | 0 | `apache-2.0` "
        "| `0123456789ab` |\n\n"
        "## phantom on phantom/test\n\n"
        f"Base `phantom` at `{'a' * 40}`.\n\n"
        f"{HEAD}"
        "| mdpo | `zoo/b` | 0.710 (0.670 to 0.750) | 500 | 0.620 | 0.700 "
        "| +0.090 (+0.050 to +0.130) | no difference (-0.020 to +0.040) "
        "| 0 | `apache-2.0` | `0123456789ab` |\n\n"
        "## Cannot be read\n\n"
        "- `zoo/broken` at `0123456789ab`: key 'base' is missing\n"
    )


def test_the_same_entries_give_the_same_page_in_any_order(make_adapter: Any) -> None:
    found = [entry(make_adapter, f"zoo/{name}", variant=name) for name in ("mdpo", "dpo", "sft")]
    assert render(found, hub="h") == render(found[::-1], hub="h")
    assert render(found, hub="h").count("\n| ") == 4


def test_the_page_is_written_from_a_hub(recorded: Any, hub: str, tmp_path: Any) -> None:
    publish_folder(
        recorded(repo="zoo/phantom-mdpo"), "zoo/phantom-mdpo", message="m", endpoint=hub, token="t"
    )
    out = tmp_path / "README.md"
    done = CliRunner().invoke(card, ["--overview", "--hub", hub, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "| mdpo | `zoo/phantom-mdpo` | 0.850 (" in out.read_text()
    assert CliRunner().invoke(card, ["--overview", "--hub", hub]).stdout == out.read_text()
