"""Clicks: kept one by one, and folded into what a rater says of a case now. The folding is pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from serving.annotations.database import Database, now
from serving.annotations.records import Click, Judged
from serving.annotations.schema import answers, assignments, cases, check, clicks, in_range, work_lists
from zoo.errors import BadInput, NotAllowed, NotOpen
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
        """Keep a click; False if it was kept already, or is a second `opened` or `done`. It is on disk when
        this returns. Whether it was said blind is decided here.

        Raises:
            NotAllowed: the case is not the rater's, or is none.
            NotOpen: the list takes no ratings.
            BadInput: the answer is none of the case's, or the uid another click's.
        """
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

    def marks(self, work_list: str, *, rater: str | None = None) -> dict[tuple[int, str], set[str]]:
        """Which of `opened` and `done` is set, by case and rater; of one rater, or of all. One query."""
        asked = select(clicks.c.case_id, clicks.c.rater, clicks.c.field).distinct().join(cases)
        asked = asked.where(cases.c.work_list == work_list, clicks.c.field.in_(("opened", "done")))
        if rater is not None:
            asked = asked.where(clicks.c.rater == rater)
        found: dict[tuple[int, str], set[str]] = {}
        with self._database.read() as connection:
            for case, who, field in connection.execute(asked):
                found.setdefault((case, who), set()).add(field)
        return found


def add_click(connection: Connection, click: Click) -> bool:
    """Keep a click within a write; see `Clicks.add`.

    The rater's place in the case and the list's state are held to the write's end, so that no other server
    can change them meanwhile. The place is held first, by a statement of its own: only the next one sees what
    another server has written of it.
    """
    for_answer = click.sets in ("severity", "errors", "rank")
    if click.sets != "comment" and for_answer != bool(click.answer_sha256):
        raise BadInput(f"{click.sets!r} is said of {'an answer' if for_answer else 'a whole case'}")
    if not in_range(click.case):
        raise _not_theirs(click)
    row = {
        "uid": click.uid,
        "made_at": now(),
        "rater": click.rater,
        "case_id": click.case,
        "answer_sha256": click.answer_sha256,
        "field": click.sets,
        "value": click.value,
    }
    check(clicks, row)
    if connection.dialect.name == "postgresql":
        connection.execute(_HOLD, row)
        adding: Executable = _ADD_POSTGRESQL
    else:
        adding = _ADD_SQLITE
    if connection.execute(adding, row).first() is not None:
        return True
    return _was_kept(connection, click)


def _was_kept(connection: Connection, click: Click) -> bool:
    """False: a click that was not added is there already. Raises: why it was not, see `Clicks.add`."""
    known = connection.execute(select(clicks).where(clicks.c.uid == click.uid)).first()
    if known:
        before = _click(known._mapping)
        if replace(before, made_at=click.made_at, blind=click.blind) == click:
            return False
        raise BadInput("that uid is another click's", hint="draw one for each click")
    ours = (assignments.c.case_id == click.case) & (assignments.c.rater == click.rater)
    joined = assignments.join(cases).join(work_lists)
    asked = select(work_lists.c.state).select_from(joined).where(ours)
    state = connection.execute(asked).scalar_one_or_none()
    if state is None:
        raise _not_theirs(click)
    if state != "open":
        now_is = "closed" if state == "closed" else "not open yet"
        raise NotOpen(f"the work list of case {click.case} is {now_is}", hint="what was rated before is kept")
    if click.sets in ("opened", "done"):
        return False
    raise BadInput(f"no answer to case {click.case} has the sha256 {click.answer_sha256[:64]!r}")


def _not_theirs(click: Click) -> NotAllowed:
    return NotAllowed(f"case {click.case} is not {click.rater}'s to rate", hint="see your work lists")


def _adding(insert: Any) -> Executable:
    """Add a click if its list is open, its rater assigned and its answer the case's; it is blind if the rater
    is not done with the case."""
    given = {column.name: bindparam(column.name, type_=column.type) for column in clicks.c}
    before = clicks.alias()
    done = (
        (before.c.case_id == given["case_id"])
        & (before.c.rater == given["rater"])
        & (before.c.field == "done")
    )
    answered = (answers.c.case_id == given["case_id"]) & (answers.c.answer_sha256 == given["answer_sha256"])
    names = ("uid", "made_at", "rater", "case_id", "answer_sha256", "field", "value")
    chosen = (
        select(*(given[name] for name in names), ~exists().where(done))
        .select_from(assignments)
        .join(cases)
        .join(work_lists)
        .where(_PLACE, work_lists.c.state == "open")
        .where((given["answer_sha256"] == "") | exists().where(answered))
        .with_for_update(read=True, of=work_lists)
    )
    adding: Executable = (
        insert.from_select([*names, "blind"], chosen).on_conflict_do_nothing().returning(clicks.c.id)
    )
    return adding


_PLACE = (assignments.c.case_id == bindparam("case_id")) & (assignments.c.rater == bindparam("rater"))
_HOLD = select(assignments.c.rater).where(_PLACE).with_for_update()
_ADD_SQLITE = _adding(sqlite.insert(clicks))
_ADD_POSTGRESQL = _adding(postgresql.insert(clicks))


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
