"""An application on a real server of this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from serving.run import listen

LIMIT_S = 60
"""How long a start or an end may take before a test that hangs ends."""


@contextmanager
def served(app: Any, *, at_end: Callable[[], None] = lambda: None, **options: Any) -> Iterator[str]:
    """The address where it is; `at_end` is called before the server waits for what is under way."""
    taken = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    try:
        ends = time.monotonic() + LIMIT_S
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < ends, "the server does not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        server.should_exit = True
        at_end()
        thread.join(LIMIT_S)
        assert not thread.is_alive(), "the server does not end"
