"""What one rater sees of the work lists and does there: own cases, blind until done. It knows no HTTP.

Everything that a rater is shown of a case before they are done with it is made here.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from serving.annotations.blind import Lettered, lettered
from serving.annotations.clicks import AnswerState, CaseState, fold
from serving.annotations.desk import Desk
from serving.annotations.records import CANNOT_JUDGE, Case, CaseAnswer, Click, Field, WorkList
from zoo.errors import BadInput, NotAllowed, NotOpen
from zoo.records import ErrorType, Severity

LONGEST_COMMENT = 2000
OF_ANSWERS = ("severity", "errors", "rank")
OF_CASES = ("opened", "done")
_SEVERITIES = (*get_args(Severity), CANNOT_JUDGE)
_ERRORS: tuple[ErrorType, ...] = get_args(ErrorType)


@dataclass(frozen=True, kw_only=True)
class OwnCase:
    """A rater's case as a line of a list."""

    case: Case
    number: int
    """Among the rater's own, from 1."""
    opened: bool
    done: bool


@dataclass(frozen=True, kw_only=True)
class SeenAnswer:
    """One text, by its letter."""

    letter: str
    text: str
    state: AnswerState
    names: tuple[CaseAnswer, ...] | None
    """Who said it; None until the rater is done with the case, and with all others of theirs in the list
    that show and ask the same."""


@dataclass(frozen=True, kw_only=True)
class SeenCase:
    """A case as its rater sees it now."""

    own: OwnCase
    work_list: WorkList
    of: int
    """How many cases of the list are the rater's."""
    answers: tuple[SeenAnswer, ...]
    state: CaseState
    previous: int | None
    next: int | None
    """The case's id: of those not done the next, and the first again after the last; else the next."""


class Seat:
    """One rater at the desk."""

    def __init__(self, desk: Desk, rater: str) -> None:
        self._desk = desk
        self.rater = rater

    def cases(self, work_list: str) -> list[OwnCase]:
        """The rater's cases of a list, in its order.

        Raises:
            UnknownName: there is no such list.
        """
        self._desk.lists.get(work_list)
        return self._own(work_list)

    def case(self, number: int) -> SeenCase:
        """The case of that id.

        Raises:
            UnknownName: there is none.
            NotAllowed: it is not assigned to this rater.
            NotOpen: its answers are being made, or it is erased.
        """
        case, ours = self._assigned(number)
        if ours.state == "preparing" or (ours.state == "closed" and not ours.keep):
            raise _not_open(ours)
        own = self._own(case.work_list)
        place = next(place for place, one in enumerate(own) if one.case.id == number)
        state = fold(self._desk.clicks.of(number, self.rater))
        named = all(one.done for one in own if one.case.case_sha256 == case.case_sha256)
        return SeenCase(
            own=own[place],
            work_list=ours,
            of=len(own),
            answers=_seen(self._letters(case, ours), state, named=named),
            state=state,
            previous=own[place - 1].case.id if place else None,
            next=_next(own, place),
        )

    def picture(self, case: int, number: int) -> bytes:
        """A picture of a case, counted from 0; see `case` for what it raises, and UnknownName if it has none
        of that number."""
        _, ours = self._assigned(case)
        if ours.state == "preparing":
            raise _not_open(ours)
        return self._desk.lists.picture(case, number)

    def click(self, case: int, *, uid: str, sets: Field, value: Any, letter: str | None = None) -> bool:
        """Keep one thing that the rater set; False if it is kept already. It is on disk when this returns.

        Raises:
            UnknownName, NotAllowed: see `case`.
            NotOpen: the list takes no ratings.
            BadInput: the value does not fit, there is no such letter, or the case is not done yet.
        """
        found, ours = self._assigned(case)
        if ours.state == "preparing":  # whether it is closed is seen by the write itself
            raise _not_open(ours)
        letters = {one.letter: one for one in self._letters(found, ours)}
        _check(sets, value, letter, letters)
        if sets == "done":
            _check_done(fold(self._desk.clicks.of(case, self.rater)), letters)
        click = Click(
            uid=uid,
            rater=self.rater,
            case=case,
            answer_sha256=letters[letter].answer_sha256 if letter else "",
            sets=sets,
            value=json.dumps(value),
        )
        return self._desk.clicks.add(click)

    def _assigned(self, number: int) -> tuple[Case, WorkList]:
        case = self._desk.lists.case(number)
        if self.rater not in self._desk.lists.raters(number):
            raise NotAllowed("this case is not assigned to you", hint="take one of your own work list")
        return case, self._desk.lists.get(case.work_list)

    def _own(self, work_list: str) -> list[OwnCase]:
        marks = self._desk.clicks.marks(work_list, rater=self.rater)
        found = []
        for number, case in enumerate(self._desk.lists.cases(work_list, rater=self.rater), start=1):
            set_ = marks.get((case.id, self.rater), set())
            found.append(OwnCase(case=case, number=number, opened="opened" in set_, done="done" in set_))
        return found

    def _letters(self, case: Case, ours: WorkList) -> tuple[Lettered, ...]:
        answers = self._desk.lists.answers(case.id)
        return lettered(answers, seed=ours.seed, rater=self.rater, case=case.id)


