"""The variants: one file each, found by listing this folder. A new variant is one new file here.

A file declares `VARIANT = Variant(...)`, or a function `variant(*, keyword=default, ...)` whose keywords are
the choices of its paper's ablations.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from training.settings import with_settings
from training.variant import Variant
from zoo.errors import BadDeclaration, UnknownName


@cache
def declarations() -> dict[str, Variant | Callable[..., Variant]]:
    """What each file of this folder declares, by name.

    Raises:
        BadDeclaration: a file declares no variant.
    """
    found: dict[str, Variant | Callable[..., Variant]] = {}
    for name in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        declared = getattr(module, "VARIANT", None) or getattr(module, "variant", None)
        if not (isinstance(declared, Variant) or callable(declared)):
            raise BadDeclaration(f"training/variants/{name}.py declares no VARIANT = Variant(...)")
        found[name] = declared
    return found


@cache
def variants() -> dict[str, Variant]:
    """Every variant as declared, by name.

    Raises:
        BadDeclaration: one whose objective reads what no step makes.
    """
    return {name: get_variant(name) for name in declarations()}


def get_variant(name: str, settings: Mapping[str, str] | None = None) -> Variant:
    """The variant of that name, with the fields of `settings` set.

    Raises:
        UnknownName: there is none, or it has no such field.
        BadInput: a value that the field cannot take.
        BadDeclaration: its objective reads what no step makes.
    """
    if name not in declarations():
        raise UnknownName("variant", name, declarations())
    variant = with_settings(declarations()[name], settings or {})
    for stage in (*variant.earlier, variant):
        if stage.lacks:
            raise BadDeclaration(f"training/variants/{name}.py: {stage.lacks}")
    earlier = tuple(replace(s, name=f"{name}-stage-{n}") for n, s in enumerate(variant.earlier, start=1))
    return replace(variant, name=name, earlier=earlier)
