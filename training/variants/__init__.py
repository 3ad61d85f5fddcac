"""The variants: one file each, found by listing this folder. A new variant is one new file here."""

import importlib
import pkgutil
from dataclasses import replace
from functools import cache

from training.variant import Variant
from zoo.errors import BadDeclaration, UnknownName


@cache
def variants() -> dict[str, Variant]:
    """Every variant of this folder by name.

    Raises:
        BadDeclaration: a file declares no `VARIANT`, or one whose objective lacks its pairs.
    """
    found: dict[str, Variant] = {}
    for name in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        declared = getattr(importlib.import_module(f"{__name__}.{name}"), "VARIANT", None)
        if not isinstance(declared, Variant):
            raise BadDeclaration(f"training/variants/{name}.py declares no VARIANT = Variant(...)")
        if declared.lacks:
            raise BadDeclaration(f"training/variants/{name}.py: {declared.lacks}")
        found[name] = replace(declared, name=name)
    return found


def get_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in variants():
        raise UnknownName("variant", name, variants())
    return variants()[name]
