"""Finding what a folder's files declare: one file each, its name the thing's name.

It knows nothing of what is declared. A file whose name begins with `_` is a helper and declares nothing.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import TypeVar

from zoo.errors import BadDeclaration

T = TypeVar("T")


def declared(package: str, path: Iterable[str], constant: str, kind: type[T]) -> dict[str, T]:
    """The `constant` of every module in a package's folder, by the module's name with `-` for `_`.

    Raises:
        BadDeclaration: a file that declares no such constant of that kind.
    """
    found: dict[str, T] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")):
        value = getattr(importlib.import_module(f"{package}.{module}"), constant, None)
        if not isinstance(value, kind):
            where = f"{package.replace('.', '/')}/{module}.py"
            raise BadDeclaration(f"{where} declares no {constant} = {kind.__name__}(...)")
        found[module.replace("_", "-")] = value
    return found
