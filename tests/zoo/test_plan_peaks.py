"""What a plan says, beside what a process took."""

from pathlib import Path

import pytest

from tests.benchmarks import plan


@pytest.mark.slow
@pytest.mark.parametrize("settings", [plan.TRAINED[0], plan.SERVED[0]], ids=["train", "serve"])
@pytest.mark.parametrize("shape", ["65m", "phantom"])
def test_a_plan_is_within_15_percent_of_what_a_process_took(
    shape: str, settings: dict, tmp_path: Path
) -> None:
    assert plan.ratio(plan.PROOF[shape], settings, tmp_path) == pytest.approx(1, abs=0.15)
