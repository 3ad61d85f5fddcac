"""A store with a work list in it, and clicks to put there."""

import json
import uuid
from typing import Any

from serving.annotations.clicks import Clicks
from serving.annotations.desk import Desk
from serving.annotations.records import CaseAnswer, Click, NewCase, WorkList

PASSWORD = "four quiet words here"
ADAPTERS = ("mdpo", "base", "dpo")


def new_case(number: int, **changes: Any) -> NewCase:
    """A case of two pictures."""
    given: dict[str, Any] = {
        "question_id": f"q{number}",
        "dataset": "ward",
        "split": "rated",
        "prompt": f"What is shown in picture {number}?",
        "pictures": (b"first picture", b"second picture"),
        "case_sha256": f"{number:064x}",
        "reference": "a mass",
        "options": ("a mass", "a cyst"),
        "error_types": ("MM", "SLC"),
        "modality": "ct",
    }
    return NewCase(**given | changes)


def answer(adapter: str, text: str = "", **changes: Any) -> CaseAnswer:
    """What an adapter said, words of its own unless given."""
    given: dict[str, Any] = {
        "adapter": adapter,
        "variant": adapter,
        "repo": f"zoo/{adapter}",
        "sha": "a" * 40,
        "digest": "b" * 64,
        "base": "phantom@c",
        "text": text or f"as {adapter} says",
        "answer_sha256": sha256_of(adapter),
        "finish": "stop",
        "tokens": 4,
    }
    return CaseAnswer(**given | changes)


def sha256_of(adapter: str) -> str:
    """Of the words of an adapter, in every case."""
    return adapter.encode().hex().ljust(64, "0")


def add_raters(desk: Desk, *names: str) -> None:
    """Accounts, made without the cost of a password each."""
    from sqlalchemy import insert

    from serving.annotations.schema import accounts

    rows = [
        {"name": name, "role": "rater", "password_hash": "x", "pseudonym": f"p-{name}", "made_at": "now"}
        for name in names
    ]
    desk.database.write(lambda connection: connection.execute(insert(accounts), rows))


def add_list(
    desk: Desk, *raters: str, cases: int = 3, overlap: int = 2, answered: bool = True, **more: Any
) -> WorkList:
    """A list, open if `answered`."""
    new = [new_case(number) for number in range(1, cases + 1)]
    made = desk.lists.add(
        "ward", new, adapters=ADAPTERS, raters=raters, overlap=overlap, made_by="admin", **more
    )
    if answered:
        for case in desk.lists.cases(made.id):
            desk.lists.put_answers(case.id, [answer(adapter) for adapter in ADAPTERS])
    return desk.lists.get(made.id)


def click(rater: str, case: int, sets: Any, value: Any, *, adapter: str = "", uid: str = "") -> Click:
    """A click with an uid of its own unless given."""
    sha256 = sha256_of(adapter) if adapter else ""
    given = uid or str(uuid.uuid4())
    return Click(uid=given, rater=rater, case=case, answer_sha256=sha256, sets=sets, value=json.dumps(value))


def said(clicks: Clicks, case: int, rater: str) -> list[tuple[str, str, bool]]:
    """What was set to what, and whether blind, in order."""
    return [(one.sets, one.value, one.blind) for one in clicks.of(case, rater)]
