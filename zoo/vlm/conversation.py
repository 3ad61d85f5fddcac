"""A conversation as the text that a base was taught to answer, by its own chat template. Knows no weights."""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from zoo.asking import Turn
from zoo.errors import BadDeclaration, BadInput
from zoo.vlm.encoded import EncodedImage
from zoo.vlm.families import Family


def conversation_text(
    family: Family, processor: Any, turns: Sequence[Turn], images: Sequence[EncodedImage], *, base: str
) -> str:
    """The turns as the template has them, up to where the answer begins, with an image token for each feature
    of each image. The caller sees to it that no text holds a marker.

    Raises:
        BadInput: the turns place another number of images, or the template refuses them.
        BadDeclaration: the template is none, or does not place each image once.
    """
    if (placed := sum(turn.images for turn in turns)) != len(images):
        raise BadInput(f"the turns place {placed} images, and {len(images)} are given")
    try:
        text: str = processor.apply_chat_template(
            [{"role": turn.role, "content": _content(turn)} for turn in turns],
            add_generation_prompt=True,
            tokenize=False,
        )
    except TemplateSyntaxError as error:
        raise BadDeclaration(f"the chat template of {base} cannot be read: {error}") from error
    except (TemplateError, TypeError, ValueError) as error:
        raise BadInput(f"{base} does not take this conversation: {error}") from error
    parts = text.split(family.image_marker(processor))
    if len(parts) != len(images) + 1:
        raise BadDeclaration(
            f"the chat template of {base} has {len(parts) - 1} image markers for {len(images)} images"
        )
    found = parts[0]
    for image, part in zip(images, parts[1:], strict=True):
        found += family.image_text(processor, len(image)) + part
    return found


def _content(turn: Turn) -> list[dict[str, str]]:
    return [*({"type": "image"} for _ in range(turn.images)), {"type": "text", "text": turn.text}]
