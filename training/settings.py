"""Ablations: a variant's declared fields set to other values, checked against their declared types.

A field is a keyword of the variant's own `variant(...)` function, a hyper-parameter, or a number or choice of
one of its steps or terms. Knows no variant by name.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from training.pairs.step import Only
from training.variant import Variant
from zoo.errors import BadInput, UnknownName


def with_settings(declared: Variant | Callable[..., Variant], settings: Mapping[str, str]) -> Variant:
    """The variant with these fields set, and the settings kept in it.

    Raises:
        UnknownName: the variant declares no such field.
        BadInput: the text is no value of the field's type.
    """
    own: dict[str, Any] = {}
    if callable(declared):
        hints = keywords_of(declared)
        own = {key: _parse(key, text, hints[key]) for key, text in settings.items() if key in hints}
        variant = declared(**own)
    else:
        variant = declared
    known = [*settable(declared)]
    for key, text in settings.items():
        if key in own:
            continue
        if key not in known:
            raise UnknownName("field of this variant", key, known)
        variant = _set(variant, key, text)
    return replace(variant, settings=dict(sorted(settings.items())))


def settable(declared: Variant | Callable[..., Variant]) -> dict[str, str]:
    """Every field that can be set, with its value as declared; one that means different things in different
    places, such as the weight of each term, cannot."""
    variant = declared() if callable(declared) else declared
    own: dict[str, str] = {}
    if callable(declared):
        own = {key: str(p.default) for key, p in inspect.signature(declared).parameters.items()}
    values: dict[str, set[str]] = {}
    for holder in _holders(variant):
        for key in _scalars(holder):
            values.setdefault(key, set()).add(str(getattr(holder, key)))
    one = {key: found.pop() for key, found in values.items() if len(found) == 1}
    return {**one, **own}


def choices_of(declared: Variant | Callable[..., Variant]) -> dict[str, tuple[Any, ...]]:
    """The choices of the variant's own keywords that are choices."""
    if not callable(declared):
        return {}
    hints = keywords_of(declared)
    return {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}


def keywords_of(declared: Callable[..., Variant]) -> dict[str, Any]:
    """The types of the keywords of a variant's function."""
    hints = get_type_hints(declared)
    hints.pop("return", None)
    return hints


def _set(variant: Variant, key: str, text: str) -> Variant:
    def changed(holder: Any) -> Any:
        if isinstance(holder, Only):
            return replace(holder, step=changed(holder.step))
        if key not in _scalars(holder):
            return holder
        return replace(holder, **{key: _parse(key, text, _scalars(holder)[key])})

    return replace(
        variant,
        numbers=changed(variant.numbers),
        steps=tuple(map(changed, variant.steps)),
        objective=tuple(map(changed, variant.objective)),
    )


def _holders(variant: Variant) -> list[Any]:
    steps = [step.step if isinstance(step, Only) else step for step in variant.steps]
    return [variant.numbers, *steps, *variant.objective]


def _scalars(holder: Any) -> dict[str, Any]:
    """The fields of a dataclass that one word of text can set, by type."""
    if not is_dataclass(holder):
        return {}
    hints = get_type_hints(type(holder))
    return {f.name: hints[f.name] for f in fields(holder) if _is_scalar(hints[f.name])}


def _is_scalar(hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return True
    parts = [part for part in get_args(hint) if part is not NoneType] or [hint]
    return all(part in (int, float, bool, str) or get_origin(part) is Literal for part in parts)


def _parse(key: str, text: str, hint: Any) -> Any:
    parts = list(get_args(hint)) if get_origin(hint) is not Literal else [hint]
    if NoneType in parts and text.lower() == "none":
        return None
    kind = next((part for part in parts if part is not NoneType), hint)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise BadInput(f"{key} is {text!r}", hint=f"one of {', '.join(map(str, get_args(kind)))}")
        return text
    try:
        value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise BadInput(f"{key} is {text!r}, not {kind.__name__}") from None
    if kind is float and not math.isfinite(value):
        raise BadInput(f"{key} is {text!r}, not a finite number")
    return value
