"""`medzoo plan`: what it says, and that what it suggests fits."""

import json
import shlex
from importlib.metadata import entry_points

import pytest
from click.testing import CliRunner

from zoo.bases import bases
from zoo.cli.plan import plan
from zoo.errors import BadInput, UnknownName

RATES = ["--tflops", "100", "--bandwidth", "1000"]


def planned(*words: str) -> dict[str, dict]:
    """What it says as JSON."""
    done = CliRunner().invoke(plan, ["--json", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.mark.parametrize("name", [*bases()])
def test_every_base_is_planned_though_none_is_here(name: str) -> None:
    found = planned("--base", name, "--gpu", "80GB", *RATES)
    assert list(found) == ["serve", "train"]
    for one in found.values():
        assert one["fits"] or one["instead"].startswith(("medzoo ", "MEDZOO_"))
        assert one["total"] == sum(one["held"].values()) + max(one["passes"].values())  # a GPU's
        assert all(seconds > 0 for seconds in one["seconds"].values())


def test_what_does_not_fit_names_a_command_that_does() -> None:
    asked = ("--variant", "mmedpo", "--base", "llava-med-v1.5", "--gpu", "24GB", *RATES)
    found = planned("train", *asked)["train"]
    assert not found["fits"]
    command = "medzoo train mmedpo --base llava-med-v1.5 --gradient-checkpointing --out OUT"
    assert found["instead"] == command
    assert planned("train", *asked, "--gradient-checkpointing")["train"]["fits"]


def test_a_base_that_is_too_large_for_one_gpu_is_planned_for_several() -> None:
    asked = ("--base", "llava-med-v1.5", "--gpu", "12GB", "--dtype", "bfloat16", *RATES)
    alone, four = (planned("train", *asked, "--processes", n)["train"] for n in ("1", "4"))
    assert not alone["fits"]
    assert not four["fits"]
    launch, words = (shlex.split(part) for part in four["instead"].split(" -m training "))
    assert launch == [
        "accelerate",
        "launch",
        "--config_file",
        "deploy/accelerate/fsdp.yaml",
        "--num_processes",
        "4",
    ]
    assert words[:5] == ["dpo", "--base", "llava-med-v1.5", "--dtype", "bfloat16"]
    again = [word for word in words[1:] if word not in ("--out", "OUT")]
    assert planned("train", "--gpu", "12GB", *RATES, *again, "--processes", "4")["train"]["fits"]
    assert any("reads the base into its machine's memory" in fact for fact in four["facts"])


def test_a_server_that_does_not_fit_is_told_with_variables_and_options() -> None:
    found = planned("serve", "--base", "llava-med-v1.5", "--gpu", "12GB", *RATES)["serve"]
    assert not found["fits"]
    words = found["instead"].split()
    assert words[words.index("medzoo") :][:4] == ["medzoo", "serve", "--base", "llava-med-v1.5"]
    assert "MEDZOO_MAX_RANK=16" in words or "--load-in-8bit" in words


@pytest.mark.parametrize("card", ["8GB", "24GB"])
@pytest.mark.parametrize("name", [*bases()])
def test_what_is_suggested_can_be_typed_and_fits(name: str, card: str) -> None:
    for verb, one in planned("--base", name, "--gpu", card, *RATES).items():
        if one["fits"] or not one["instead"]:
            continue
        words = shlex.split(one["instead"])
        variables = words[: words.index("medzoo")]
        verbs = entry_points(group="medzoo.verbs", name=verb)
        assert words[len(variables) + 1] == verb
        typed = words[len(variables) + 2 :]
        next(iter(verbs)).load().make_context(verb, list(typed))
        if verb == "train":
            typed = ["--variant", typed[0], *typed[1 : typed.index("--out")]]
        for variable in variables:
            option, _, value = variable.removeprefix("MEDZOO_").partition("=")
            typed += [f"--{option.lower().replace('_', '-')}", value]
        assert planned(verb, *typed, "--gpu", card, *RATES)[verb]["fits"]


def test_options_before_the_name_are_for_the_plan_that_is_named() -> None:
    before = planned("--base", "qwen3-vl-4b", "--gpu", "24GB", *RATES, "train")
    after = planned("train", "--base", "qwen3-vl-4b", "--gpu", "24GB", *RATES)
    assert before == after


def test_people_see_parts_a_total_and_whether_it_fits() -> None:
    words = ["train", "--base", "medgemma-4b", "--gpu", "4GB", *RATES]
    lines = CliRunner().invoke(plan, words, catch_exceptions=False).output.splitlines()
    assert lines[0].startswith("train dpo on medgemma-4b: 16 bits, rank 16, 16 pairs a step")
    assert any("  > forward and backward" in line and "█" in line for line in lines)
    assert any("does NOT fit in 3.00 GiB" in line for line in lines)
    assert lines[-1] == "no settings of this base fit" or lines[-1].startswith("this fits: medzoo train")


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["--base", "fantom"], UnknownName, "phantom"),
        (["--variant", "mdop", "--gpu", "24GB"], UnknownName, "mdpo"),
        (["--gpu", "24GB", "--memory", "8GB"], BadInput, "exclude each other"),
        (["--gpu", "1GB", *RATES], BadInput, "CUDA itself"),
        (["--gpu", "24GB", "--dtype", "float16", *RATES], BadInput, "does not train"),
        (["--memory", "24GB", "--processes", "2"], BadInput, "plans for GPUs"),
        (["--gpu", "24GB", "--load-in-4bit", "--processes", "2", *RATES], BadInput, "cannot be shared out"),
    ],
)
def test_what_cannot_be_planned_is_refused(words: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        CliRunner().invoke(plan, ["train", *words], catch_exceptions=False)


def test_a_size_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(plan, ["train", "--gpu", "big"])
    assert done.exit_code == 2
    assert "'big' is no size such as 24GB" in done.output
