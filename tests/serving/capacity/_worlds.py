"""Round numbers, for values that are worked out by hand."""

from typing import Any

from serving.capacity.given import Place, Times, Traffic


def times(**given: Any) -> Times:
    """A second for a prompt, nothing else takes time but further tokens, which take a second too."""
    zero = dict.fromkeys(
        ("image_s", "prompt_row_s", "step_row_s", "load_disk_s", "load_host_s", "fetch_s"), 0.0
    )
    return Times(**{**zero, "prompt_s": 1.0, "step_s": 1.0, "source": "by hand", **given})


def traffic(**given: Any) -> Traffic:
    """Two users who think for a second and ask one adapter for one token."""
    return Traffic(**{"users": 2, "think_s": 1.0, "adapters": 1, "tokens": 1.0, **given})


def place(**given: Any) -> Place:
    """One replica that answers one question at a time."""
    usual = {"replicas": 1, "routing": "random", "slots": 1, "max_rows": 1, "window_s": 0.0}
    return Place(**{**usual, "adapter_bytes": 1, "host_bytes": 0, **given})
