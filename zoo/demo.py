"""The main job on one machine: an embedded Hub, three adapters made, scored, published, served, compared.

Every step is a verb of `medzoo`, run as a child process, so the demo proves the commands that a user
types. What a step has made is kept; a demo that was stopped goes on with the next step.
"""

import base64
import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zoo.bases import get_base
from zoo.children import Children
from zoo.demo_ward import PEOPLE, Session, Ward
from zoo.errors import BadInput
from zoo.manifest import MANIFEST_NAME, read_manifest
from zoo.notice import NOTICE

VARIANTS = ("sft", "text_hallu", "mdpo")
QUESTIONS = 2000
OWNER = "local"
EXAMPLE_SEED = 3_000_011
"""Seed of the drawn scan that the demo asks about: one of the test split."""
EXAMPLE_QUESTION = "Describe the findings of this scan."


class Demo:
    """One demo in one folder."""

    def __init__(self, folder: Path, *, begun: Path | None = None) -> None:
        """`begun` holds a demo that ran elsewhere, as in an image; its work is taken over where `folder`
        has none of its own."""
        base = get_base("phantom")
        self.folder = folder / base.revision[:8]  # a new base starts anew
        if begun is not None and not self.folder.exists():
            _take_over(begun / self.folder.name, self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hub = ""
        self.children = Children()
        self.children.environment = {  # caches in the demo's folder; no proxy for this machine
            "HF_HOME": str(self.folder / "cache"),
            "HF_TOKEN": "local",
            "PYTHONUNBUFFERED": "1",
            **{name: f"{os.environ.get(name, '')},127.0.0.1,localhost" for name in ("NO_PROXY", "no_proxy")},
        }

    def run(
        self,
        *,
        port: int,
        once: bool,
        image: Path | None,
        question: str | None,
        rate: bool,
        public: bool = False,
    ) -> None:
        """Make what is missing, serve, and ask one question; then stay until Ctrl-C, or end if `once`. To
        `rate` there are accounts and a work list beside it. `public`: other machines may ask too."""
        began = time.monotonic()
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            self._run(began, port=port, once=once, image=image, question=question, rate=rate, public=public)
        finally:
            self.children.end()

    def _run(
        self,
        began: float,
        *,
        port: int,
        once: bool,
        image: Path | None,
        question: str | None,
        rate: bool,
        public: bool,
    ) -> None:
        _say("medzoo hub serve")
        with self.children.serve("hub", "serve", "--root", str(self.folder / "hub")) as hub:
            self.hub = self.children.environment["HF_ENDPOINT"] = hub
            adapters = self._adapters()
            self._evaluate(adapters)
            self._report(adapters)
            repos = [self._publish(adapter) for adapter in adapters]
            self._verb("ls", "--hub", hub)
            options = [word for repo in repos for word in ("--adapter", repo)]
            asked_of = ["base", *VARIANTS]
            ward = Ward(self.children, self.folder) if rate else None
            if public:
                options += ["--host", "0.0.0.0"]
                if not rate:
                    self.children.environment["MEDZOO_PUBLIC_DEMO"] = "true"
            _say("medzoo serve")
            with self.children.serve("serve", *options, "--hub", hub, "--port", str(port)) as told:
                url = told.replace("//0.0.0.0:", "//127.0.0.1:")
                picture = image or self._example()
                asked = question or EXAMPLE_QUESTION
                _say(f"asking {url} about {picture.name}: {asked}")
                session = ward.sign_in(url) if ward else Session(url)
                print(_table(_compare(session, picture, asked, asked_of)))
                if ward:
                    _say(f"the work list {session.add_list(asked_of)!r} waits; sign in at {url}")
                    for name, password in ward.passwords.items():
                        print(f"  {name:<6} {password}  {PEOPLE[name]}")
                print(f"\nthis run of the demo took {time.monotonic() - began:.0f} s to this comparison")
                if not once:
                    _say(f"open {url} to compare in the page")
                    if not ward:
                        fields = [f"image=@{picture}", f"question={asked}", f"adapters={','.join(asked_of)}"]
                        words = [word for field in fields for word in ("-F", field)]
                        print(f"or ask over REST: {shlex.join(['curl', *words, f'{url}/v1/compare'])}")
                    print(f"{NOTICE}\nCtrl-C ends the demo.", flush=True)
                    _wait()

    def _adapters(self) -> list[Path]:
        """Make the adapters, as many at once as there are cores, with a bar each."""
        cores = os.cpu_count() or 1
        workers = min(len(VARIANTS), cores)
        _say(f"medzoo pairs and medzoo train for {', '.join(VARIANTS)}, {workers} at once")
        pool = ThreadPoolExecutor(workers)
        threads = max(1, cores // workers)
        futures = {  # the longest first, so that the cores end together
            name: pool.submit(self._adapter, name, threads) for name in reversed(VARIANTS)
        }
        try:
            self._watch(list(futures.values()))
            return [futures[name].result() for name in VARIANTS]
        except BaseException:
            self.children.end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _adapter(self, variant: str, threads: int) -> Path:
        """Pairs and training of one variant; what they print goes into a file beside the adapter."""
        pairs, adapter = self.folder / "pairs" / variant, self.folder / "adapters" / variant
        adapter.mkdir(parents=True, exist_ok=True)
        few = {"OMP_NUM_THREADS": str(threads)}
        with (adapter.parent / f"{variant}.txt").open("a", encoding="utf-8") as said:
            if not pairs.exists():
                words = ("pairs", variant, "--limit", str(QUESTIONS), "--out", str(pairs))
                self.children.run(*words, into=said, environment=few)
            if not (adapter / MANIFEST_NAME).exists():
                words = ("train", variant, "--pairs", str(pairs), "--out", str(adapter))
                self.children.run(*words, into=said, environment=few)
        return adapter

    def _watch(self, futures: Sequence[Future[Path]]) -> None:
        """A progress bar for each training, read from its log, until all have ended."""
        with ExitStack() as stack:
            bars = {
                name: stack.enter_context(tqdm(desc=f"{name:<10}", unit="step", position=i))
                for i, name in enumerate(VARIANTS)
            }
            while wait(futures, timeout=0.5, return_when=FIRST_EXCEPTION).not_done:
                for future in futures:
                    if future.done():
                        future.result()  # raises what went wrong
                for name, bar in bars.items():
                    step, bar.total = _progress(self.folder / "adapters" / name / "log.jsonl")
                    bar.update(step - bar.n)

    def _evaluate(self, adapters: Sequence[Path]) -> None:
        answers = self.folder / "evaluation" / "predictions.jsonl"
        if not answers.exists() or not all(read_manifest(adapter).benchmarks for adapter in adapters):
            answers.unlink(missing_ok=True)
            self._verb("evaluate", *map(str, adapters), "--out", str(answers.parent), "--record")

    def _report(self, adapters: Sequence[Path]) -> None:
        """Scores as tables and pictures; the table's text is on the terminal already."""
        answers, report = self.folder / "evaluation" / "predictions.jsonl", self.folder / "report"
        if not report.exists():
            runs = [word for adapter in adapters for word in ("--log", str(adapter))]
            self._verb("report", str(answers), *runs, "--out", str(report))

    def _publish(self, adapter: Path) -> str:
        repo = f"{OWNER}/phantom-{adapter.name}"
        self._verb("publish", str(adapter), repo, "--hub", self.hub)
        self._verb("verify", repo, "--hub", self.hub)
        return repo

    def _example(self) -> Path:
        path = self.folder / "scan.png"
        self._verb("phantom", "draw", "--seed", str(EXAMPLE_SEED), "--out", str(path))
        return path

    def _verb(self, *words: str) -> None:
        """Run a verb to its end on this terminal."""
        _say(f"medzoo {' '.join(words)}")
        self.children.run(*words)


def _take_over(begun: Path, folder: Path) -> None:
    """Copy a demo's work, whole or not at all."""
    if not begun.is_dir():
        raise BadInput(f"{begun} holds no demo of this base", hint="run `medzoo demo --once --dir` first")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    own = shutil.ignore_patterns("cache", "lock")
    shutil.copytree(begun, part, copy_function=shutil.copyfile, ignore=own)
    part.rename(folder)


def _compare(session: Session, image: Path, question: str, adapters: Sequence[str]) -> dict[str, Any]:
    """One comparison over REST."""
    kind = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}.get(
        image.suffix.lower(), "application/dicom"
    )
    body = {
        "images": [f"data:{kind};base64,{base64.b64encode(image.read_bytes()).decode()}"],
        "question": question,
        "adapters": list(adapters),
    }
    found: dict[str, Any] = session.ask("/v1/compare", body)
    return found


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


def _wait() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
