"""Clicks: kept one by one, and folded into what a rater says of a case now. The folding is pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from serving.annotations.database import Database, now
from serving.annotations.records import Click, Judged
from serving.annotations.schema import cases, clicks
from zoo.records import ErrorType


@dataclass(frozen=True, kw_only=True)
class AnswerState:
    """What a rater says of one answer so far; None where nothing is said."""

    severity: Judged | None = None
    errors: tuple[ErrorType, ...] = ()
    rank: int | None = None
    comment: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class CaseState:
    """What a rater says of a case so far."""

    answers: Mapping[str, AnswerState] = field(default_factory=dict)
    """By the answers' sha256."""
    comment: str = field(default="", repr=False)
    opened_at: str | None = None
    done_at: str | None = None
    corrections: int = 0
    """Clicks after the names were seen."""


class Clicks:
    """The clicks of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, click: Click) -> bool:
        """Keep a click; False if it was kept already. It is on disk when this returns."""
        return self._database.write(lambda connection: add_click(connection, click))

    def of(self, case: int, rater: str) -> list[Click]:
        """A rater's clicks on a case, in order."""
        asked = select(clicks).where(clicks.c.case_id == case, clicks.c.rater == rater).order_by(clicks.c.id)
        with self._database.read() as connection:
            return [_click(row._mapping) for row in connection.execute(asked)]

    def of_list(self, work_list: str) -> dict[tuple[int, str], list[Click]]:
        """All clicks on a list's cases, in order, by case and rater. One query."""
        asked = select(clicks).join(cases).where(cases.c.work_list == work_list).order_by(clicks.c.id)
        found: dict[tuple[int, str], list[Click]] = {}
        with self._database.read() as connection:
            for row in connection.execute(asked):
                found.setdefault((row.case_id, row.rater), []).append(_click(row._mapping))
        return found


def add_click(connection: Connection, click: Click) -> bool:
    """Keep a click within a write; see `Clicks.add`."""
    sqlite_here = connection.dialect.name == "sqlite"
    insert = sqlite.insert(clicks) if sqlite_here else postgresql.insert(clicks)
    row = {
        "uid": click.uid,
        "made_at": now(),
        "rater": click.rater,
        "case_id": click.case,
        "answer_sha256": click.answer_sha256,
        "field": click.sets,
        "value": click.value,
        "blind": click.blind,
    }
    done = connection.execute(insert.values(**row).on_conflict_do_nothing(index_elements=["uid"]))
    return done.rowcount == 1


def fold(said: Iterable[Click], *, blind_only: bool = False) -> CaseState:
    """What the clicks of one rater on one case, in order, come to; `blind_only` leaves out those made after
    the names were seen."""
    state = CaseState()
    answers: dict[str, AnswerState] = {}
    for click in said:
        if not click.blind:
            state = replace(state, corrections=state.corrections + 1)
            if blind_only:
                continue
        value: Any = json.loads(click.value)
        if click.answer_sha256:
            change: dict[str, Any] = {click.sets: tuple(value) if click.sets == "errors" else value}
            before = answers.get(click.answer_sha256, AnswerState())
            answers[click.answer_sha256] = replace(before, **change)
        elif click.sets == "comment":
            state = replace(state, comment=value)
        elif click.sets == "opened":
            state = replace(state, opened_at=state.opened_at or click.made_at)
        elif click.sets == "done":
            state = replace(state, done_at=state.done_at or click.made_at)
    return replace(state, answers=answers)


def _click(row: Mapping[Any, Any]) -> Click:
    return Click(
        uid=row["uid"],
        rater=row["rater"],
        case=row["case_id"],
        answer_sha256=row["answer_sha256"],
        sets=row["field"],
        value=row["value"],
        made_at=row["made_at"],
        blind=bool(row["blind"]),
    )
