"""vLLM's routes over HTTP, one method each. Knows no adapters' files, no prompts and no retries.

A stream counts as whole only with a reason for its end and `[DONE]` and no error between: an engine that was
killed is followed by an error and `[DONE]`, an interface that was killed by the plain end of the stream, and
after SIGTERM a stream stays silent for ever. So whoever waits asks `/health` meanwhile.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Any, TypeVar

import httpx2

from zoo.errors import BadInput

CONNECT_S = 5.0
HEALTH_S = 5.0
REPLY_S = 120.0
"""Longest wait for a load or a probe, of which the first one compiles."""
_STARTED = re.compile(r"^process_start_time_seconds(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)
_MOST_LORAS = re.compile(r'^vllm:lora_requests_info\{[^}]*max_lora="([0-9]+)"', re.MULTILINE)
_CHARS = 300
"""Of a refusal's text that are passed on."""

_Got = TypeVar("_Got")


class Lost(Exception):
    """The server went away, was begun anew, or does not know a name that it was given: what it holds is
    unknown. What was asked may be asked again."""


class Refused(Exception):
    """The server answered that it will not."""

    def __init__(self, message: str, *, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One vLLM. For one event loop alone."""

    def __init__(self, url: str, *, key: str = "", silence_s: float = 10.0) -> None:
        """`silence_s` is how long nothing may come before its health is asked.

        Raises:
            BadInput: the address is none.
        """
        self.url = url.rstrip("/").removesuffix("/v1")
        address = httpx2.URL(self.url)
        if address.scheme not in ("http", "https") or not address.host:
            raise BadInput(f"engine_url is {url!r}", hint="write it as http://127.0.0.1:8000")
        self._silence_s = silence_s
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    async def health(self) -> None:
        """Raise Lost unless it is well."""
        try:
            async with asyncio.timeout(HEALTH_S):
                reply = await self._http.get("/health")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise Lost(f"/health: {type(error).__name__}") from error
        if reply.status_code != 200:
            raise Lost(f"/health: {reply.status_code}")

    async def metrics(self) -> tuple[float, int | None]:
        """When its process began, in seconds of the epoch, and how many adapters it runs at once, which it
        tells only after its first request."""
        text = (await self._send("GET", "/metrics")).text
        began, most = _STARTED.search(text), _MOST_LORAS.search(text)
        if began is None:
            raise Refused("/metrics has no process_start_time_seconds, so a new process could not be told")
        return float(began[1]), int(most[1]) if most else None

    async def models(self) -> list[dict[str, Any]]:
        """The base and its adapters."""
        found: list[dict[str, Any]] = (await self._send("GET", "/v1/models")).json()["data"]
        return found

    async def load(self, name: str, folder: str) -> None:
        """Load the adapter in a folder of the server's machine under a new name."""
        # Never load_inplace: it stays on the request, and the folder would be read at every question.
        await self._send("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})

    async def unload(self, name: str) -> None:
        """Nobody can ask under this name any more. What is under way comes to its end."""
        await self._send("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    async def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One chat completion, whole."""
        found: dict[str, Any] = (await self._send("POST", "/v1/chat/completions", body)).json()
        return found

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one chat completion. Leaving it ends the request at the server.

        Raises:
            Lost: it ended otherwise than by `[DONE]`, or the server is not well.
            Refused: the server did not begin.
        """
        asked = self._http.build_request("POST", "/v1/chat/completions", json={**body, "stream": True})
        reply = await self._watched(self._http.send(asked, stream=True))
        try:
            if reply.status_code != 200:
                await self._watched(reply.aread())
                _judge(reply)
            lines = reply.aiter_lines()
            while (line := await self._watched(_next(lines))) is not None:
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    return
                if line.startswith("data:"):
                    chunk = json.loads(data)
                    if error := chunk.get("error"):
                        raise Lost(f"an error in the stream: {str(error.get('code'))[:20]}")
                    yield chunk
            raise Lost("the stream ended without [DONE]")
        finally:
            await reply.aclose()

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        try:
            async with asyncio.timeout(REPLY_S):
                reply = await self._watched(self._http.request(method, path, json=body))
        except TimeoutError as error:
            raise Lost(f"{path}: no reply within {REPLY_S:.0f} s") from error
        _judge(reply)
        return reply

    async def _watched(self, coming: Awaitable[_Got]) -> _Got:
        """What is waited for, for as long as the server says that it is well."""
        task = asyncio.ensure_future(coming)
        try:
            while not (await asyncio.wait({task}, timeout=self._silence_s))[0]:
                await self.health()
            return task.result()
        except httpx2.HTTPError as error:
            raise Lost(type(error).__name__) from error
        finally:
            task.cancel()


def _judge(reply: httpx2.Response) -> None:
    if reply.status_code == 200:
        return
    try:
        told = reply.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        told = reply.text
    path, status = reply.request.url.path, reply.status_code
    if path.endswith("/chat/completions") and (status == 404 or status >= 500):
        raise Lost("a name is not known there" if status == 404 else f"the engine failed ({status})")
    raise Refused(f"{path}: {status} {str(told)[:_CHARS]}", status=status)


async def _next(lines: AsyncIterator[str]) -> str | None:
    return await anext(lines, None)
