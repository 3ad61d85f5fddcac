"""A ward for tests: a server with accounts and a database, as a process that can be killed and started again
at the same address, work lists, and browsers."""

import csv
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from tests._ports import free_port
from tests.serving.soak.fingerprints import Forge
from tests.serving.soak.processes import Served, served
from zoo.bases import get_base
from zoo.hub_publish import publish_folder
from zoo.phantom.scans import make_scan
from zoo.vlm.model import load_base

PASSWORD = "four words are enough"
ADAPTERS = ("alder", "birch", "cedar")
"""Names of adapters; each says a word of its own, whatever it is asked."""


class Ward:
    """A server in a folder."""

    def __init__(self, folder: Path, hub: str, adapters: Sequence[str], **environment: str) -> None:
        """`adapters` are repos on the Hub."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.database = folder / "ratings.sqlite"
        self._words = ["serve", "--port", str(self.port), "--device", "cpu", "--hub", hub]
        self._words += [word for repo in adapters for word in ("--adapter", repo)]
        self.environment = {
            "HF_HOME": str(folder / "cache"),
            "HF_TOKEN": "local",
            "MEDZOO_ANNOTATIONS": str(self.database),
            **environment,
        }

    def medzoo(self, *words: str, said: str = "") -> str:
        """Run a verb, `said` on its standard input; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *words],
            env={**os.environ, **self.environment},
            input=said,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"medzoo {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def account(self, name: str, role: str) -> None:
        """Make an account."""
        self.medzoo("accounts", "new", name, "--role", role, said=f"{PASSWORD}\n")

    @contextmanager
    def server(self) -> Iterator[Served]:
        """The server, until the block ends."""
        with served(self._words, self.log, module="zoo", environment=self.environment) as running:
            yield running


def forge_adapters(hub: str, folder: Path) -> dict[str, str]:
    """Publish the adapters; repo -> the one word that each can say."""
    forge = Forge(load_base(get_base("phantom")))
    words = {}
    for name in ADAPTERS:
        made = forge.make(folder / name, name=name)
        publish_folder(made.folder, f"ward/{name}", message="a version", endpoint=hub)
        words[f"ward/{name}"] = made.word.strip()
    return words


def archive(cases: Sequence[Mapping[str, Any]]) -> bytes:
    """A work list's ZIP: of each case its files by name, question and, if known, reference and modality."""
    out, table = io.BytesIO(), io.StringIO()
    rows = csv.DictWriter(table, ["id", "images", "question", "reference", "modality"])
    rows.writeheader()
    with zipfile.ZipFile(out, "w") as zipped:
        for case in cases:
            files: Mapping[str, bytes] = case["files"]
            rows.writerow({**{key: case[key] for key in case if key != "files"}, "images": ";".join(files)})
            for name, data in files.items():
                zipped.writestr(name, data)
        zipped.writestr("cases.csv", table.getvalue())
    return out.getvalue()


def scan_png(seed: int) -> bytes:
    """A drawn scan."""
    out = io.BytesIO()
    Image.fromarray(make_scan(seed).pixels).resize((256, 256)).save(out, "PNG")
    return out.getvalue()
