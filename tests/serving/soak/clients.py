"""Clients of every kind, well and badly behaved, that write down what they were told. They judge nothing."""

import asyncio
import base64
import io
import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from PIL import Image

from tests.serving.soak.fingerprints import PROMPTS
from tests.serving.soak.notes import Notes, events, stated
from tests.serving.soak.shelf import alias
from tests.serving.soak.verdict import BASE, Heard
from zoo.phantom.scans import make_scan

SCANS = 8
LONGEST = 10
"""Most tokens that are asked for."""
QUESTIONS = [(seed, prompt) for seed in range(SCANS) for prompt in PROMPTS]
TIMEOUT_S = 120.0


def scan_uri(seed: int) -> str:
    """A scan as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(make_scan(seed).pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


URIS = [scan_uri(seed) for seed in range(SCANS)]


@dataclass(frozen=True)
class Name:
    """An adapter as a client writes it, and what that stands for: `base`, a repo, or `repo@sha`."""

    written: str
    means: str


@dataclass(frozen=True)
class Put:
    """A question that is put to adapters."""

    names: tuple[Name, ...]
    question: tuple[int, str]
    sampling: dict[str, Any]
    began: float


class Client:
    """One client: does one thing after another, whatever its dice say."""

    def __init__(
        self,
        url: str,
        *,
        named: Sequence[str],
        unnamed: Sequence[str],
        shas: Mapping[str, Sequence[str]],
        notes: Notes,
        seed: int,
    ) -> None:
        """`named` repos have an alias on the server, `unnamed` ones only while this client gives them one.
        `shas` has the commits of each repo that are published so far; it may grow."""
        self._url, self._named, self._unnamed, self._shas = url, named, unnamed, shas
        self._notes = notes
        self._dice = random.Random(seed)
        self._names = (f"dyn-{seed}-{number}" for number in range(1_000_000))
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._actions = {
            self.chat: 30,
            self.chat_stream: 20,
            self.compare: 20,
            self.compare_stream: 10,
            self.break_off: 7,
            self.vanish: 5,
            self.load_and_unload: 4,
            self.look_around: 4,
        }

    async def act(self) -> None:
        """Do one thing."""
        (action,) = self._dice.choices(list(self._actions), list(self._actions.values()))
        self._notes.actions[action.__name__] += 1
        try:
            await action()
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            self._notes.nameless.append(f"{action.__name__}: {type(error).__name__} {error}")

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def chat(self, name: Name | None = None) -> None:
        """One adapter, the whole answer at once."""
        put = self._put([name or self._name()])
        reply = await self._http.post("/v1/chat/completions", json=_chat_body(put))
        if self._notes.is_answer(reply):
            told = reply.json()
            text, tokens = told["choices"][0]["message"]["content"], told["usage"]["completion_tokens"]
            self._hear(put, [{**told["medzoo"], "text": text, "tokens": tokens}], stated(reply))

    async def chat_stream(self, *, pieces: int | None = None) -> None:
        """One adapter, its answer as it comes; broken off after so many pieces."""
        put = self._put([self._name()])
        body = _chat_body(put) | {"stream": True, "stream_options": {"include_usage": True}}
        async with self._http.stream("POST", "/v1/chat/completions", json=body) as reply:
            if reply.status_code != 200:
                await reply.aread()
                self._notes.is_answer(reply)
                return
            text, tokens, left = "", None, pieces
            who: dict[str, Any] = {}
            async with aclosing(events(reply)) as coming:
                async for event in coming:
                    if self._notes.is_error(event):
                        return
                    who |= event.get("medzoo") or {}
                    text += "".join(one["delta"].get("content") or "" for one in event["choices"])
                    tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
                    if left is not None and (left := left - 1) <= 0:
                        break
        if tokens is None and pieces is None:
            self._notes.nameless.append(f"a stream ended without its usage, after {text!r}")
        self._hear(put, [{**who, "text": text, "tokens": tokens}], stated(reply))

    async def break_off(self) -> None:
        """Go away in the middle of a stream."""
        await self.chat_stream(pieces=self._dice.randint(1, 4))

    async def compare(self) -> None:
        """One to four adapters."""
        put = self._put(self._some())
        reply = await self._http.post("/v1/compare", json=_compare_body(put))
        if self._notes.is_answer(reply):
            self._hear(put, reply.json()["answers"], stated(reply))

    async def compare_stream(self) -> None:
        """The same as it comes; what came in pieces is what comes whole at the end."""
        put = self._put(self._some())
        body = _compare_body(put) | {"stream": True}
        async with self._http.stream("POST", "/v1/compare", json=body) as reply:
            if reply.status_code != 200:
                await reply.aread()
                self._notes.is_answer(reply)
                return
            texts, answers = [""] * len(put.names), None
            async for event in events(reply):
                if self._notes.is_error(event):
                    return
                if "question" in event:
                    answers = event["answers"]
                elif "row" in event:
                    texts[event["row"]] += event.get("text") or ""
        if answers is None or texts != [one["text"] for one in answers]:
            self._notes.nameless.append(f"a comparison came in pieces as {texts} and whole as {answers}")
            return
        self._hear(put, answers, stated(reply))

    async def vanish(self) -> None:
        """Send a question and break the connection without waiting for a word."""
        content = json.dumps(_compare_body(self._put(self._some()))).encode()
        address = urlsplit(self._url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /v1/compare HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        await asyncio.sleep(self._dice.choice((0, 0.02, 0.2)))
        writer.transport.abort()

    async def load_and_unload(self) -> None:
        """Give an adapter a name at run time, ask by it, take the name away while it may be in use."""
        repo = self._dice.choice((*self._unnamed, self._dice.choice(self._named)))
        path = self._dice.choice((repo, f"{repo}@{self._dice.choice(self._shas[repo])}"))
        name = Name(next(self._names), path)
        loaded = await self._http.post(
            "/v1/load_lora_adapter", json={"lora_name": name.written, "lora_path": path}
        )
        if self._notes.is_answer(loaded):
            taken = self._http.post("/v1/unload_lora_adapter", json={"lora_name": name.written})
            _, _, reply = await asyncio.gather(self.chat(name), self.chat(name), taken)
            self._notes.is_answer(reply)

    async def look_around(self) -> None:
        """Ask what there is."""
        path = self._dice.choice(("/v1/models", "/v1/adapters", "/metrics", "/healthz", "/readyz"))
        self._notes.is_answer(await self._http.get(path))

    def _name(self) -> Name:
        repo = self._dice.choice(self._named)
        exact = f"{repo}@{self._dice.choice(self._shas[repo])}"
        ways = [Name(alias(repo), repo), Name(repo, repo), Name(exact, exact), Name(BASE, BASE)]
        return self._dice.choices(ways, [60, 15, 15, 10])[0]

    def _some(self) -> list[Name]:
        return list(
            {name.written: name for name in (self._name() for _ in range(self._dice.randint(1, 4)))}.values()
        )

    def _put(self, names: Sequence[Name]) -> Put:
        """Greedy, or drawn in a way that leaves a fingerprint no choice, though not the base."""
        sampling: dict[str, Any] = {"max_tokens": self._dice.randint(2, LONGEST), "temperature": 0}
        if self._dice.random() < 0.3 and all(name.means != BASE for name in names):
            sampling |= {"temperature": 0.3, "top_p": 0.5, "seed": self._dice.randrange(1000)}
        return Put(tuple(names), self._dice.choice(QUESTIONS), sampling, time.monotonic())

    def _hear(
        self, put: Put, answers: Sequence[Mapping[str, Any]], headers: Sequence[tuple[str, str]]
    ) -> None:
        for name, answer, head in zip(put.names, answers, headers, strict=True):
            self._notes.heard.append(
                Heard(
                    asked=name.means,
                    repo=answer["repo"],
                    sha=answer["sha"],
                    digest=answer["digest"],
                    text=answer["text"],
                    tokens=answer["tokens"],
                    most=put.sampling["max_tokens"],
                    question=put.question,
                    headers=head,
                    hub_unreachable=bool(answer.get("hub_unreachable")),
                    began=put.began,
                    ended=time.monotonic(),
                )
            )


def _chat_body(put: Put) -> dict[str, Any]:
    seed, prompt = put.question
    content = [{"type": "image_url", "image_url": {"url": URIS[seed]}}, {"type": "text", "text": prompt}]
    return {
        "model": put.names[0].written,
        "messages": [{"role": "user", "content": content}],
        **put.sampling,
    }


def _compare_body(put: Put) -> dict[str, Any]:
    seed, prompt = put.question
    adapters = [name.written for name in put.names]
    return {"images": [URIS[seed]], "question": prompt, "adapters": adapters, **put.sampling}
