"""A server of phantom and seven adapters of random weights, with its page, for benchmarks of the page."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from serving.api.folders import WithFolders
from serving.app import build_app
from serving.library import ZooHub
from serving.opening import build_service
from serving.run import listen
from serving.settings import Settings
from tests._adapters import random_adapter
from zoo.bases import get_base
from zoo.hub import RepoRef
from zoo.vlm.model import load_base

ADAPTERS = 7
TOKENS = 24


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that is ready, all adapters loaded."""
    with tempfile.TemporaryDirectory() as made:
        bare = load_base(get_base("phantom"))
        folders = {f"a{number}": str(Path(made) / f"a{number}") for number in range(ADAPTERS)}
        for seed, folder in enumerate(folders.values()):
            random_adapter(Path(folder), bare, seed=seed)
        settings = Settings(max_new_tokens=TOKENS)
        hub = WithFolders(ZooHub("http://127.0.0.1:9"), folders.values())
        aliases = {name: RepoRef(folder, "local") for name, folder in folders.items()}
        service = build_service(settings, hub=hub, aliases=aliases, say=lambda text: None)
        taken = listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(build_app(service), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.02)
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            service.close()
