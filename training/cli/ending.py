"""What `medzoo train` says at its end: what became of each variant, where to look, what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.cli.options import next_command, typed
from zoo.cli._base import BASE_NAMES

if TYPE_CHECKING:
    from training.several import Outcome
    from zoo.manifest import AdapterManifest


def what_next(
    folders: Sequence[Path], manifest: AdapterManifest, out: Path, options: Mapping[str, Any]
) -> list[str]:
    """Where the run in `out` is to be seen, and the commands that follow it; `folders` are its adapters',
    and `manifest` is that of one."""
    from training.log import TENSORBOARD_NAME
    from zoo.manifest import PICTURE_NAME

    alone = list(folders) == [out]
    evaluate = next_command(
        "evaluate",
        *folders,
        *typed(*BASE_NAMES),
        base=manifest.base.name,
        benchmark=f"{manifest.data.dataset}/test" + (f"={folder}" if (folder := options["data_dir"]) else ""),
        out=f"{out}-answers",
    )
    found = [f"  see: {(out if alone else out / '*') / PICTURE_NAME}"]
    if options["tensorboard"]:
        logs = out / TENSORBOARD_NAME if alone else out
        found.append(f"  see: {shlex.join(['tensorboard', '--logdir', str(logs)])}")
    return [
        *found,
        f"  next: {evaluate} --record",
        f"  then: {next_command('publish', folders[0], 'OWNER/NAME')}",
    ]


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """What became of each variant, aligned; loss and accuracies as the runs ended."""
    from training.several import endings

    rows = [("variant", "pairs", "steps", "seconds", "loss", "reward accuracy", "in, or why there is none")]
    for outcome in outcomes:
        if (made := outcome.manifest) is None:
            why = outcome.reason if outcome.fits else f"does not fit here: {outcome.reason}"
            rows.append((outcome.variant, "-", "-", "-", "-", "-", why))
            continue
        ended = endings(outcome.folder)
        loss = f"{ended.pop('loss'):.4f}" if ended else "-"
        counts = (made.data.pairs, made.training.steps, round(made.cost.seconds))
        pairs, steps, seconds = map(str, counts)
        rows.append((outcome.variant, pairs, steps, seconds, loss, _accuracies(ended), str(outcome.folder)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return ["", *("  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows), ""]


def _accuracies(ended: Mapping[str, float]) -> str:
    """Such as `83%`, or `response 83%, image 50%` where the chosen branch is held against several."""
    if len(ended) == 1:
        return f"{next(iter(ended.values())):.0%}"
    named = {name.removeprefix("accuracy_over_").removeprefix("rejected_"): ended[name] for name in ended}
    return ", ".join(f"{name} {value:.0%}" for name, value in named.items()) or "-"
