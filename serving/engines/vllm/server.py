"""vLLM's routes over HTTP, one method each. Knows no adapters' files, no prompts and no retries.

A stream counts as whole only with a reason for its end and `[DONE]` and no error between: an engine that was
killed is followed by an error and `[DONE]`, an interface that was killed by the plain end of the stream, and
after SIGTERM a stream stays silent for ever. So whoever waits asks `/health` meanwhile.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from typing import Annotated, Any, TypeVar

import httpx2
from pydantic import BaseModel, Field, ValidationError

from zoo.errors import BadInput

CONNECT_S = 5.0
HEALTH_S = 5.0
REPLY_S = 120.0
"""Longest wait for a load or a probe, of which the first one compiles."""
_STARTED = re.compile(
    r"^process_start_time_seconds(?:\{[^}]*\})? ([0-9]+(?:\.[0-9]+)?(?:e\+?[0-9]+)?)$", re.MULTILINE
)
_SECOND = re.compile(r'^vllm:[^{]+\{[^}]*\bengine="1"', re.MULTILINE)
_MOST_LORAS = re.compile(r'^vllm:lora_requests_info\{[^}]*max_lora="([0-9]+)"', re.MULTILINE)
_CHARS = 300
"""Of a refusal's text that are passed on."""

_Got = TypeVar("_Got")
_Token = Annotated[int, Field(ge=0, lt=2**31)]


class Listed(BaseModel):
    """The base or an adapter, as vLLM lists it."""

    id: str
    parent: str | None = None
    """The base of an adapter; None of a base."""
    max_model_len: int | None = None


class _Models(BaseModel):
    data: list[Listed]


class _LogProb(BaseModel):
    logprob: float


class Read(BaseModel):
    """What vLLM says of the prompt of a chat completion."""

    model: str
    prompt_token_ids: list[_Token]
    prompt_logprobs: list[dict[_Token, _LogProb] | None] | None = None
    """Of each token of the prompt, by its id, if that was asked."""


class Choice(BaseModel):
    """What is new of an answer."""

    token_ids: list[_Token] | None = None
    finish_reason: str | None = None


class Chunk(BaseModel):
    """A piece of a stream."""

    model: str
    prompt_token_ids: list[_Token] | None = None
    """In the first one."""
    choices: list[Choice] = []


class _Failed(BaseModel):
    code: int | str | None = None


class _Data(BaseModel):
    error: _Failed | None = None


_Reply = TypeVar("_Reply", bound=BaseModel)


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
        odd = address.userinfo or address.query or address.fragment
        if address.scheme not in ("http", "https") or not address.host or odd:
            raise BadInput(
                f"engine_url is no address of a vLLM, at {address.host!r}",
                hint="write it as http://127.0.0.1:8000; its key goes into MEDZOO_ENGINE_KEY",
            )
        self._silence_s = silence_s
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,  # neither a proxy nor a .netrc
            # What this machine trusts, with an authority of one's own by SSL_CERT_FILE.
            verify=ssl.create_default_context(),
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
            raise Lost(f"/health: {_why(error)}") from error
        if reply.status_code != 200:
            raise Lost(f"/health: {reply.status_code}")

    async def metrics(self) -> tuple[float, int | None]:
        """When its process began, in seconds of the epoch, and how many adapters it runs at once, which it
        tells only after its first request."""
        text = (await self._send("GET", "/metrics")).text
        began, most = _STARTED.search(text), _MOST_LORAS.search(text)
        if began is None:
            raise Refused(
                "/metrics has no process_start_time_seconds, so a new process could not be told; start it "
                "without --api-server-count, --data-parallel-size and PROMETHEUS_MULTIPROC_DIR"
            )
        if _SECOND.search(text):
            raise Refused(
                "it runs several engines, and a probe is put to one; start it without --data-parallel-size"
            )
        return float(began[1]), int(most[1]) if most else None

    async def models(self) -> list[Listed]:
        """The base and its adapters."""
        return _read(_Models, await self._send("GET", "/v1/models")).data

    async def load(self, name: str, folder: str) -> None:
        """Load the adapter in a folder of the server's machine under a new name."""
        # Never load_inplace: it stays on the request, and the folder would be read at every question.
        await self._send("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})

    async def unload(self, name: str) -> None:
        """Nobody can ask under this name any more. What is under way comes to its end."""
        await self._send("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    async def chat(self, body: Mapping[str, Any]) -> Read:
        """What vLLM has read of one chat completion."""
        return _read(Read, await self._send("POST", "/v1/chat/completions", body))

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[Chunk, None]:
        """The chunks of one chat completion. Leaving it ends the request at the server.

        Raises:
            Lost: it ended otherwise than by `[DONE]`, or the server is not well.
            Refused: the server did not begin.
        """
        asked = self._http.build_request("POST", "/v1/chat/completions", json={**body, "stream": True})
        sending = asyncio.ensure_future(self._http.send(asked, stream=True))
        try:
            reply = await self._watched(sending)
        except BaseException:
            if sending.done() and not sending.cancelled() and sending.exception() is None:
                await sending.result().aclose()  # it began in the moment in which it was left
            raise
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
                    yield _chunk(data)
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
            raise Lost(_why(error)) from error
        finally:
            task.cancel()


def _why(error: Exception) -> str:
    """Its name; of one that came before anything was sent its words too, such as of a certificate."""
    words = f": {str(error)[:_CHARS]}" if isinstance(error, httpx2.ConnectError) else ""
    return type(error).__name__ + words


def _read(kind: type[_Reply], reply: httpx2.Response) -> _Reply:
    try:
        return kind.model_validate_json(reply.content)
    except ValidationError:  # which quotes what it read
        raise Lost(f"{reply.request.url.path}: a reply that is none of vLLM's") from None


def _chunk(data: str) -> Chunk:
    try:
        if error := _Data.model_validate_json(data).error:
            raise Lost(f"an error in the stream: {str(error.code)[:20]}")
        return Chunk.model_validate_json(data)
    except ValidationError:
        raise Lost("a line of the stream is none of vLLM's") from None


def _judge(reply: httpx2.Response) -> None:
    if reply.status_code == 200:
        return
    if reply.status_code in (401, 403):
        raise Refused("it wants another key: MEDZOO_ENGINE_KEY is its --api-key", status=reply.status_code)
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
