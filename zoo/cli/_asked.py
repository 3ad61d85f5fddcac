"""What verbs that ask a model are told: benchmarks as `NAME[/SPLIT][=FOLDER]`, adapters by folder or repo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.datasets import QuestionSet


def questions_of(text: str, *, limit: int, seed: int) -> QuestionSet:
    """The questions of `NAME[/SPLIT][=FOLDER]`."""
    return loader_of(text, limit=limit, seed=seed)()


def loader_of(text: str, *, limit: int, seed: int) -> Callable[[], QuestionSet]:
    """What reads the questions of `NAME[/SPLIT][=FOLDER]`, in this process or in another."""
    from zoo.datasets import load_questions
    from zoo.errors import BadInput

    where, given, folder = text.partition("=")
    name, slash, split = where.partition("/")
    if not name or (slash and not split) or (given and not folder):
        raise BadInput(
            f"--benchmark {text!r} is not NAME[/SPLIT][=FOLDER]", hint="such as vqa-rad/test=data/vqa-rad"
        )
    at = Path(folder) if folder else None
    return partial(load_questions, name, split or "test", limit=limit, seed=seed, data_dir=at)


def adapter_folders(
    adapters: tuple[str, ...], *, hub: str | None, record: bool = False
) -> tuple[list[Path], list[str]]:
    """The folders of adapters, fetched where they are on a Hub, and of these `repo@sha`."""
    from zoo.errors import BadInput, HubError
    from zoo.hub import fetch, parse_ref

    folders, sources = [], []
    for text in adapters:
        if (folder := Path(text)).is_dir():
            folders.append(folder)
            sources.append("")
            continue
        try:
            ref = parse_ref(text)
        except BadInput as error:
            raise BadInput(f"{text!r} is no folder and names no repo", hint=error.hint) from None
        if record:
            raise BadInput(
                f"--record writes into folders, and {text} is none",
                hint=f"medzoo pull {text} --to FOLDER, and evaluate that",
            )
        try:
            folder, sha = fetch(ref.repo, ref.revision, evidence=False, endpoint=hub)
        except HubError as error:
            raise type(error)(f"there is no folder {text}, and: {error.message}", hint=error.hint) from error
        folders.append(folder)
        sources.append(f"{ref.repo}@{sha}")
    return folders, sources
