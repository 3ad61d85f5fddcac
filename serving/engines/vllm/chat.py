"""A conversation as the bodies of vLLM's chat completions. Knows no HTTP and no adapters' files.

Every number of the sampling is said: what a request leaves open, vLLM takes from the checkpoint's own
generation_config.json.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from zoo.asking import Sampling, Turn

_NEVER = -100.0


@dataclass(frozen=True)
class Shown:
    """The images of one question."""

    features: Any = field(repr=False)
    """As `VisionLanguageModel.encode_images` of an outline gave them: sizes alone."""
    urls: tuple[str, ...] = field(repr=False)
    """The pictures themselves, as data URLs."""


def data_url(image: Image.Image) -> str:
    """A picture's pixels, nothing lost and nothing else of it."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def messages(turns: Sequence[Turn], urls: Sequence[str]) -> list[dict[str, Any]]:
    """The turns with their images, which are taken in order."""
    left = iter(urls)
    return [
        {
            "role": turn.role,
            "content": [
                *({"type": "image_url", "image_url": {"url": next(left)}} for _ in range(turn.images)),
                {"type": "text", "text": turn.text},
            ],
        }
        for turn in turns
    ]


def question_body(
    turns: Sequence[Turn],
    urls: Sequence[str],
    sampling: Sampling,
    *,
    ends: Iterable[int],
    unsaid: Iterable[int],
) -> dict[str, Any]:
    """An answer to a conversation; the token ids `ends` end it and `unsaid` are never drawn."""
    return {
        "messages": messages(turns, urls),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.temperature else 1.0,
        "seed": sampling.seed,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": sorted(ends),
        "logit_bias": {str(token): _NEVER for token in unsaid},
        "return_token_ids": True,
    }


def probe_body(prompt: str, response: str, url: str) -> dict[str, Any]:
    """The log-probs of a given answer to a question about one image; vLLM reads no kept keys for it."""
    turns = (Turn("user", prompt, 1), Turn("assistant", response))
    return {
        "messages": messages(turns, [url]),
        "add_generation_prompt": False,
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
        "return_token_ids": True,
    }
