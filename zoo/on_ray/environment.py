"""What Ray reads from the environment when it is first imported. Knows no Ray."""

import os
import secrets
import sys
from importlib.util import find_spec

from zoo.errors import BadInput, NotInstalled

MESSAGE_BYTES = 512 * 1024**2
"""Most bytes of a question to a server's replica: its images are sent as pixels."""
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # what is left of a handle would start a cluster of its own
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it writes on the terminal
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",  # one that hangs will not end by itself
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(MESSAGE_BYTES),
    "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "2",  # a replica in a step of its model is no slower
    "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
}


def set_up(option: str, *, extra: str, local: bool, processes: int = 1, needs: tuple[str, ...] = ()) -> None:
    """Set what Ray is to read. Whatever the operator set himself stays, but for what keeps others out of a
    cluster of this machine alone. The cores of such a one are divided among its processes.

    `option` asks for Ray, `extra` of this package brings it with the libraries that it `needs` beside it.

    Raises:
        NotInstalled: there is no Ray.
        BadInput: a cluster that others run does not ask its callers for a token.
    """
    if any(find_spec(library) is None for library in ("ray", *needs)):
        raise NotInstalled(f"{option} needs Ray", hint=f"pip install 'medvlm-zoo[{extra}]'")
    if not local and os.environ.get("RAY_AUTH_MODE") != "token":
        raise BadInput(
            "RAY_AUTH_MODE is not 'token': whoever reaches a port of such a cluster runs programs on it",
            hint="start it with RAY_AUTH_MODE=token and a RAY_AUTH_TOKEN, and set the same here; "
            "docs/cluster.md",
        )
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    if local:  # what its processes inherit; else Ray gives each one thread
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    if local and "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(16)
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # of this machine alone: listens on loopback
