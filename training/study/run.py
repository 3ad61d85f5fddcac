"""A study from its settings to its tables: phase after phase, each only what is not there yet."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from training.study.plan import (
    Job,
    Settings,
    ask_jobs,
    most_jobs,
    open_study,
    pair_jobs,
    search_jobs,
    seed_jobs,
)
from training.study.plot import plot
from training.study.result import Study, chosen_rates, read_study
from training.study.table import as_markdown
from training.study.workers import Do

LOG_NAME = "jobs.jsonl"


def run_study(settings: Settings, out: Path, do: Do) -> Study:
    """Do what a study still lacks, then write `study.json`, `study.md` and `study.png`.

    Raises:
        BadInput: see `open_study`.
    """
    open_study(out, settings)
    log = _Log(out)
    with tqdm(total=most_jobs(settings), desc="study", unit="job") as bar:

        def finish(jobs: Sequence[Job]) -> None:
            lacking = [job for job in jobs if not job.done(out)]
            bar.update(len(jobs) - len(lacking))
            for done in do(lacking):
                log.write(asdict(done))
                bar.set_postfix_str(done.name, refresh=False)
                bar.update()

        search = search_jobs(settings)
        finish(pair_jobs(settings))
        finish(search)
        finish(ask_jobs(out, "validation", search))
        runs = seed_jobs(settings, chosen_rates(settings, out))
        finish([run for run in runs if run.seed])  # seed 0 was trained in the search
        finish(ask_jobs(out, "test", runs))
    study = read_study(settings, out)
    (out / "study.json").write_text(json.dumps(study.as_data(), indent=2) + "\n", encoding="utf-8")
    (out / "study.md").write_text(as_markdown(study), encoding="utf-8")
    plot(study, out / "study.png")
    return study


class _Log:
    """A line for each job: what it took, and when in its session it ended."""

    def __init__(self, out: Path) -> None:
        self._path = out / LOG_NAME
        self._session, self._began = round(time.time(), 3), time.monotonic()

    def write(self, done: dict[str, object]) -> None:
        line = done | {"session": self._session, "elapsed": round(time.monotonic() - self._began, 2)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
