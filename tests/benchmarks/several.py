"""A list of variants in one run against a run for each, as a user would type them: real processes, start-up
counted.

Phantom, 60 questions, one epoch. Apart, each run makes its own pairs, sees the images and asks the reference
anew. Together and apart take turns, so that what else the machine does falls on both; one run a way, for they
are long.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LISTS = (
    ("text_hallu",),
    ("text_hallu", "text_hallu_nll", "text_noise", "mdpo"),
    (
        "text_hallu",
        "text_hallu_nll",
        "text_noise",
        "text_noise_nll",
        "image_noise",
        "mdpo",
        "rrpo",
        "rrpo_phrase_kl",
        "mask_dpo_phrase",
        "targeted_copo",
        "targeted_mdpo",
        "sft",
    ),
)


def measure() -> dict[str, float]:
    """The time of k variants together over that of k runs; below 1 the list is the cheaper."""
    found = {}
    for names in LISTS:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            together, apart = 0.0, 0.0
            halves = (len(names) + 1) // 2  # the list in the middle of the single runs
            for name in names[:halves]:
                apart += _seconds(out / "apart" / name, name)
            together = _seconds(out / "together", *names)
            for name in names[halves:]:
                apart += _seconds(out / "apart" / name, name)
        found[f"train_together_over_apart_{len(names)}"] = together / apart
    return found


def _seconds(out: Path, *names: str) -> float:
    """The time of one `medzoo train`."""
    words = [sys.executable, "-m", "zoo", "train", *names, "--limit", "60", "--epochs", "1"]
    began = time.perf_counter()
    subprocess.run([*words, "--out", str(out)], check=True, capture_output=True)
    return time.perf_counter() - began
