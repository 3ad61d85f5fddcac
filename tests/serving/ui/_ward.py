"""A real server with accounts and a work list of drawn scans, and browsers in which somebody is signed in."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from serving.annotations.clicks import CaseState, fold
from serving.annotations.desk import Desk
from serving.annotations.people import People
from serving.annotations.records import CaseAnswer, NewCase, WorkList
from serving.app import build_app
from serving.defence.callers import Callers
from serving.defence.pace import Pace, Quota
from serving.defence.wall import Defence
from tests.serving._served import served
from zoo.phantom.scans import make_scan

PASSWORD = "four words of a ward"
ROLES = {"ana": "rater", "ben": "rater", "chief": "administrator"}
TEXTS = {
    "base": "No abnormality is seen.",
    "sft": "There is a round nodule in the right upper lobe, about 9 mm, well circumscribed.",
    "mdpo": "The MRI shows a mass in the left lower lobe with irregular margins, and an effusion.",
    "text_hallu": "Nodule in the right lung.",
}


@dataclass(frozen=True)
class Ward:
    """Where the pages are, and the desk behind them."""

    address: str
    desk: Desk

    def sign_in(self, context: Any, name: str) -> Any:
        """A page of a browser's context in which somebody is signed in."""
        token = self.desk.accounts.sign_in(name, PASSWORD)
        context.add_cookies([{"name": "medzoo_session", "value": token, "url": self.address}])
        return context.new_page()

    def said(self, case: int, rater: str) -> CaseState:
        """What a rater says of a case, as it is kept."""
        return fold(self.desk.clicks.of(case, rater))


@contextmanager
def ward(service: Any, where: Any) -> Iterator[Ward]:
    """Serve a service with a desk of its own."""
    desk = Desk(str(where))
    for name, role in ROLES.items():
        desk.accounts.add(name, role, PASSWORD)
    defence = Defence(
        callers=Callers(keys=None, people=People(desk.accounts)),
        pace=Pace(Quota(per_minute=6000, burst=6000, at_once=50)),
    )
    with served(build_app(service, defence=defence, desk=desk)) as address:
        yield Ward(address, desk)
    desk.close()


def open_list(
    desk: Desk, *, count: int, title: str = "Chest", raters: Sequence[str] = ("ana", "ben"), texts: Any = None
) -> WorkList:
    """A list of drawn scans whose answers are there."""
    texts = texts or TEXTS
    made = desk.lists.add(
        title,
        [_case(number) for number in range(count)],
        adapters=list(texts),
        raters=raters,
        overlap=len(raters),
        made_by="chief",
        instructions="Look at the image before the answers.",
    )
    for case in desk.lists.cases(made.id):
        desk.lists.put_answers(case.id, [_answer(name, text) for name, text in texts.items()])
    return desk.lists.get(made.id)


def _case(number: int) -> NewCase:
    scan = make_scan(3_000_100 + number)
    picture = io.BytesIO()
    Image.fromarray(scan.pixels).save(picture, "PNG")
    return NewCase(
        question_id=str(number),
        dataset="own",
        split="rated",
        prompt=f"What does scan {number + 1} show?",
        pictures=(picture.getvalue(),),
        case_sha256=f"{number:064d}",
        reference="A nodule in the right upper lobe",
        modality=scan.modality,
    )


def _answer(adapter: str, text: str) -> CaseAnswer:
    return CaseAnswer(
        adapter=adapter,
        variant=adapter,
        repo=f"local/phantom-{adapter}",
        sha=hashlib.sha1(adapter.encode()).hexdigest(),
        digest="" if adapter == "base" else hashlib.sha256(adapter.encode()).hexdigest(),
        base="phantom@" + "e" * 40,
        text=text,
        answer_sha256=hashlib.sha256(text.encode()).hexdigest(),
        finish="stop",
        tokens=5,
    )
