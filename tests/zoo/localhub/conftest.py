"""Fixtures for the embedded Hub: one running over a folder, clients of it, and programs pointed at it."""

import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from zoo.localhub.server import serving

_OFFLINE = """
import socket
_look_up = socket.getaddrinfo
def _loopback_only(host, *rest, **more):
    if host not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(f"this test may not ask for {host}")
    return _look_up(host, *rest, **more)
socket.getaddrinfo = _loopback_only
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's Hub."""
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """The address of a Hub that all tests of a module share; each makes its own repositories."""
    with serving(root) as address:
        yield address


@pytest.fixture
def api(url: str) -> HfApi:
    """The real client, signed in."""
    return HfApi(endpoint=url, token="any-token")


@pytest.fixture
def stranger(url: str) -> HfApi:
    """The real client without a token."""
    return HfApi(endpoint=url, token=False)


@pytest.fixture
def repo(api: HfApi) -> str:
    """A fresh model repository."""
    return api.create_repo(f"local/model-{uuid.uuid4().hex[:12]}").repo_id


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Run a Python program with HF_ENDPOINT set, kept from asking for any other machine; its output."""

    def run_program(program: str, *, endpoint: str, **environment: str) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        result = subprocess.run(
            [sys.executable, "-c", _OFFLINE + textwrap.dedent(program)],
            env={
                **kept,
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(tmp_path / "hf-home"),
                "HF_TOKEN": "any-token",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                **environment,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr[-4000:]
        return result.stdout

    return run_program
