"""Work lists: cases that raters rate, who rates which, and how far they are."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from serving.annotations.database import Database, now
from serving.annotations.records import Case, CaseAnswer, NewCase, Progress, WorkList
from serving.annotations.schema import answers, assignments, cases, clicks, pictures, work_lists
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
    ) -> WorkList:
        """Keep a list and assign its cases, `overlap` raters each, evenly. It is `preparing` until its
        answers are there.

        Raises:
            BadInput: no case, no adapter, one twice, or fewer raters than the overlap.
        """
        for what, words in (("adapter", adapters), ("rater", raters)):
            if twice := [word for word in words if list(words).count(word) > 1]:
                raise BadInput(f"the {what} {twice[0]!r} is named twice")
        if not new or not adapters:
            raise BadInput("a work list has at least one case and one adapter")
        if not 1 <= overlap <= len(raters):
            raise BadInput(f"{overlap} raters for each case and {len(raters)} are named")
        identity = secrets.token_hex(4)
        seed = secrets.randbelow(2**31)

        def write(connection: Connection) -> None:
            row: dict[str, Any] = {
                "id": identity,
                "title": title,
                "instructions": instructions,
                "state": "preparing",
            }
            row |= {"adapters": list(adapters), "overlap": overlap, "seed": seed, "keep": keep}
            connection.execute(insert(work_lists).values(**row, made_by=made_by, made_at=now()))
            shares = assign(len(new), raters, overlap=overlap, seed=seed)
            for number, (case, chosen) in enumerate(zip(new, shares, strict=True), start=1):
                _add_case(connection, identity, number, case, chosen)

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
        found = {one.id: one for one in self.all()}
        if identity not in found:
            raise UnknownName("work list", identity, found)
        return found[identity]

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
        with self._database.read() as connection:
            row = connection.execute(select(cases).where(cases.c.id == number)).first()
        if row is None:
            raise UnknownName("case", str(number), ())
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
        asked = select(pictures.c.data).where(pictures.c.case_id == case, pictures.c.number == number)
        with self._database.read() as connection:
            data: bytes | None = connection.execute(asked).scalar_one_or_none()
        if data is None:
            raise UnknownName("picture", f"{case}/{number}", ())
        return data

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

    def put_answers(self, case: int, said: Sequence[CaseAnswer]) -> None:
        """Keep what the adapters said of a case, all at once; the list opens with its last case."""

        def write(connection: Connection) -> None:
            for one in said:
                connection.execute(insert(answers).values(case_id=case, **vars(one)))
            connection.execute(update(cases).where(cases.c.id == case).values(problem=""))
            of = connection.execute(select(cases.c.work_list).where(cases.c.id == case)).scalar_one()
            missing = select(func.count()).select_from(cases).where(cases.c.work_list == of)
            missing = missing.where(cases.c.id.not_in(select(answers.c.case_id)))
            if connection.execute(missing).scalar_one() == 0:
                connection.execute(update(work_lists).where(work_lists.c.id == of).values(state="open"))

        self._database.write(write)

    def put_problem(self, case: int, problem: str) -> None:
        """Say why a case has no answers."""
        change = update(cases).where(cases.c.id == case).values(problem=problem)
        self._database.write(lambda connection: connection.execute(change))

    def unanswered(self) -> list[Case]:
        """Cases of lists in preparation that have no answers yet."""
        asked = select(cases).join(work_lists).where(work_lists.c.state == "preparing")
        asked = asked.where(cases.c.id.not_in(select(answers.c.case_id))).order_by(cases.c.id)
        with self._database.read() as connection:
            return [_case(row._mapping) for row in connection.execute(asked)]

    def progress(self, work_list: str) -> list[Progress]:
        """How far each rater is."""
        done = (
            select(clicks.c.case_id, clicks.c.rater)
            .where(clicks.c.field == "done")
            .distinct()
            .subquery("done")
        )
        asked = (
            select(assignments.c.rater, func.count(), func.count(done.c.case_id))
            .join(cases, cases.c.id == assignments.c.case_id)
            .outerjoin(done, (done.c.case_id == cases.c.id) & (done.c.rater == assignments.c.rater))
            .where(cases.c.work_list == work_list)
            .group_by(assignments.c.rater)
            .order_by(assignments.c.rater)
        )
        with self._database.read() as connection:
            rows = connection.execute(asked)
            return [Progress(rater=rater, assigned=count, done=ended) for rater, count, ended in rows]

    def close(self, identity: str) -> WorkList:
        """End a list: no more ratings; its pictures, questions, references and answers are erased, unless it
        was made to keep them. Ratings and digests stay."""
        kept = self.get(identity).keep
        ours = select(cases.c.id).where(cases.c.work_list == identity)

        def write(connection: Connection) -> None:
            change = update(work_lists).where(work_lists.c.id == identity)
            connection.execute(change.values(state="closed", closed_at=now()))
            if not kept:
                connection.execute(delete(pictures).where(pictures.c.case_id.in_(ours)))
                connection.execute(update(answers).where(answers.c.case_id.in_(ours)).values(text=""))
                blank = update(cases).where(cases.c.work_list == identity)
                connection.execute(blank.values(prompt="", reference=""))

        self._database.write(write)
        return self.get(identity)


def assign(count: int, raters: Sequence[str], *, overlap: int, seed: int) -> list[tuple[str, ...]]:
    """Who rates each of `count` cases: `overlap` raters each, no rater more than one case ahead of another,
    every two meeting about as often."""

    def drawn(case: int, rater: str) -> str:
        return hashlib.sha256(f"{seed}\n{case}\n{rater}".encode()).hexdigest()

    load = dict.fromkeys(raters, 0)
    found = []
    for case in range(count):
        chosen = sorted(raters, key=lambda rater: (load[rater], drawn(case, rater)))[:overlap]
        for rater in chosen:
            load[rater] += 1
        found.append(tuple(chosen))
    return found


def _add_case(
    connection: Connection, work_list: str, number: int, case: NewCase, raters: Sequence[str]
) -> None:
    row = {name: value for name, value in vars(case).items() if name != "pictures"}
    row |= {"error_types": list(case.error_types), "pictures": len(case.pictures), "problem": ""}
    made = connection.execute(insert(cases).values(work_list=work_list, number=number, **row))
    assert made.inserted_primary_key is not None
    key = made.inserted_primary_key[0]
    for place, data in enumerate(case.pictures):
        connection.execute(insert(pictures).values(case_id=key, number=place, data=data))
    for rater in raters:
        connection.execute(insert(assignments).values(case_id=key, rater=rater))


def _work_list(row: Mapping[Any, Any]) -> WorkList:
    return WorkList(**{**row, "adapters": tuple(row["adapters"]), "keep": bool(row["keep"])})


def _case(row: Mapping[Any, Any]) -> Case:
    return Case(**{**row, "error_types": tuple(row["error_types"])})


def _answer(row: Mapping[Any, Any]) -> CaseAnswer:
    return CaseAnswer(**{name: value for name, value in row.items() if name != "case_id"})
