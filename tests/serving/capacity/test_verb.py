"""`medzoo plan serve --users`: what it says, draws and refuses."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from serving.capacity.given import read_times
from tests._adapters import random_adapter
from tests.serving.capacity._worlds import times
from zoo.bases import get_base
from zoo.cli.plan import plan
from zoo.errors import BadInput
from zoo.vlm.model import load_base

RATES = ["--tflops", "100", "--bandwidth", "1000"]
GPU = ["--base", "qwen3-vl-4b", "--gpu", "24GB"]


def run(*words: str) -> str:
    done = CliRunner().invoke(plan, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout  # the bar of a simulation is beside it


def planned(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", "serve", *words))["serve"]
    return found


@pytest.fixture
def timed(tmp_path: Path) -> str:
    """A file of times: prompts and steps of 10 and 5 ms."""
    path = tmp_path / "times.json"
    path.write_text(json.dumps(asdict(times(prompt_s=0.01, step_s=0.005, load_disk_s=0.05))))
    return str(path)


def test_without_users_a_plan_is_of_one_server_as_before() -> None:
    assert "capacity" not in planned(*GPU, *RATES)
    assert "replicas" not in run("serve", *GPU, *RATES)


def test_people_are_told_replicas_waits_and_what_to_type(timed: str) -> None:
    lines = run("serve", *GPU, "--users", "300", "--adapters", "40", "--times", timed).splitlines()
    assert "300 users, 60 s between questions, 40 adapters (Zipf 1), 2 a comparison" in "\n".join(lines)
    assert "times: by hand" in lines
    assert any(line.startswith("replicas 3, routing spread: the least for 95 of 100") for line in lines)
    assert any(line.startswith("  adapters found in a slot") for line in lines)
    assert lines[-1] == "each replica: medzoo serve --base qwen3-vl-4b"
    assert not any("simulated" in line for line in lines)


def test_one_is_told_as_one(timed: str) -> None:
    words = ["--users", "1", "--adapters", "1", "--asked", "1", "--tokens", "1", "--times", timed]
    said = " ".join(run("serve", *GPU, *words).split())
    assert "1 user, 60 s between questions, 1 adapter (Zipf 1), 1 a comparison, 1 token an answer" in said
    assert "cold replicas fetch 1 adapter in their first hour" in said


def test_times_of_another_base_are_not_taken_for_a_plan(timed: str) -> None:
    lent = json.loads(Path(timed).read_text())
    Path(timed).write_text(json.dumps({**lent, "of": "phantom in float32"}))
    with pytest.raises(BadInput, match="times of phantom in float32, and the plan is for qwen3-vl-4b in bfl"):
        run("serve", *GPU, "--users", "40", "--times", timed)


def test_the_simulation_stands_beside_the_model(
    timed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.cli._capacity._QUESTIONS", 200)
    picture = tmp_path / "plan.png"
    words = ["serve", *GPU, "--users", "40", "--adapters", "12", "--times", timed, "--simulate"]
    words += ["--tokens", "8"]
    said = run(*words, "--plot", str(picture))
    assert "simulated  difference" in said
    assert "simulated: 200 questions in" in said
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(*words) == said != run(*words, "--seed", "5")


def test_a_cold_start_is_told_with_its_fetches(timed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the first question on; a start that is over has no fetches left to wait for."""
    monkeypatch.setattr("serving.cli._capacity._QUESTIONS", 60)
    words = ["--users", "40", "--adapters", "12", "--replicas", "1", "--times", timed, "--simulate"]
    lent = json.loads(Path(timed).read_text())
    Path(timed).write_text(json.dumps({**lent, "fetch_s": 30.0}))
    warm, cold = (planned(*GPU, *words, *more)["capacity"]["simulation"] for more in ([], ["--cold"]))
    assert (warm["fetches"], cold["fetches"]) == (0, 12)
    assert cold["first_token_p95_s"] > 10 > warm["first_token_p95_s"]
    assert ", 12 adapters fetched" in run("serve", *GPU, *words, "--cold")


def test_all_who_ask_at_once_are_simulated_several_times(timed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than a simulation has questions."""
    monkeypatch.setattr("serving.cli._capacity._QUESTIONS", 20)
    words = [
        "--users",
        "50",
        "--burst",
        "50",
        "--replicas",
        "2",
        "--times",
        timed,
        "--simulate",
        "--tokens",
        "4",
    ]
    assert planned(*GPU, *words)["capacity"]["simulation"]["asked"] == 500


def test_json_has_all_that_the_forecast_rests_on(timed: str) -> None:
    words = ["--users", "50", "--replicas", "3", "--routing", "affinity", "--asked", "1", "--burst", "5"]
    found = planned(*GPU, *words, "--zipf", "0", "--think", "20", "--times", timed)["capacity"]
    assert found["traffic"] == {
        "users": 50,
        "think_s": 20.0,
        "adapters": 8,
        "zipf": 0.0,
        "rows": 1,
        "tokens": 64.0,
        "most_tokens": 256,
        "burst": 5,
    }
    assert (found["place"]["replicas"], found["place"]["routing"]) == (3, "affinity")
    assert found["model"]["replicas"] == 3
    assert found["times"]["source"] == "by hand"
    assert found["simulation"] is None


def test_without_measured_times_rates_are_taken_and_named() -> None:
    found = planned(*GPU, *RATES, "--users", "50")["capacity"]
    assert found["times"]["source"].startswith("worked out from rates (as told)")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--simulate"], "--simulate says nothing without --users"),
        (["--adapters", "40", "--replicas", "3"], "--adapters says nothing without --users"),
        (["--zipf", "0"], "--zipf says nothing without --users"),
        (["--times", "times.json"], "--times says nothing without --users"),
        (["--users", "50", "--cold"], "--cold says nothing without --simulate"),
        (["--adapter", "."], "--adapter says nothing without --measure"),
        (["--users", "50", "--times", "a", "--measure", "b"], "--times and --measure exclude each other"),
        (["--users", "50", "--burst", "51", *RATES], "--burst 51 of --users 50"),
        (
            ["--users", "50", "--plot", "/dev/null/plan.png", *RATES],
            "--plot /dev/null/plan.png: ",
        ),
        (["--users", "50", "--asked", "12", *RATES], "takes 8 adapters a comparison"),
        (["--users", "50"], "how long that device takes is not known"),
        (["--users", "50", "--target", "0.001", *RATES], "no number of replicas up to 50"),
        (["--measure", "times.json"], "needs an adapter"),
    ],
)
def test_what_cannot_be_forecast_is_refused(words: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        run("serve", *GPU, *words)


def test_this_machine_is_measured_with_a_real_adapter(tmp_path: Path) -> None:
    random_adapter(tmp_path / "one", load_base(get_base("phantom")), seed=0)
    path = tmp_path / "times.json"
    words = ["--slots", "2", "--max-rows", "4", "--max-rank", "16", "--memory", "8GB"]
    run("serve", *words, "--measure", str(path), "--adapter", str(tmp_path / "one"))
    found = read_times(path, of="phantom in float32")
    assert found.source.startswith("measured: phantom in float32 with 2 slots, at 1 and 4 rows")
    assert min(found.load_host_s, found.prompt(0, 1), found.step(1)) > 0
    assert found.load_disk_s >= found.load_host_s
