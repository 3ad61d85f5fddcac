"""What a plan says, beside what a process took."""

from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks import plan


@pytest.mark.slow
@pytest.mark.parametrize("settings", [plan.TRAINED[0], plan.SERVED[0]], ids=["train", "serve"])
@pytest.mark.parametrize("shape", ["65m", "phantom"])
def test_a_plan_is_within_15_percent_of_what_a_process_took(
    shape: str, settings: dict, tmp_path: Path
) -> None:
    ratios = []
    for number in range(3):  # one peak has a tenth of chance: where the heap's holes come to lie
        folder = tmp_path / str(number)
        folder.mkdir()
        ratios.append(plan.ratio(plan.PROOF[shape], settings, folder))
    assert median(ratios) == pytest.approx(1, abs=0.15)
