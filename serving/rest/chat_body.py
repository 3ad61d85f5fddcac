"""A chat completion as a request, in OpenAI's form -> a conversation about images.

What this server cannot do is refused by the field's name, never passed over. Fields that clients send by
themselves are taken where they ask for nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from serving.rest.bodies import RequestBody
from serving.rest.sampling import MaxTokens, Seed, Stop, Temperature, TopP, sampling
from zoo.asking import Sampling, Turn
from zoo.errors import BadInput


class TextPart(RequestBody):
    """Text of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(RequestBody):
    """Where an image is."""

    url: str = Field(
        description="data:image/png;base64,... (PNG, JPEG or DICOM); an address where the operator allows it."
    )
    detail: Literal["auto", "low", "high"] | None = Field(
        default=None, description="Taken and passed over: an image is seen as the base sees it."
    )


class ImagePart(RequestBody):
    """An image of a message. A message's images stand before its text, whatever the order of its parts."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


Name = Annotated[str, Field(max_length=200, description="Taken and passed over.")]
Empty = Annotated[list[Any], Field(max_length=0)]


class SystemMessage(RequestBody):
    """What the conversation is to keep to."""

    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: Name | None = None


class UserMessage(RequestBody):
    """What the user says; the last message is one of these."""

    role: Literal["user"]
    content: str | list[Part]
    name: Name | None = None


class AssistantMessage(RequestBody):
    """What was answered before, as it came; what of it is null or empty says nothing."""

    role: Literal["assistant"]
    content: str | list[TextPart]
    name: Name | None = None
    refusal: None = None
    annotations: Empty | None = None
    tool_calls: Empty | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]


class StreamOptions(RequestBody):
    """Of a stream."""

    include_usage: bool | None = Field(default=None, description="Count the tokens in one more chunk.")
    include_obfuscation: Literal[False] | None = None


class TextFormat(RequestBody):
    """The only form of an answer."""

    type: Literal["text"]


Nothing = Annotated[float, Field(ge=0, le=0)]


class ChatBody(RequestBody):
    """A conversation about one or more images, put to one adapter.

    Greedy unless `temperature` says otherwise. `user`, `metadata`, `safety_identifier` and `prompt_cache_key`
    are taken and forgotten.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "mdpo",
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "On which side is the nodule?"},
                                {
                                    "type": "image_url",
                                    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo..."},
                                },
                            ],
                        }
                    ],
                    "max_tokens": 32,
                    "temperature": 0,
                }
            ]
        },
    )

    model: str = Field(description="Alias, `repo`, `repo@revision`, or `base`.")
    messages: list[Message] = Field(min_length=1, max_length=256)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: MaxTokens | None = None
    max_completion_tokens: MaxTokens | None = None
    seed: Seed | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    # Taken, since clients send them by themselves; they change nothing.
    user: str | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # Taken with the value that asks for nothing, and refused with any other.
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    store: Literal[False] | None = None
    logprobs: Literal[False] | None = None
    presence_penalty: Nothing | None = None
    frequency_penalty: Nothing | None = None
    response_format: TextFormat | None = None
    service_tier: Literal["auto", "default"] | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    tools: Empty | None = None

    @property
    def with_usage(self) -> bool:
        """True if a stream is to end with the count of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(self, *, most: int) -> Sampling:
        """How the answer is drawn, where the server allows `most` tokens.

        Raises:
            BadInput: both names of the most tokens are given, with two numbers.
        """
        wanted = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(wanted) > 1:
            raise BadInput(
                "max_tokens and max_completion_tokens are two names of one number",
                hint="give one of them",
                param="max_completion_tokens",
            )
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        return sampling(
            most=most,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=next(iter(wanted), None),
            seed=self.seed,
            stop=stop or [],
        )

    def conversation(self) -> tuple[tuple[Turn, ...], list[str]]:
        """The turns, and the addresses of their images in order."""
        turns, images = list[Turn](), list[str]()
        for message in self.messages:
            texts, shown = _split(message.content)
            role: Any = "system" if message.role == "developer" else message.role
            turns.append(Turn(role, "\n".join(texts), len(shown)))
            images += shown
        return tuple(turns), images


def _split(content: str | list[Any]) -> tuple[list[str], list[str]]:
    if isinstance(content, str):
        return [content], []
    texts = [part.text for part in content if isinstance(part, TextPart)]
    return texts, [part.image_url.url for part in content if isinstance(part, ImagePart)]
