"""A vLLM of some hundred lines with the habits of the real one (0.32) that a guard is there for.

It keeps few adapters in memory, lets go of the oldest without a word and reads its folder again at its next
question; it takes a folder that it does not understand for the base; a row without an adapter it gives the
last one's; it ends a stream that has failed with an
error and `[DONE]`. What an adapter says and its log-probs are looked up by the bytes of its weights.
"""

import asyncio
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests._ports import free_port


class FakeVllm:
    """Begins with `begin`, ends with `end`."""

    def __init__(self, outline: Any, *, keeps: int = 9) -> None:
        self.outline, self.keeps = outline, keeps
        self.port = free_port()
        self.said: dict[str, tuple[str, list[float]]] = {}
        """By the digest of weights: a text, and the log-probs of the probe; the base's is under ""."""
        self.names: dict[str, str] = {}
        """Folder by name, as /v1/models lists them."""
        self.memory: dict[str, str] = {}
        """Digest by name, the one used last is last."""
        self.bodies: list[dict[str, Any]] = []
        self.loads: list[dict[str, Any]] = []
        self.process = 1000.0
        self.well, self.blind = True, False
        self.looks = threading.Semaphore(0)
        """One more for each time that its health was asked."""
        """Blind: it takes every folder and answers as the base."""
        self.alias = "base"
        self.echo: str | None = None
        self.more_words = 0
        self.longest = 1024
        self.max_rank = 64
        self.more_metrics = ""
        self.replies: dict[str, Response] = {}
        """What a path answers whatever is asked."""
        self.lines: list[str] = []
        """Of a stream after its first token."""
        self.held: threading.Event | None = None
        """A load ends when it is set."""
        self.left = threading.Event()
        """Set when a client has left a stream that would never end."""
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        routes = [
            Route("/health", self._health),
            Route("/metrics", self._metrics),
            Route("/v1/models", self._models),
            Route("/v1/load_lora_adapter", self._load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", self._unload, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]
        config = uvicorn.Config(
            _Always(Starlette(routes=routes), self.replies),
            port=self.port,
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        while not server.started:
            self._thread.join(0.01)

    def end(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = None

    def restart(self) -> None:
        """A new process, which knows no adapters."""
        self.process += 1
        self.names, self.memory = {}, {}

    async def _health(self, request: Request) -> Response:
        self.looks.release()
        return Response(status_code=200 if self.well else 503)

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(
            f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {self.process}\n"
            f'vllm:lora_requests_info{{max_lora="{self.keeps}",running_lora_adapters=""}} 1.0\n'
            + self.more_metrics
        )

    async def _models(self, request: Request) -> Response:
        adapters = [{"id": name, "parent": self.alias, "root": root} for name, root in self.names.items()]
        base = {"id": self.alias, "parent": None, "max_model_len": self.longest}
        return JSONResponse({"data": [base, *adapters]})

    async def _load(self, request: Request) -> Response:
        asked = await request.json()
        self.loads.append(asked)
        if asked["lora_name"] in self.names:
            return _error(400, "has already been loaded")
        config = json.loads(Path(asked["lora_path"], "adapter_config.json").read_text())
        if max(config["r"], *(config.get("rank_pattern") or {}).values(), 0) > self.max_rank:
            return _error(500, f"LoRA rank is greater than max_lora_rank {self.max_rank}.")
        self.names[asked["lora_name"]] = asked["lora_path"]
        self._digest(asked["lora_name"])
        while self.held is not None and not self.held.is_set():
            await asyncio.sleep(0.01)
        return PlainTextResponse("Success")

    async def _unload(self, request: Request) -> Response:
        known = self.names.pop((await request.json())["lora_name"], None)
        return PlainTextResponse("Success") if known else _error(404, "cannot be found")

    def _digest(self, name: str) -> str:
        """Of the weights that answer; what is not in memory is read, whatever lies there now."""
        if name == self.alias:
            return ""
        found = self.memory.pop(name, None)
        if found is None:
            weights = Path(self.names[name], "adapter_model.safetensors").read_bytes()
            found = hashlib.sha256(weights).hexdigest()
        self.memory[name] = found
        while len(self.memory) > self.keeps:
            del self.memory[next(iter(self.memory))]
        return found

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        name = body["model"]
        if name not in (self.alias, *self.names):
            return _error(404, "does not exist")
        digest = self._digest(name) or next(reversed(self.memory.values()), "")
        text, log_probs = self.said.get("" if self.blind else digest, self.said[""])
        turns = [(turn["role"], turn["content"]) for turn in body["messages"]]
        prompt = turns[-1][1][-1]["text"] if len(turns) == 1 else turns[0][1][-1]["text"]
        ids = self.outline.ids(prompt) + [9] * self.more_words
        if not body.get("stream"):
            if len(turns) > 1:
                response = self.outline.vlm.response_ids(turns[1][1][0]["text"])
                told = [None] * len(ids) + [
                    {str(token): {"logprob": one}} for token, one in zip(response, log_probs, strict=True)
                ]
                ids = ids + response
            else:
                told = None
            return JSONResponse({"model": name, "prompt_token_ids": ids, "prompt_logprobs": told})
        return StreamingResponse(self._stream(self.echo or name, ids, text, prompt))

    async def _stream(self, name: str, ids: list[int], text: str, prompt: str) -> Any:
        tokens = self.outline.vlm.response_ids(text)
        yield _chunk({"model": name, "prompt_token_ids": ids, "choices": [_choice([], None)]})
        first, *rest = tokens
        yield _chunk({"model": name, "choices": [_choice([first], None)]})
        for line in self.lines:
            yield f"data: {line}\n\n".encode()
        if "fails" in prompt:
            yield _chunk({"error": {"message": "EngineDeadError", "code": 500}})
            yield b"data: [DONE]\n\n"
            return
        if "silent" in prompt:
            self.well = "well" in prompt
            try:
                await asyncio.Event().wait()
            finally:  # starlette ends it when the client has left
                self.left.set()
        yield _chunk({"model": name, "choices": [_choice(rest, "stop")]})
        if "cut" not in prompt:
            yield b"data: [DONE]\n\n"


class _Always:
    """The same, with what some paths always answer."""

    def __init__(self, app: Any, replies: dict[str, Response]) -> None:
        self._app, self._replies = app, replies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await (self._replies.get(scope.get("path", "")) or self._app)(scope, receive, send)


def _choice(tokens: list[int], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": ""}, "token_ids": tokens, "finish_reason": finish}


def _chunk(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message, "code": status}}, status_code=status)
