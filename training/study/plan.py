"""What a study consists of: its settings, its jobs, and where each job's result lies in the study's folder.

Decides only, and loads no model. A job whose result is there is done, so a study that was killed goes on.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

from zoo.errors import BadInput

SFT = "sft"
SETTINGS_NAME = "settings.json"
AT_ONCE = 16
"""Adapters that answer in one pass of the bank."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides a study's numbers, beside the code."""

    variants: tuple[str, ...]
    """SFT among them."""
    seeds: int
    """Runs of each variant; a run's seed draws its questions, pairs, initial weights and order."""
    rates: tuple[float, ...]
    """Learning rates to choose from, ascending, as multiples of the variant's own on this base."""
    limit: int
    """Training questions."""
    epochs: int | None
    """Of each variant's last stage; None: the variant's own."""
    validation_limit: int
    test_limit: int
    base: str = "phantom"
    dataset: str = "phantom"
    data_dir: str = ""
    """Where the data set lies, for one that lies in a folder."""
    dtype: str = "auto"
    """Precision of the base."""

    def command(self) -> str:
        """The command line that gives this study, but for its folder and workers."""
        words = [f"--variants {','.join(self.variants)}", f"--seeds {self.seeds}"]
        words.append(f"--rates {','.join(f'{rate:g}' for rate in self.rates)}")
        words += [f"--limit {self.limit}", f"--epochs {self.epochs}" if self.epochs else ""]
        words += [f"--validation-limit {self.validation_limit}", f"--test-limit {self.test_limit}"]
        words += [f"--base {self.base}"] if self.base != Settings.base else []
        words += [f"--dataset {self.dataset}"] if self.dataset != Settings.dataset else []
        words += [f"--data-dir {self.data_dir}"] if self.data_dir else []
        words += [f"--dtype {self.dtype}"] if self.dtype != Settings.dtype else []
        return " ".join(["medzoo study", *filter(None, words), "--out DIR"])


@dataclass(frozen=True)
class MakePairs:
    """The pairs of a variant's first stage, for every variant whose first stage has the same steps."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """For people."""
        return f"pairs {self.variant} seed {self.seed}"

    def folder(self, out: Path) -> Path:
        """Where the pair set lies."""
        return out / "pairs" / f"{steps_key(self.variant)}-{self.seed}"

    def outcome(self, out: Path) -> Path:
        """The file that says how it went."""
        return self.folder(out).with_suffix(".json")

    def done(self, out: Path) -> bool:
        """Whether it is made, or cannot be."""
        return self.outcome(out).exists()


@dataclass(frozen=True)
class Train:
    """One run of a variant at a multiple of its learning rate."""

    variant: str
    seed: int
    rate: float

    @property
    def name(self) -> str:
        """For people, and among predictions."""
        return f"{self.variant} seed {self.seed} rate x{self.rate:g}"

    def folder(self, out: Path) -> Path:
        """Where the adapter lies."""
        return out / "runs" / self.variant / f"seed-{self.seed}-rate-{self.rate:g}"

    def outcome(self, out: Path) -> Path:
        """The file that says how it went; without it the run is tried again."""
        return self.folder(out) / "outcome.json"

    def done(self, out: Path) -> bool:
        """Whether it is trained, or failed."""
        return self.outcome(out).exists()

    def answers(self, out: Path, split: str) -> Path:
        """The file of its answers to a split."""
        return self.folder(out) / f"{split}.jsonl"


@dataclass(frozen=True)
class Ask:
    """The answers of some runs to a split in one pass; of the base, where no runs are named."""

    split: str
    runs: tuple[Train, ...]

    @property
    def name(self) -> str:
        """For people."""
        if not self.runs:
            return f"{self.split} base"
        return f"{self.split} {self.runs[0].name} and {len(self.runs) - 1} more"

    def files(self, out: Path) -> list[Path]:
        """One of answers for each run, or the base's."""
        return [run.answers(out, self.split) for run in self.runs] or [base_answers(out, self.split)]

    def done(self, out: Path) -> bool:
        """Whether all answers are there."""
        return all(path.exists() for path in self.files(out))


Job = MakePairs | Train | Ask


def failure_of(job: MakePairs | Train, out: Path) -> str | None:
    """Why a job that is done failed; None where it did not."""
    reason: str | None = json.loads(job.outcome(out).read_text(encoding="utf-8"))["failed"]
    return reason


def base_answers(out: Path, split: str) -> Path:
    """The file of the base's answers to a split."""
    return out / "base" / f"{split}.jsonl"


def pair_jobs(settings: Settings) -> list[MakePairs]:
    """The pair sets that the study needs, each once."""
    found = {
        (steps_key(name), seed): MakePairs(name, seed)
        for seed in range(settings.seeds)
        for name in reversed(settings.variants)
    }
    return list(found.values())


def search_jobs(settings: Settings) -> list[Train]:
    """Every variant at every rate, on seed 0."""
    return [Train(name, 0, rate) for name in settings.variants for rate in settings.rates]


def seed_jobs(settings: Settings, rates: Mapping[str, float | None]) -> list[Train]:
    """Every seed of each variant at its chosen rate; nothing of a variant without one."""
    return [
        Train(name, seed, rate)
        for name in settings.variants
        for seed in range(settings.seeds)
        if (rate := rates[name]) is not None
    ]


def ask_jobs(out: Path, split: str, runs: Sequence[Train]) -> list[Ask]:
    """The base and all runs that did not fail, some at a time."""
    sound = [run for run in runs if failure_of(run, out) is None]
    parts = [tuple(sound[start : start + AT_ONCE]) for start in range(0, len(sound), AT_ONCE)]
    return [Ask(split, ()), *(Ask(split, part) for part in parts)]


def most_jobs(settings: Settings) -> int:
    """How many jobs the study has where no variant fails at every rate."""
    variants, rates = len(settings.variants), len(settings.rates)
    asks = 2 - (-variants * rates // AT_ONCE) - (-variants * settings.seeds // AT_ONCE)
    return len(pair_jobs(settings)) + variants * (rates + settings.seeds - 1) + asks


def best_rate(accuracies: Mapping[float, float | None]) -> float | None:
    """The rate of the best accuracy, of equals the smallest; None where every run failed."""
    found = [(-accuracy, rate) for rate, accuracy in accuracies.items() if accuracy is not None]
    return min(found)[1] if found else None


def steps_key(variant: str) -> str:
    """What tells the pair set of a variant's first stage from another's."""
    from training.pairs.build import steps_as_data
    from training.variants import get_variant

    found = get_variant(variant)
    steps = json.dumps(steps_as_data((*found.earlier, found)[0].steps), sort_keys=True)
    return hashlib.sha256(steps.encode()).hexdigest()[:12]


def open_study(out: Path, settings: Settings) -> None:
    """Make the study's folder, or see that the one there is of these settings.

    Raises:
        BadInput: the folder is of another study, or of none.
    """
    path = out / SETTINGS_NAME
    text = json.dumps(asdict(settings), indent=2) + "\n"
    if path.exists():
        defaults = {f.name: f.default for f in fields(Settings) if f.default is not MISSING}
        before = defaults | json.loads(path.read_text(encoding="utf-8"))
        now = json.loads(text)
        other = [f"{key} {before.get(key)}, not {now[key]}" for key in now if before.get(key) != now[key]]
        if other:
            raise BadInput(
                f"{out} holds a study of other settings: {'; '.join(other)}",
                hint="choose another --out, or give the settings that it began with",
            )
        return
    if out.exists() and any(out.iterdir()):
        raise BadInput(f"{out} is not empty and holds no study", hint="choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: after a kill it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
