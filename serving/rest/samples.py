"""What the API's own document shows as answers, made by the very code that replies."""

from dataclasses import asdict
from typing import Any

from serving.core.registry import Status
from serving.core.requests import AdapterId, Answer, Comparison
from serving.rest.adapter_replies import AdapterReply, AdaptersReply
from serving.rest.answers import DIGEST, SHA, CompareReply
from serving.rest.chat_replies import ChatReply, ModelReply, ModelsReply
from serving.service import Listing

_ADAPTER = AdapterId("local/phantom-mdpo", SHA, DIGEST)
_BASE = f"phantom@{SHA}"
_ANSWER = Answer(
    asked="mdpo",
    adapter=_ADAPTER,
    variant="mdpo",
    base=_BASE,
    seed=0,
    load=7,
    text="There is a small nodule in the upper zone of the left lung.",
    finish="stop",
    tokens=14,
    prompt_tokens=287,
    first_token_ms=96.0,
    milliseconds=212.5,
)
_ITSELF = Answer(
    **{
        **asdict(_ANSWER),
        "asked": "base",
        "adapter": AdapterId("medvlm-zoo/phantom", SHA, ""),
        "variant": "base",
        "load": 0,
        "text": "There is no nodule.",
        "tokens": 6,
    }
)
_LISTING = Listing(
    alias="mdpo",
    written="local/phantom-mdpo@main",
    adapter=_ADAPTER,
    variant="mdpo",
    title="mDPO",
    base=_BASE,
    status=Status("resident"),
)


def _shown(value: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"example": value}}


COMPARED = _shown(
    CompareReply.of(
        Comparison(question="Is there a nodule?", answers=(_ANSWER, _ITSELF), milliseconds=231.0)
    ).model_dump()
) | _shown(
    'event: rows\ndata: {"rows":[{"asked":"mdpo",...}],"notice":"..."}\n\n'
    'event: piece\ndata: {"row":0,"text":"There is"}\n\n'
    'event: end\ndata: {"row":0,"finish":"stop","tokens":14}\n\n'
    'event: comparison\ndata: {"question":"Is there a nodule?","answers":[...],...}\n\n',
    "text/event-stream",
)
COMPLETED = _shown(ChatReply.of(_ANSWER).model_dump()) | _shown(
    'data: {"id":"chatcmpl-5f0c","object":"chat.completion.chunk",...,"medzoo":{...}}\n\n'
    'data: {"id":"chatcmpl-5f0c",...,"choices":[{"index":0,"delta":{"content":"There is"},...}]}\n\n'
    'data: {"id":"chatcmpl-5f0c",...,"choices":[{...,"finish_reason":"stop"}],"medzoo":{...}}\n\n'
    "data: [DONE]\n\n",
    "text/event-stream",
)
MODEL = _shown(ModelReply.of(_LISTING).model_dump())
MODELS = _shown(ModelsReply(data=[ModelReply.of(_LISTING)]).model_dump())
ADAPTERS = _shown(AdaptersReply(base=_BASE, adapters=[AdapterReply.of(_LISTING)]).model_dump())
LOADED = _shown("Success: LoRA adapter 'mdpo-v2' added successfully.", "text/plain")
UNLOADED = _shown("Success: LoRA adapter 'mdpo-v2' removed successfully.", "text/plain")
METRICS = _shown(
    "# HELP medzoo_queue_rows Answers that wait for the engine.\n"
    "# TYPE medzoo_queue_rows gauge\nmedzoo_queue_rows 0.0\n",
    "text/plain",
)
