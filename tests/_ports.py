"""A port for a server that is a process of its own."""

import random
import socket

_ANY = range(20_000, 32_000)
"""None that the kernel gives to clients: one could have it when the server comes back, even a client that
calls in vain where nobody listens."""


def free_port() -> int:
    """A port of this machine that nobody has now."""
    while True:
        port = random.SystemRandom().choice(_ANY)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
