"""Bases as text for people: a table of all, a page of one. Knows no Hub and loads no model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from textwrap import wrap
from typing import Any

from zoo.bases import Base, declared_bases
from zoo.cli._text import aligned
from zoo.licences import LICENCES

WIDTH = 110
_QUESTION = "Is there a nodule?"
_STATE_WIDTH = 28


def table(bases: Sequence[Base]) -> list[str]:
    """The lines of the list, at most `WIDTH` wide."""
    head = ("base", "commit", "size", "licence", "on this machine")
    rows = [
        (
            base.name,
            base.revision[:12] or "not pinned",
            _billions(base.parameters),
            base.license,
            _cut(state(base), _STATE_WIDTH),
        )
        for base in bases
    ]
    return aligned([head, *rows])


def page(base: Base) -> list[str]:
    """The lines of one base in full."""
    lines = [f"{base.name}: {base.about}", ""]
    for key, value in _facts(base).items():
        for number, line in enumerate(
            wrap(value, WIDTH - 14, break_long_words=False, break_on_hyphens=False)
        ):
            lines.append(f"  {key if number == 0 else '':<11} {line}")
    lines += ["", "The prompt of one question with an image:", ""]
    lines += [f"  {line}" for line in prompt(base, _QUESTION).split("\n")]
    if base.terms:
        lines += ["", "What its licence means:", ""]
        for term in base.terms:
            lines += wrap(term.says, WIDTH, initial_indent="  - ", subsequent_indent="    ")
            lines.append(f"    ({term.source})")
    if base.published:
        lines += ["", "Published by others; numbers of two sources do not compare:"]
        for source, of in groupby(base.published, key=lambda one: one.source):
            lines += ["", f"  {source}"]
            for metric, numbers in groupby(of, key=lambda one: one.metric):
                said = ", ".join(f"{one.benchmark} {one.value:g}" for one in numbers)
                lines += wrap(f"{metric}: {said}", WIDTH, initial_indent="    ", subsequent_indent="      ")
    lines += ["", f"  next: {_next(base)}"]
    return lines


def as_data(base: Base) -> dict[str, Any]:
    """The same for programs."""
    found = asdict(base) | {"state": state(base), "next": _next(base)}
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return plain


def state(base: Base) -> str:
    """What can be done with it here, in a few words."""
    if base.obstacle:
        return base.obstacle.state
    declared = declared_bases()[base.name]
    if declared.folder is not None:
        return "ready, comes along"
    if base.folder is not None:
        return f"ready, in {base.folder}"
    whence = "from the Hub" if base.revision == declared.revision else "pinned here"
    return f"ready, {whence}{', gated' if base.gated else ''}"


def prompt(base: Base, question: str) -> str:
    """The text that one question with an image becomes, as its template gives it; in words where the template
    is the checkpoint's own and that is not here."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template = base.template
    if not template and base.folder and (own := base.folder / "chat_template.jinja").is_file():
        template = own.read_text(encoding="utf-8")
    if not template:
        return "as the checkpoint's own template has it"
    rendering = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text: str = rendering.render(
        messages=[{"role": "user", "content": content}],
        add_generation_prompt=True,
        bos_token=next((token for token in ("<s>", "<bos>") if token in base.tokens), ""),
        eos_token=base.ends[0] if base.ends else "",
    )
    return text.rstrip("\n")


def _facts(base: Base) -> dict[str, str]:
    config = _config(base)
    facts = {
        "Hub": "" if base.folder or base.built_by else f"{base.repo}, commit {base.revision or 'not pinned'}",
        "identity": base.pinned if base.folder else "",
        "cited in": base.revision_source,
        "here": base.obstacle.reason if base.obstacle else state(base),
        "model": f"{base.parameters:,} parameters" if base.parameters else "",
        "language": _language(config.get("text_config", {})),
        "vision": _vision(config.get("vision_config", {})),
        "images": _images(base),
        "answers end": ", ".join(base.ends),
        "LoRA": f"{', '.join(base.lora_targets)}, of the language model alone"
        + (f"; rank {base.max_rank} at most" if base.max_rank else ""),
        "licence": f"{base.license}: {LICENCES[base.license].about}",
    }
    return {key: value for key, value in facts.items() if value}


def _config(base: Base) -> Mapping[str, Any]:
    if base.config or base.folder is None:
        return base.config
    found: Mapping[str, Any] = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    return found


def _language(text: Mapping[str, Any]) -> str:
    if not text:
        return ""
    window = f", {text['sliding_window']} of them in most layers" if text.get("sliding_window") else ""
    return (
        f"{text['model_type']}, {text['num_hidden_layers']} layers of {text['hidden_size']}, "
        f"{text['num_attention_heads']} heads on {text['num_key_value_heads']}, "
        f"{text['vocab_size']} rows of vocabulary, up to {text['max_position_embeddings']} tokens{window}"
    )


def _vision(tower: Mapping[str, Any]) -> str:
    if not tower:
        return ""
    layers = tower.get("num_hidden_layers", tower.get("depth"))
    return f"{layers} layers of {tower['hidden_size']}, patches of {tower['patch_size']} pixels"


def _images(base: Base) -> str:
    rule, said = (
        base.image,
        [f"up to {base.max_images} a question" if base.max_images > 1 else "one a question"],
    )
    if rule.pad_to_square:
        said.append("padded to a square with the mean colour")
    if rule.side:
        said.append(f"{rule.side} x {rule.side} pixels")
    if rule.pixels_a_token:
        said.append(f"in their own shape, a token for {rule.pixels_a_token} pixels")
    if rule.max_pixels and rule.pixels_a_token:
        said.append(f"at most {rule.max_pixels // rule.pixels_a_token} tokens each")
    if rule.tokens:
        said.append(f"{rule.tokens} tokens each")
    return ", ".join(said)


def _next(base: Base) -> str:
    return base.obstacle.next if base.obstacle else f"medzoo serve --base {base.name}"


def _billions(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters else ""


def _cut(text: str, width: int) -> str:
    """The text, without the beginning of a folder's path where it is too long."""
    head, folder, path = text.partition("in /")
    room = width - len(f"{head}in …")
    return f"{head}in …{path[-room:]}" if folder and len(path) > room else text
