"""Libraries that only some metrics need: imported when such a metric is applied, not before."""

import importlib
from types import ModuleType

from zoo.errors import NotInstalled

EXTRA = "pip install 'medvlm-zoo[evaluate]'"


def library(module: str) -> ModuleType:
    """The module of that name.

    Raises:
        NotInstalled: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"this metric needs the library {error.name}, which is not here", hint=EXTRA
        ) from None
