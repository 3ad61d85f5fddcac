"""The names of Ray's that are used though it promises none of them: all are here, and
`tests/zoo/on_ray/test_private.py` sees what an update takes away."""

from typing import Any

PAST_THE_STORE: dict[str, Any] = {"_by_reference": False}
"""For the options of a handle: what is asked goes straight to who is asked, past Ray's store of objects,
which may write what it holds to disk."""


def in_folder(folder: str) -> dict[str, Any]:
    """For `ray.init`: a cluster that has all its files in this folder, none of what is sent among them."""
    return {"_temp_dir": folder, "_system_config": {"automatic_object_spilling_enabled": False}}


def forget_serve() -> None:
    """Or the next cluster of this process is taken for one that was ended."""
    from ray.serve.context import _set_global_client

    _set_global_client(None)


def hush_raylets() -> None:
    """Keep from the terminal what raylets say of processes that died."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None
