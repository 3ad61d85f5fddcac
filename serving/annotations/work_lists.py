"""Work lists: cases that raters rate, who rates which, and how far they are."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update

from serving.annotations.blind import LETTERS
from serving.annotations.database import Database, now
from serving.annotations.records import AccountRole, Case, CaseAnswer, NewCase, Progress, WorkList
from serving.annotations.schema import (
    accounts,
    answers,
    assignments,
    cases,
    check,
    clicks,
    in_range,
    pictures,
    work_lists,
)
from zoo.errors import BadInput, UnknownName


class WorkLists:
    """The work lists of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        title: str,
        new: Sequence[NewCase],
        *,
        adapters: Sequence[str],
        raters: Sequence[str],
        overlap: int,
        made_by: str,
        instructions: str = "",
        keep: bool = False,
        said: Sequence[Sequence[CaseAnswer]] = (),
    ) -> WorkList:
        """Keep a list and assign its cases, `overlap` raters each, evenly, a repeated one to the same. It is
        `preparing` until its answers are there; with those that were `said` of each case before, it is open
        at once.

        Raises:
            BadInput: no case, no adapter, one twice, fewer raters than the overlap, a rater who is an
                administrator and so sees results at any time, or a text that cannot be kept.
            UnknownName: a rater who has no account, or whose is closed.
        """
        for what, words in (("adapter", adapters), ("rater", raters)):
            if twice := [word for word in words if list(words).count(word) > 1]:
                raise BadInput(f"the {what} {twice[0]!r} is named twice")
        if not new or not 1 <= len(adapters) <= len(LETTERS):
            raise BadInput(f"a work list has at least one case, and 1 to {len(LETTERS)} adapters")
        if not 1 <= overlap <= len(raters):
            raise BadInput(
                f"{overlap} raters for each case and {len(raters)} named",
                hint="name more raters, or set overlap, the raters of each case, lower, to 1 at least",
            )
        identity = secrets.token_hex(4)
        seed = secrets.randbelow(2**31)

        row: dict[str, Any] = {
            "id": identity,
            "title": title,
            "instructions": instructions,
            "state": "open" if said else "preparing",
            "adapters": list(adapters),
            "overlap": overlap,
            "seed": seed,
            "keep": keep,
            "made_by": made_by,
            "made_at": now(),
        }
        check(work_lists, row)
        rows = [_case_row(identity, number, case) for number, case in enumerate(new, start=1)]
        shares = assign([case.case_sha256 for case in new], raters, overlap=overlap, seed=seed)
        for number, one in enumerate(said, start=1):
            _check_answers(number, one, adapters)

        def write(connection: Connection) -> None:
            known = select(accounts.c.name, accounts.c.role).where(accounts.c.closed_at.is_(None))
            roles: dict[str, AccountRole] = {row.name: row.role for row in connection.execute(known)}
            if strangers := [rater for rater in raters if rater not in roles]:
                raise UnknownName("account", strangers[0], roles)
            if seeing := [rater for rater in raters if roles[rater] == "administrator"]:
                raise BadInput(
                    f"{seeing[0]!r} is an administrator, who sees results at any time: no blind rater",
                    hint="name raters alone; medzoo accounts new NAME makes one",
                )
            connection.execute(insert(work_lists).values(**row))
            connection.execute(insert(cases), rows)
            ours = select(cases.c.id).where(cases.c.work_list == identity).order_by(cases.c.number)
            keys = connection.execute(ours).scalars().all()
            connection.execute(
                insert(assignments),
                [
                    {"case_id": key, "rater": rater}
                    for key, chosen in zip(keys, shares, strict=True)
                    for rater in chosen
                ],
            )
            for key, case in zip(keys, new, strict=True):
                for place, data in enumerate(case.pictures):
                    connection.execute(insert(pictures).values(case_id=key, number=place, data=data))
            if said:
                of_all = zip(keys, said, strict=True)
                connection.execute(insert(answers), [_row(key, one) for key, of in of_all for one in of])

        self._database.write(write)
        return self.get(identity)

    def all(self) -> list[WorkList]:
        """Every list, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(work_lists).order_by(work_lists.c.made_at.desc()))
            return [_work_list(row._mapping) for row in rows]

    def get(self, identity: str) -> WorkList:
        """The list of that id.

        Raises:
            UnknownName: there is none.
        """
        with self._database.read() as connection:
            asked = select(work_lists).where(work_lists.c.id == identity)
            row = connection.execute(asked).first() if identity.isalnum() else None
            if row is None:
                known = connection.execute(select(work_lists.c.id)).scalars().all()
                raise UnknownName("work list", identity, known)
        return _work_list(row._mapping)

    def cases(self, work_list: str, *, rater: str | None = None) -> list[Case]:
        """The cases of a list in order; of one rater, those that are assigned to them."""
        asked = select(cases).where(cases.c.work_list == work_list).order_by(cases.c.number)
        if rater is not None:
            asked = asked.join(assignments).where(assignments.c.rater == rater)
        with self._database.read() as connection:
            return [_case(row._mapping) for row in connection.execute(asked)]

    def case(self, number: int) -> Case:
        """A case by its id.

        Raises:
            UnknownName: there is none.
        """
        if not in_range(number):
            raise _no_case(number)
        with self._database.read() as connection:
            row = connection.execute(select(cases).where(cases.c.id == number)).first()
        if row is None:
            raise _no_case(number)
        return _case(row._mapping)

    def raters(self, case: int) -> list[str]:
        """Who is to rate a case."""
        asked = select(assignments.c.rater).where(assignments.c.case_id == case).order_by(assignments.c.rater)
        with self._database.read() as connection:
            return list(connection.execute(asked).scalars())

    def picture(self, case: int, number: int) -> bytes:
        """A picture of a case, counted from 0.

        Raises:
            UnknownName: it has none of that number, or its list is closed.
        """
        if in_range(case) and in_range(number + 1):
            asked = select(pictures.c.data).where(pictures.c.case_id == case, pictures.c.number == number)
            with self._database.read() as connection:
                data: bytes | None = connection.execute(asked).scalar_one_or_none()
            if data is not None:
                return data
        error = UnknownName("picture", f"{case}/{number}", ())
        error.hint = "a case's pictures are counted from 0, and erased when its list is closed"
        raise error

    def answers(self, case: int) -> list[CaseAnswer]:
        """What the adapters said of a case, in the list's order."""
        with self._database.read() as connection:
            rows = connection.execute(select(answers).where(answers.c.case_id == case)).all()
            order = connection.execute(
                select(work_lists.c.adapters).join(cases).where(cases.c.id == case)
            ).scalar_one()
        found = [_answer(row._mapping) for row in rows]
        return sorted(found, key=lambda one: order.index(one.adapter))

    def answers_of_list(self, work_list: str) -> dict[int, list[CaseAnswer]]:
        """What the adapters said of each case of a list that has answers, by the case's id, in the list's
        order. One query."""
        asked = select(answers, work_lists.c.adapters).join(cases, cases.c.id == answers.c.case_id)
        asked = asked.join(work_lists).where(work_lists.c.id == work_list).order_by(cases.c.number)
        found: dict[int, list[tuple[int, CaseAnswer]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(asked):
                columns = dict(row._mapping)
                place = columns.pop("adapters").index(row.adapter)
                found.setdefault(row.case_id, []).append((place, _answer(columns)))
        return {case: [one for _, one in sorted(said, key=itemgetter(0))] for case, said in found.items()}

    def variants(self, work_list: str) -> dict[str, str]:
        """The variants of a list's adapters by name; empty until a case has its answers."""
        asked = select(answers.c.adapter, answers.c.variant).distinct().join(cases)
        with self._database.read() as connection:
            rows = connection.execute(asked.where(cases.c.work_list == work_list))
            return {row.adapter: row.variant for row in rows}

    def put_answers(self, case: int, said: Sequence[CaseAnswer]) -> None:
        """Keep what the adapters said of a case, all at once; the list opens with its last case. A case that
        has its answers keeps them, and a list that has been closed meanwhile takes none.

        Raises:
            BadInput: not one answer of each of the list's adapters, or a text that cannot be kept.
        """

        def write(connection: Connection) -> None:
            of = select(work_lists).join(cases).where(cases.c.id == case)
            ours = _work_list(connection.execute(of.with_for_update(of=work_lists)).one()._mapping)
            _check_answers(case, said, ours.adapters)
            there = select(answers.c.case_id).where(answers.c.case_id == case).limit(1)
            if ours.state != "preparing" or connection.execute(there).first():
                return
            connection.execute(insert(answers), [_row(case, one) for one in said])
            connection.execute(update(cases).where(cases.c.id == case).values(problem=""))
            _open_if_answered(connection, ours.id)

        self._database.write(write)

    def drop(self, case: int) -> None:
        """Take a case without answers out of a list in preparation, which opens if the others have theirs.

        Raises:
            UnknownName: there is no such case.
            BadInput: it has its answers, its list is not in preparation, or it is the only one.
        """
        of = self.case(case).work_list

        def write(connection: Connection) -> None:
            ours = select(work_lists.c.state).where(work_lists.c.id == of).with_for_update()
            state = connection.execute(ours).scalar_one()
            unanswered = select(cases.c.id).where(cases.c.id == case, _unanswered())
            if state != "preparing" or not connection.execute(unanswered).first():
                raise BadInput("only a case without answers is dropped, of a list in preparation")
            others = select(cases.c.id).where(cases.c.work_list == of, cases.c.id != case).limit(1)
            if not connection.execute(others).first():
                raise BadInput("it is the only case of its list", hint="close the list")
            for table, column in ((pictures, pictures.c.case_id), (assignments, assignments.c.case_id)):
                connection.execute(delete(table).where(column == case))
            connection.execute(delete(cases).where(cases.c.id == case))
            _open_if_answered(connection, of)

        self._database.write(write)

    def put_problem(self, case: int, problem: str) -> None:
        """Say why a case has no answers."""
        change = update(cases).where(cases.c.id == case).values(problem=problem)
        self._database.write(lambda connection: connection.execute(change))

    def unanswered(self) -> list[Case]:
        """Cases of lists in preparation that have no answers yet."""
        asked = select(cases).join(work_lists).where(work_lists.c.state == "preparing")
        asked = asked.where(_unanswered()).order_by(cases.c.id)
        with self._database.read() as connection:
            return [_case(row._mapping) for row in connection.execute(asked)]

    def answered(self, work_list: str) -> int:
        """How many cases of a list have their answers."""
        asked = select(func.count()).where(cases.c.work_list == work_list, ~_unanswered())
        with self._database.read() as connection:
            return connection.execute(asked).scalar_one()

    def progress(self, work_list: str) -> list[Progress]:
        """How far each rater is."""
        done = (clicks.c.case_id == assignments.c.case_id) & (clicks.c.rater == assignments.c.rater)
        asked = (
            select(assignments.c.rater, func.count(), func.count(clicks.c.id))
            .select_from(assignments)
            .join(cases)
            .outerjoin(clicks, done & (clicks.c.field == "done"))
            .where(cases.c.work_list == work_list)
            .group_by(assignments.c.rater)
            .order_by(assignments.c.rater)
        )
        with self._database.read() as connection:
            rows = connection.execute(asked)
            return [Progress(rater=rater, assigned=count, done=ended) for rater, count, ended in rows]

    def close(self, identity: str) -> WorkList:
        """End a list: no more ratings; its pictures, questions, references and answers are erased, unless it
        was made to keep them. Ratings and digests stay. Closing it again erases what was left.

        Raises:
            UnknownName: there is none.
            Busy: it is closed, and erased as soon as nobody reads the file any more.
        """
        kept = self.get(identity).keep
        ours = select(cases.c.id).where(cases.c.work_list == identity)

        def write(connection: Connection) -> None:
            # Whoever is keeping a click there ends first, so that none is later than the end.
            connection.execute(select(work_lists.c.id).where(work_lists.c.id == identity).with_for_update())
            change = update(work_lists).where(work_lists.c.id == identity)
            ended = func.coalesce(work_lists.c.closed_at, now())
            connection.execute(change.values(state="closed", closed_at=ended))
            if not kept:
                connection.execute(delete(pictures).where(pictures.c.case_id.in_(ours)))
                connection.execute(update(answers).where(answers.c.case_id.in_(ours)).values(text=""))
                blank = update(cases).where(cases.c.work_list == identity)
                connection.execute(blank.values(prompt="", reference="", options=[], problem=""))

        (self._database.write if kept else self._database.erase)(write)
        return self.get(identity)


def assign(
    digests: Sequence[str], raters: Sequence[str], *, overlap: int, seed: int
) -> list[tuple[str, ...]]:
    """Who rates each of the cases of these digests: `overlap` raters each, no rater more than one case ahead
    of another, every two meeting about as often. Cases of one digest are the same raters', so that each
    agrees or not with themselves, and these may be further ahead."""

    def drawn(case: int, rater: str) -> str:
        return hashlib.sha256(f"{seed}\n{case}\n{rater}".encode()).hexdigest()

    load = dict.fromkeys(raters, 0)
    given: dict[str, tuple[str, ...]] = {}
    for case, digest in enumerate(digests):
        if digest not in given:
            chosen = sorted(raters, key=lambda rater: (load[rater], drawn(case, rater)))[:overlap]
            given[digest] = tuple(chosen)
        for rater in given[digest]:
            load[rater] += 1
    return [given[digest] for digest in digests]


def _case_row(work_list: str, number: int, case: NewCase) -> dict[str, Any]:
    row = {name: value for name, value in vars(case).items() if name != "pictures"}
    row |= {"error_types": list(case.error_types), "pictures": len(case.pictures), "problem": ""}
    row |= {"work_list": work_list, "number": number, "options": list(case.options)}
    check(cases, row | {"options": "\n".join(case.options)})
    return row


def _row(case: int, one: CaseAnswer) -> dict[str, Any]:
    return {"case_id": case, **vars(one)}


def _check_answers(case: int, said: Sequence[CaseAnswer], adapters: Sequence[str]) -> None:
    if sorted(one.adapter for one in said) != sorted(adapters):
        raise BadInput(f"the answers to case {case} are not of {', '.join(adapters)}, one each")
    for one in said:
        check(answers, _row(case, one))


def _open_if_answered(connection: Connection, work_list: str) -> None:
    missing = select(cases.c.id).where(cases.c.work_list == work_list, _unanswered()).limit(1)
    if not connection.execute(missing).first():
        connection.execute(update(work_lists).where(work_lists.c.id == work_list).values(state="open"))


def _no_case(number: int) -> UnknownName:
    error = UnknownName("case", str(number), ())
    error.hint = "its number is not its id: a work list's cases say theirs"
    return error


def _unanswered() -> ColumnElement[bool]:
    return ~exists().where(answers.c.case_id == cases.c.id)


def _work_list(row: Mapping[Any, Any]) -> WorkList:
    return WorkList(**{**row, "adapters": tuple(row["adapters"]), "keep": bool(row["keep"])})


def _case(row: Mapping[Any, Any]) -> Case:
    lists = {name: tuple(row[name]) for name in ("options", "error_types")}
    return Case(**{**row, **lists})


def _answer(row: Mapping[Any, Any]) -> CaseAnswer:
    return CaseAnswer(**{name: value for name, value in row.items() if name != "case_id"})
