"""A desk with accounts, a list that is open, and clients that are somebody."""

import hashlib
import io
import time
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.types import Receive, Scope, Send

from serving.annotations import accounts
from serving.annotations.desk import Desk
from serving.annotations.records import CaseAnswer, NewCase, WorkList

ROLES = {"root": "admin", "ana": "annotate", "ben": "annotate", "eve": "annotate"}
"""Accounts, and what each may."""
TEXTS = {"base": "No nodule.", "sft": "A nodule, left.", "mdpo": "A nodule, right."}
SHAS = {name: format(place, "x") * 40 for place, name in enumerate(TEXTS, start=10)}
DIGESTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in TEXTS}


@dataclass(frozen=True)
class SaidBy:
    """Stands where the server finds out who asks: here the request says it itself."""

    app: Any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        if name := headers.get(b"x-who", b"").decode():
            account = name in ROLES
            role = ROLES[name] if account else name.partition("-")[2]  # key-read, key-admin ...
            way = "session" if account else "key"
            scope.setdefault("state", {}).update(client=name, role=role, account=account, way=way)
        await self.app(scope, receive, send)


def as_(app: FastAPI, who: str) -> TestClient:
    """A client that is somebody; nobody if `who` is empty."""
    headers = {"x-who": who} if who else {}
    client = TestClient(SaidBy(app), base_url="http://localhost/v1/annotations", headers=headers)
    client.follow_redirects = False
    return client


def open_desk(where: Any) -> Desk:
    """A desk with an account for each of `ROLES`."""
    desk = Desk(str(where))
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with mock.patch.object(accounts, "_HASHER", quick):
        for name, role in ROLES.items():
            desk.accounts.add(name, "administrator" if role == "admin" else "rater", "long enough words")
    return desk


def picture(shade: int = 90) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def answer(adapter: str, text: str) -> CaseAnswer:
    base = adapter == "base"
    return CaseAnswer(
        adapter=adapter,
        variant=adapter,
        repo=f"local/phantom-{adapter}",
        sha=SHAS[adapter],
        digest="" if base else DIGESTS[adapter],
        base="phantom@" + "e" * 40,
        text=text,
        answer_sha256=hashlib.sha256(text.encode()).hexdigest(),
        finish="stop",
        tokens=5,
    )


def open_list(
    desk: Desk, *, count: int = 3, raters: Sequence[str] = ("ana", "ben"), texts: Any = None, **more: Any
) -> WorkList:
    """A list of `count` cases whose answers are there."""
    texts = texts or TEXTS
    new = [
        NewCase(
            question_id=str(number),
            dataset="own",
            split="rated",
            prompt=f"Is there a nodule in scan {number}?",
            pictures=(picture(40 + number),),
            case_sha256=f"{number:064d}",
            reference="Yes, on the left.",
            modality="CT",
        )
        for number in range(1, count + 1)
    ]
    made = desk.lists.add(
        "Chest",
        new,
        **{"adapters": list(texts), "raters": list(raters), "overlap": len(raters), "made_by": "root"} | more,
    )
    for case in desk.lists.cases(made.id):
        desk.lists.put_answers(case.id, [answer(name, text) for name, text in texts.items()])
    return desk.lists.get(made.id)


def click(
    client: TestClient, case: int, sets: str, value: Any, letter: str | None = None, uid: str = ""
) -> Any:
    body = {"uid": uid or str(uuid.uuid4()), "letter": letter, "sets": sets, "value": value}
    return client.post(f"/cases/{case}/clicks", json=body)


def finish(client: TestClient, case: int, *, letters: str = "ABC") -> None:
    """Rate all answers of a case and be done with it."""
    for rank, letter in enumerate(letters, start=1):
        assert click(client, case, "severity", "minor", letter).status_code == 201
        assert click(client, case, "rank", rank, letter).status_code == 201
    reply = click(client, case, "done", True)
    assert reply.status_code == 201, reply.text


def archive(files: dict[str, bytes | str]) -> bytes:
    """A ZIP of them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def scans(count: int = 2, head: str = "images,question,reference,modality,id") -> dict[str, bytes | str]:
    """Files of an archive of so many cases."""
    rows = [f"{n}.png,What is in scan {n}?,A nodule on the left,CT,case-{n}" for n in range(1, count + 1)]
    pictures: dict[str, bytes | str] = {f"{n}.png": picture(40 + n) for n in range(1, count + 1)}
    return {"cases.csv": "\n".join((head, *rows)), **pictures}


def send(client: TestClient, data: bytes, **params: Any) -> Any:
    """Upload an archive."""
    given = {"title": "Chest", "adapters": "base,mdpo", "raters": "ana,ben", "overlap": 2} | params
    headers = {"content-type": "application/zip"}
    return client.post("/lists", params=given, content=data, headers=headers)


def until(client: TestClient, work_list: str, done: Any) -> dict[str, Any]:
    """The list as an administrator sees it, once `done` says so of it."""
    ends = time.monotonic() + 60
    while True:
        (found,) = [one for one in client.get("/lists").json() if one["id"] == work_list]
        if done(found):
            return dict(found)
        assert time.monotonic() < ends, found
        time.sleep(0.02)
