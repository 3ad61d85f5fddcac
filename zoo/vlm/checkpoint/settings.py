"""Whether `config.json` says what the base's file says of the model."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.checks import Check, Fault
from zoo.vlm.checkpoint.subject import CONFIG_NAME, Subject

_SAY_NOTHING = frozenset({
    "_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "attention_dropout",
    "initializer_range", "initializer_factor", "chunk_size_feed_forward", "pretraining_tp", "architectures",
})  # fmt: skip
"""Keys that change no answer; a class's name is judged by `model_type`."""
_SHOWN = 6
"""Most values that are told one by one."""
_LONGEST = 60
"""Characters shown of a value."""


def settings(subject: Subject) -> Check:
    """Every value that the base declares is the checkpoint's too, with defaults on both sides. What else
    differs from the defaults is told: nobody has said whether it is right."""
    kind = subject.config.model_type
    declared = subject.declared
    if not subject.is_of_its_type:
        value = f"model_type is {kind!r}, declared {' or '.join(map(repr, subject.types))}"
        fix = f"give {subject.base.repo}; medzoo bases lists the others"
        return Check(name="config", faults=(Fault(what="a model of another type", value=value, next=fix),))
    if declared is None:
        return Check(name="config", told=f"{kind}; its own file alone says what it is")
    found, wanted = _values(subject.config.to_dict()), _values(declared.to_dict())
    stated = _values(subject.base.config).keys() & wanted.keys()
    wrong: list[str] = []
    other: list[str] = []
    for key, value in wanted.items():
        if key in found and not _same(found[key], value, any_size=subject.any_size):
            into, source = (wrong, "declared") if key in stated else (other, "by default")
            into.append(f"{key} is {_short(found[key])}, {source} {_short(value)}")
    fix = f"is it {subject.base.repo}? medzoo bases {subject.base.name} says what is declared"
    told = f"{kind}, {len(stated)} declared values"
    if subject.layout:
        convert = f"medzoo convert {subject.files.name} --base {subject.base.name} --out FOLDER"
        told += f"; in the layout {subject.base.original}: {convert}"
    return Check(
        name="config",
        faults=tuple(
            Fault(what=f"{CONFIG_NAME} says another thing", value=one, next=fix) for one in wrong[:_SHOWN]
        ),
        told=told,
        unknown=f"not declared: {'; '.join(other[:_SHOWN])}" if other else "",
    )


def _values(told: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_leaves(told, ""))


def _leaves(told: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in told.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        elif key not in _SAY_NOTHING:
            yield f"{before}{key}", list(value) if isinstance(value, tuple) else value


def _same(found: Any, wanted: Any, *, any_size: bool) -> bool:
    """Equal; of a stand-in, whose counts and token ids are its own, of the same kind."""
    if any_size and isinstance(found, list) and isinstance(wanted, list):  # one for each layer, or of counts
        return all(map(_is_count, (*found, *wanted))) or set(found) == set(wanted)
    return bool(found == wanted) or (any_size and _is_count(found) and _is_count(wanted))


def _is_count(value: Any) -> bool:
    return type(value) is int


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
