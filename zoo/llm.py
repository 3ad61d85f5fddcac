"""Language models as writers and judges, behind one act: prompts in, checked replies out.

Knows nothing of pairs or metrics; what is asked and what a reply must look like is the caller's. Prompts
and replies are never logged: the cache folder, which holds replies alone, is the one place they are kept.
"""

import hashlib
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from zoo.errors import BadInput, BadRecord, EndpointFailed

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

KEY_VARIABLE = "MEDZOO_LLM_KEY"
_MOST_TOKENS = 2048
"""Of a reply, so that a model that repeats itself comes to an end."""
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_PROMPTS_OWN = ("content_filter", "context_length_exceeded")
"""Error codes by which an endpoint refuses one prompt and not the others."""
_REFUSED = "refused by the endpoint"

Reply = TypeVar("Reply", bound=BaseModel)
_Result = TypeVar("_Result")
_Message = dict[str, str]


@dataclass(frozen=True)
class Prompt:
    """A prompt with the name and version of its wording, such as `hallucinate@1`."""

    id: str
    text: str


@dataclass(frozen=True)
class Failed:
    """A prompt that got no usable reply, and why in a few fixed words."""

    reason: str


class TextModel(Protocol):
    """A language model that answers prompts with JSON of a given shape."""

    @property
    def name(self) -> str:
        """The model's name, for records."""

    def replies(self, prompts: Sequence[Prompt], reply: type[Reply]) -> list[Reply | Failed]:
        """One checked reply a prompt, in the prompts' order."""


Fault = Callable[[Prompt, str], str]
"""What is wrong with a reply to a prompt, in words for the model; empty for nothing."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a model's replies took, those from the cache included in the tokens."""

    calls: int = 0
    """Calls that the endpoint answered, and so that were paid."""
    cached: int = 0
    """Calls that the cache answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: number + getattr(other, name) for name, number in asdict(self).items()})

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(**{name: number - getattr(other, name) for name, number in asdict(self).items()})

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {self.cached} from the cache; "
            f"{self.prompt_tokens} prompt and {self.completion_tokens} completion tokens"
        )


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What one call gave, as the cache keeps it."""

    text: str
    prompt_tokens: int
    """As the endpoint counts; 0 from one that does not."""
    completion_tokens: int
    refused: bool = False
    """Whether the endpoint refused this prompt for what it holds."""


