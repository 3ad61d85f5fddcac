"""The main job on one machine: an embedded Hub, three adapters made, scored, published, served, compared.

Every step is a verb of `medzoo`, run as a child process, so the demo proves the commands that a user
types. What a step has made is kept; a demo that was stopped goes on with the next step.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from zoo.bases import get_base
from zoo.errors import ZooError
from zoo.notice import NOTICE

VARIANTS = ("sft", "text_hallu", "mdpo")
OWNER = "local"
START_TIMEOUT_S = 120
EXAMPLE_SEED = 3_000_011
"""Seed of the drawn scan that the demo asks about: one of the test split."""
EXAMPLE_QUESTION = "Describe the findings of this scan."


class Demo:
    """One demo in one folder."""

    def __init__(self, folder: Path) -> None:
        base = get_base("phantom")
        self.folder = folder / base.revision[:8]  # a new base starts anew
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hub = ""

    def run(self, *, port: int, once: bool, image: Path | None, question: str | None) -> None:
        """Make what is missing, serve, and ask one question; then stay until Ctrl-C, or end if `once`."""
        began = time.monotonic()
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends the servers too
        with self._server("hub", "serve", "--root", str(self.folder / "hub")) as hub:
            self.hub = hub
            adapters = self._adapters()
            self._evaluate(adapters)
            repos = [self._publish(adapter) for adapter in adapters]
            self._verb("ls", "--hub", hub)
            options = [word for repo in repos for word in ("--adapter", repo)]
            asked_of = ["base", *VARIANTS]
            with self._server("serve", *options, "--hub", hub, "--port", str(port)) as url:
                picture = image or self._example()
                asked = question or EXAMPLE_QUESTION
                _say(f"asking {url} about {picture.name}: {asked}")
                print(_table(_compare(url, picture, asked, asked_of)))
                print(f"\nfrom nothing to this comparison in {time.monotonic() - began:.0f} s")
                if not once:
                    _say(f"open {url} to compare in the page, or ask over REST:")
                    fields = f"-F question='{asked}' -F adapters={','.join(asked_of)}"
                    print(f"  curl -F image=@{picture} {fields} {url}/v1/compare")
                    print(f"{NOTICE}\nCtrl-C ends the demo.", flush=True)
                    _wait()

    def _adapters(self) -> list[Path]:
        """Make the adapters, as many at once as there are cores, with a bar each."""
        cores = os.cpu_count() or 1
        workers = min(len(VARIANTS), cores)
        _say(f"medzoo pairs and medzoo train for {', '.join(VARIANTS)}, {workers} at once")
        with ThreadPoolExecutor(workers) as pool:
            threads = max(1, cores // workers)
            futures = {  # the longest first, so that the cores end together
                name: pool.submit(self._adapter, name, threads) for name in reversed(VARIANTS)
            }
            self._watch(list(futures.values()))
            return [futures[name].result() for name in VARIANTS]

    def _adapter(self, variant: str, threads: int) -> Path:
        """Pairs and training of one variant; what they print goes into a file beside the adapter."""
        pairs, adapter = self.folder / "pairs" / variant, self.folder / "adapters" / variant
        adapter.mkdir(parents=True, exist_ok=True)
        with (adapter.parent / f"{variant}.txt").open("a", encoding="utf-8") as said:
            if not pairs.exists():
                self._verb("pairs", variant, "--out", str(pairs), into=said, threads=threads)
            if not (adapter / "zoo.json").exists():
                words = ("train", variant, "--pairs", str(pairs), "--out", str(adapter))
                self._verb(*words, into=said, threads=threads)
        return adapter

    def _watch(self, futures: Sequence[Future[Path]]) -> None:
        """A progress bar for each training, read from its log, until all have ended."""
        with ExitStack() as stack:
            bars = {
                name: stack.enter_context(tqdm(desc=f"{name:<10}", unit="step", position=i))
                for i, name in enumerate(VARIANTS)
            }
            while wait(futures, timeout=0.5).not_done:
                for name, bar in bars.items():
                    step, bar.total = _progress(self.folder / "adapters" / name / "log.jsonl")
                    bar.update(step - bar.n)

    def _evaluate(self, adapters: Sequence[Path]) -> None:
        out = self.folder / "evaluation"
        if (out / "predictions.jsonl").exists():
            self._verb("score", str(out / "predictions.jsonl"))
            return
        self._verb("evaluate", *map(str, adapters), "--out", str(out), "--record")

    def _publish(self, adapter: Path) -> str:
        repo = f"{OWNER}/phantom-{adapter.name}"
        self._verb("publish", str(adapter), repo, "--hub", self.hub)
        return repo

    def _example(self) -> Path:
        path = self.folder / "scan.png"
        self._verb("phantom", "draw", "--seed", str(EXAMPLE_SEED), "--out", str(path))
        return path

    def _verb(self, *words: str, into: TextIO | None = None, threads: int | None = None) -> None:
        """Run a verb to its end, its output on this terminal or `into` a file.

        Raises:
            ZooError: it failed.
        """
        if into is None:
            _say(f"medzoo {' '.join(words)}")
        environment = self._environment()
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        done = subprocess.run(_command(*words), env=environment, stdout=into, stderr=into)
        if done.returncode:
            where = f"{into.name} says" if into else "it says above"
            raise ZooError(
                f"`medzoo {' '.join(words)}` ended with status {done.returncode}",
                hint=f"mend what {where} and run the demo again; it goes on from there",
            )

    @contextmanager
    def _server(self, *words: str) -> Iterator[str]:
        """Run a verb that serves; yield the address that its first line with one tells."""
        _say(f"medzoo {' '.join(words)}")
        child = subprocess.Popen(_command(*words), env=self._environment(), stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        try:
            timer = threading.Timer(START_TIMEOUT_S, child.kill)
            timer.start()
            url = next((w for line in child.stdout for w in line.split() if w.startswith("http://")), "")
            timer.cancel()
            if not url:
                raise ZooError(f"`medzoo {' '.join(words)}` did not start (status {child.wait()})")
            threading.Thread(target=_drain, args=(child.stdout,), daemon=True).start()
            yield url
        finally:
            child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()

    def _environment(self) -> dict[str, str]:
        """The children's environment: caches inside of the demo's folder, no other Hub."""
        mine = {"HF_HOME": str(self.folder / "cache"), "HF_TOKEN": "local", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **mine, **({"HF_ENDPOINT": self.hub} if self.hub else {})}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "zoo", *words]


def _compare(url: str, image: Path, question: str, adapters: Sequence[str]) -> dict[str, Any]:
    """One comparison over REST."""
    kind = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}.get(
        image.suffix.lower(), "application/dicom"
    )
    body = {
        "images": [f"data:{kind};base64,{base64.b64encode(image.read_bytes()).decode()}"],
        "question": question,
        "adapters": list(adapters),
    }
    request = urllib.request.Request(
        f"{url}/v1/compare", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            found: dict[str, Any] = json.load(reply)
            return found
    except urllib.error.HTTPError as error:
        raise ZooError(f"the server answered {error.code}: {error.read().decode()}") from error


def _table(comparison: dict[str, Any]) -> str:
    rows = [("variant", "answer", "from")]
    for answer in comparison["answers"]:
        rows.append((answer["variant"], answer["text"], answer["id"]))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{a.ljust(widths[0])}  {b.ljust(widths[1])}  {c}" for a, b, c in rows)


def _progress(log: Path) -> tuple[int, int | None]:
    """Steps done and steps in all, from a training log; nothing yet before it is there."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    steps = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    done = [entry for entry in steps if "of" in entry]
    return (done[-1]["step"], done[-1]["of"]) if done else (0, None)


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _drain(lines: Iterator[str]) -> None:
    """Read on, so that a child never waits for its pipe."""
    for _ in lines:
        pass


def _wait() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