def _seen(letters: Collection[Lettered], state: CaseState, *, named: bool) -> tuple[SeenAnswer, ...]:
    return tuple(
        SeenAnswer(
            letter=one.letter,
            text=one.text,
            state=state.answers.get(one.answer_sha256, AnswerState()),
            names=one.answers if named else None,
        )
        for one in letters
    )


def _next(own: list[OwnCase], place: int) -> int | None:
    after, before = own[place + 1 :], own[:place]
    open_ = [one for one in (*after, *before) if not one.done]
    return next((one.case.id for one in (*open_, *after)), None)


def _not_open(ours: WorkList) -> NotOpen:
    if ours.state == "preparing":
        return NotOpen("the answers of this work list are being made", hint="come back in a while")
    return NotOpen("this work list is closed", hint="its ratings are kept; take another list")


def _check(sets: Field, value: Any, letter: str | None, letters: Collection[str]) -> None:
    """Raise BadInput if a click is about nothing that there is, or its value does not fit."""
    if letter is None and sets in OF_ANSWERS:
        raise BadInput(f"{sets!r} is said of an answer", hint="name its letter", param="letter")
    if letter is not None and (sets in OF_CASES or letter not in letters):
        known = "none, this is said of the case" if sets in OF_CASES else ", ".join(letters)
        raise BadInput(f"no answer has the letter {letter[:8]!r}", hint=f"known: {known}", param="letter")
    fits, wanted = {
        "severity": (value is None or value in _SEVERITIES, f"one of {', '.join(_SEVERITIES)}"),
        "errors": (_are_errors(value), f"a list of {', '.join(_ERRORS)}"),
        "rank": (value is None or _is_rank(value, len(letters)), f"a whole number from 1 to {len(letters)}"),
        "comment": (_is_comment(value), f"a text of at most {LONGEST_COMMENT} characters"),
        "opened": (value is True, "true"),
        "done": (value is True, "true"),
    }[sets]
    if not fits:
        raise BadInput(f"the value does not fit {sets!r}", hint=f"give {wanted}", param="value")


def _are_errors(value: Any) -> bool:
    return isinstance(value, list) and all(one in _ERRORS for one in value) and len({*value}) == len(value)


def _is_rank(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_comment(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_COMMENT


def _check_done(state: CaseState, letters: Mapping[str, Lettered]) -> None:
    """Raise BadInput, naming all that is missing, unless every answer has a severity and every one that can
    be judged a rank."""
    missing = []
    for letter, one in letters.items():
        said = state.answers.get(one.answer_sha256, AnswerState())
        if said.severity is None:
            missing.append(f"{letter} has no severity")
        elif said.severity != CANNOT_JUDGE and said.rank is None:
            missing.append(f"{letter} has no rank")
    if missing:
        raise BadInput(f"this case is not done: {'; '.join(missing)}", hint="rate what is missing")