class ChatEndpoint:
    """A model behind an OpenAI-compatible `/v1/chat/completions`, each call cached on disk as it is answered.

    A call is asked once, whatever its endpoint's address, whoever asks again and however a run ended. What
    makes a call the same: the model, the messages and the sampling numbers.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        cache: Path,
        concurrency: int = 8,
        timeout_s: float = 120.0,
        retries: int = 8,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`url` ends in `/v1`; the key comes from the environment variable MEDZOO_LLM_KEY.

        Raises:
            BadInput: `url` is no http address.
        """
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise BadInput(f"{url!r} is no address of an endpoint", hint="such as http://localhost:8000/v1")
        self.name = model
        self._url, self._cache = url, cache
        self._concurrency, self._timeout_s, self._retries = concurrency, timeout_s, retries
        self._sampling = {"temperature": temperature, "seed": seed, "max_tokens": _MOST_TOKENS}
        self._usage = Usage()
        self._lock = threading.Lock()
        self._client: OpenAI | None = None

    @property
    def usage(self) -> Usage:
        """Of all calls so far through this object."""
        return self._usage

    def count(self, usage: Usage) -> None:
        """Count what was asked of the same model elsewhere as asked here."""
        with self._lock:
            self._usage += usage

    def replies(self, prompts: Sequence[Prompt], reply: type[Reply]) -> list[Reply | Failed]:
        """One checked reply a prompt, in the prompts' order; prompts of the same text are asked once.

        A reply that is no JSON of the shape is sent back once with what is wrong. 429, 5xx and lost
        connections are tried again, later each time or when the endpoint says.

        Raises:
            EndpointFailed: tried too often. What was answered is cached; the same act goes on from there.
            BadInput: the endpoint refuses the key, the model or the request.
        """

        def parsed(text: str) -> Reply | Failed:
            answer = self._repaired(text, lambda came: _what_is_wrong(came, reply))
            if answer.refused:
                return Failed(_REFUSED)
            try:
                return reply.model_validate_json(_json_of(answer.text))
            except ValidationError:
                return Failed("malformed reply")

        return self._each(prompts, lambda prompt: parsed(prompt.text))

    def texts(self, prompts: Sequence[Prompt], fault: Fault) -> list[str]:
        """One reply a prompt as it came, without the model's thoughts, in the prompts' order.

        A reply with a fault is sent back once with it; what then comes is the reply, whatever it is. Empty
        for a prompt that the endpoint refuses for what it holds. Raises as `replies` does.
        """
        return self._each(
            prompts,
            lambda prompt: _said(self._repaired(prompt.text, lambda came: fault(prompt, _said(came))).text),
        )

    def _each(self, prompts: Sequence[Prompt], ask: Callable[[Prompt], _Result]) -> list[_Result]:
        first = {prompt.text: prompt for prompt in reversed(prompts)}
        with ThreadPoolExecutor(self._concurrency) as pool:
            found = dict(zip(first, pool.map(ask, first.values()), strict=True))
        return [found[prompt.text] for prompt in prompts]

    def _repaired(self, text: str, fault: Callable[[str], str]) -> _Answer:
        """The answer to a prompt; one with a fault is sent back once with it, and the second one counts."""
        messages: list[_Message] = [{"role": "user", "content": text}]
        answer = self._answer(messages)
        if not answer.refused and (wrong := fault(answer.text)):
            messages += [{"role": "assistant", "content": answer.text}, {"role": "user", "content": wrong}]
            answer = self._answer(messages)
        return answer

    def _answer(self, messages: Sequence[_Message]) -> _Answer:
        """The call's answer: of the cache, else of the endpoint and cached at once."""
        body = {"model": self.name, "messages": messages, **self._sampling}
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        path = self._cache / f"{key}.json"
        cached = path.is_file()
        answer = _read(path) if cached else self._ask(body)
        if not cached:
            answer = _kept(path, answer)
        self.count(
            Usage(
                calls=int(not cached),
                cached=int(cached),
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
            )
        )
        return answer

    def _ask(self, body: dict[str, Any]) -> _Answer:
        # Errors are raised `from None`: an endpoint's message may repeat the prompt.
        import openai

        try:
            completion = self._connected().chat.completions.create(**body)
        except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError) as error:
            status = getattr(error, "status_code", "no connection")
            raise EndpointFailed(
                f"{self._url} gave no answer in {self._retries + 1} tries ({status})",
                hint="run the same command again: what was answered is kept and not asked twice",
            ) from None
        except openai.APIStatusError as error:
            if error.code in _PROMPTS_OWN:
                return _Answer(text="", prompt_tokens=0, completion_tokens=0, refused=True)
            raise self._refusal(error) from None
        except (openai.APIError, ValueError):
            completion = None
        if not getattr(completion, "choices", None):
            raise EndpointFailed(
                f"{self._url} answered with something other than a chat completion",
                hint="the address ends in /v1, such as http://localhost:8000/v1",
            )
        usage = completion.usage
        return _Answer(
            text=completion.choices[0].message.content or "",
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )

    def _refusal(self, error: "APIStatusError") -> BadInput:
        about = ", ".join(str(part) for part in (error.type, error.code, error.param) if part)
        hints = {
            401: f"set {KEY_VARIABLE} to a key of this endpoint",
            403: f"set {KEY_VARIABLE} to a key that may use the model",
            404: f"does the endpoint know the model {self.name!r}, and does its address end in /v1?",
        }
        return BadInput(
            f"{self._url} refused the model {self.name!r} with status {error.status_code}"
            + (f" ({about})" if about else ""),
            hint=hints.get(error.status_code, "see the endpoint's own log for the reason"),
        )

    def _connected(self) -> "OpenAI":
        import openai

        with self._lock:
            if self._client is None:
                logging.getLogger("openai").setLevel(logging.WARNING)  # its debug log holds the prompts
                http = openai.DefaultHttpxClient(
                    timeout=self._timeout_s,
                    follow_redirects=False,  # what may go to this address may not go to another,
                    trust_env=not is_loopback(self._url),  # nor through a proxy
                )
                self._client = openai.OpenAI(
                    base_url=self._url,
                    api_key=os.environ.get(KEY_VARIABLE) or "none",
                    max_retries=self._retries,
                    timeout=self._timeout_s,
                    http_client=http,
                )
            return self._client


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own: `localhost`, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_may_send(url: str, questions_restricted: bool, allowed: bool) -> None:
    """See that questions of a restricted data set leave this machine only by the operator's word.

    Raises:
        BadInput: the questions are restricted, `url` is another machine's, and nobody allowed it.
    """
    if questions_restricted and not allowed and not is_loopback(url):
        raise BadInput(
            f"the data set's terms restrict who may see its questions, and {url} is not this machine",
            hint="use an endpoint on localhost, or, where your agreement covers it, --send-restricted-data",
        )


def _said(text: str) -> str:
    """A reply without the model's thoughts."""
    return text.rpartition("</think>")[2].strip()


def _json_of(text: str) -> str:
    """The JSON in a reply: what follows the model's thoughts, without a fence around it."""
    fenced = _FENCED.search(_said(text))
    return (fenced.group(1) if fenced else _said(text)).strip()


def _what_is_wrong(text: str, reply: type[BaseModel]) -> str:
    """Why a reply is not of its shape, in words for the model; empty if it is."""
    try:
        reply.model_validate_json(_json_of(text))
    except ValidationError as error:
        wrong = [f"- {'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors()]
        return "\n".join(
            ["That is not the JSON that was asked for:", *wrong, "Answer with the corrected JSON only."]
        )
    return ""


def _read(path: Path) -> _Answer:
    try:
        return _Answer(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise BadRecord(f"{path} is no cached answer of a model", hint=f"remove it: rm {path}") from error


def _kept(path: Path, answer: _Answer) -> _Answer:
    """Keep an answer; where another process has kept one to the same call meanwhile, that is the answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{secrets.token_hex(4)}.part")
    part.write_text(json.dumps(asdict(answer), ensure_ascii=False) + "\n", encoding="utf-8")
    try:
        os.link(part, path)
    except FileExistsError:
        answer = _read(path)
    except OSError:  # a disk without hard links
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return answer
