"""Gradio's errors in the log by type and place alone: it prints tracebacks, which quote what was asked."""

import logging
import sys
import traceback
from importlib import import_module
from types import SimpleNamespace

from serving.defence.logs import PlaceOnly

log = logging.getLogger(__name__)

PRINTING = ("queueing", "route_utils", "routes", "utils")
"""Gradio's modules that print tracebacks while they serve."""


def hush() -> None:
    """Let Gradio print no traceback from now on, in this process."""
    quiet = SimpleNamespace(**{**vars(traceback), "print_exc": _tell_place})
    for name in PRINTING:
        vars(import_module(f"gradio.{name}"))["traceback"] = quiet


def _tell_place() -> None:
    log.error("the page failed: %s", PlaceOnly().formatException(sys.exc_info()))
