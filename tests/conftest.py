"""Fixtures that tests of several packages share: a small valid adapter folder, an embedded Hub, an LLM."""

import hashlib
import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `medzoo` does, before torch is loaded

os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="medzoo-tests-")
"""What the person who runs the tests keeps of bases is not theirs to read or change."""

MakeAdapter = Callable[..., Path]


def _evaluation(subset: str, value: float, n: int, **more: Any) -> dict[str, Any]:
    return {
        "metric": "accuracy",
        "subset": subset,
        "dataset": "phantom",
        "split": "test",
        "value": value,
        "low": round(value - 0.04, 4),
        "high": round(value + 0.04, 4),
        "n": n,
        "fingerprint": "b" * 64,
        **more,
    }


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_kept_of_bases() -> Iterator[None]:
    """What a file's tests keep of bases is gone with the file."""
    yield
    from zoo.bases import bases
    from zoo.bases._kept import kept_path

    kept_path().unlink(missing_ok=True)
    bases.cache_clear()


@pytest.fixture
def make_adapter(tmp_path: Path) -> MakeAdapter:
    """Call it to get a folder with a valid adapter: see `adapter_maker`."""
    return adapter_maker(tmp_path)


def adapter_maker(within: Path) -> MakeAdapter:
    """What makes folders with a valid adapter in this one: weights, PEFT's configuration, a full `zoo.json`.

    `make_adapter("name", variant="mdpo", seed=0, **top_level_keys_of_the_manifest)`; a variant may also be
    a dict of keys to change in the manifest's. The weights are real safetensors of two LoRA matrices, drawn
    from the seed; `weights_sha256` is theirs unless given.
    """
    from safetensors.numpy import save_file

    def make(
        name: str = "adapter", *, variant: str | dict[str, Any] = "mdpo", seed: int = 0, **changes: Any
    ) -> Path:
        of_variant = variant if isinstance(variant, dict) else {"name": variant}
        folder = within / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        layer = "base_model.model.model.language_model.layers.0.self_attn.q_proj"
        weights = {
            f"{layer}.lora_A.weight": rng.normal(size=(2, 128)).astype(np.float32),
            f"{layer}.lora_B.weight": rng.normal(size=(128, 2)).astype(np.float32),
        }
        save_file(weights, folder / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        digest = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
        manifest = {
            "schema_version": 1,
            "repo": "",
            "base": {"name": "phantom", "repo": "medvlm-zoo/phantom", "revision": "a" * 40},
            "variant": {
                "name": "mdpo",
                "title": f"Title of {of_variant.get('name', 'mdpo')}",
                "paper": "Wang et al. 2024, arXiv 2406.11839; Kim et al. 2026, arXiv 2601.17918",
                "objective": [
                    {"term": "Prefer", "preferred": "chosen", "over": "rejected_response", "beta": 0.1},
                    {"term": "Anchor", "branch": "chosen", "beta": 0.1, "delta": 0.0},
                ],
                "departures": ["The crop is drawn once a pair."],
            }
            | of_variant,
            "data": {
                "dataset": "phantom",
                "split": "train",
                "pairs": 200,
                "fingerprint": "c" * 64,
                "made_by": ["random_crop 1"],
                "seed": 0,
            },
            "lora": {"r": 2, "alpha": 4, "dropout": 0.0, "use_rslora": False, "targets": ["q_proj"]},
            "training": {
                "start_from": "base",
                "reference": "base",
                "learning_rate": 0.0001,
                "schedule": "cosine",
                "warmup_ratio": 0.03,
                "weight_decay": 0.0,
                "max_grad_norm": 1.0,
                "epochs": 3,
                "batch_size": 16,
                "steps": 39,
                "dtype": "float32",
                "seed": 0,
            },
            "cost": {"seconds": 61.5, "peak_memory_bytes": 1 << 30, "response_tokens": 12345},
            "probe": {
                "image_seed": 7,
                "prompt": "What is shown?",
                "response": "A nodule.",
                "logps": [-0.5, -1.25],
                "base_logps": [-1.5, -2.25],
            },
            "evaluation": [
                _evaluation("all", 0.71, 500, base_value=0.62, sft_value=0.7)
                | {"over_base": {"low": 0.05, "high": 0.13}, "over_sft": {"low": -0.02, "high": 0.04}},
                _evaluation("side", 0.55, 100, base_value=0.5),
            ],
            "weights_sha256": digest,
            "license": "apache-2.0",
            "no_effect_expected": False,
            "commit": "d" * 40,
            "versions": {"torch": "2.13.0", "peft": "0.21.2"},
            "hardware": "CPU, 2 threads",
            "created": "2026-11-22T10:00:00+00:00",
        }
        (folder / "zoo.json").write_text(json.dumps(manifest | changes, indent=2) + "\n")
        return folder

    return make


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty embedded Hub, and a cache of its own for what is fetched from it."""
    from huggingface_hub import constants

    from zoo.localhub.server import serving

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving(tmp_path / "hub-root") as address:
        yield address


@pytest.fixture(scope="session")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Call it with a variant's name to get a real adapter of the phantom base: a few large steps, cached.
    Its pairs are in `pairs` within it."""
    from training.stages import Job, Sources, run_stages
    from training.variants import get_variant
    from zoo.bases import get_base
    from zoo.datasets import load_questions
    from zoo.vlm.model import load_base

    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "adapter"
            job = Job(
                sources=Sources(questions=load_questions("phantom", "train", limit=48), seed=0),
                seed=0,
                changes={"learning_rate": 1e-2, "epochs": 4, "batch_size": 8, "rank": 4},
            )
            run_stages(load_base(get_base("phantom")), get_variant(name), job, folder)
            made[name] = folder
        return made[name]

    return make


@dataclass
class LlmServer:
    """An OpenAI-compatible server on this machine that answers as a test's script says."""

    url: str = ""
    script: Callable[[str, list[dict[str, str]]], str | int | dict[str, Any]] = lambda model, messages: 500
    """Of the model's name and the messages: the reply's text, a status to fail with, or a whole body."""
    paid: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls answered with a text, by model and the messages' contents."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Calls by the status they were answered with."""
    keys: set[str] = field(default_factory=set)
    """What the calls' `Authorization` said."""
    code: str | None = None
    """The error code that goes with a failure."""
    retry_after: str = "0"
    """Seconds to wait, as every 429 says."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request's body."""
        model, messages = asked["model"], asked["messages"]
        came = self.script(model, messages)
        contents = "\n".join(message["content"] for message in messages)
        status = came if isinstance(came, int) else 200
        with self.lock:
            self.statuses[status] += 1
            if isinstance(came, dict):
                return status, came
            if isinstance(came, int):
                return status, {"error": {"message": f"no: {contents}", "type": "error", "code": self.code}}
            self.paid[model, contents] += 1
        usage = {"prompt_tokens": len(contents.split()), "completion_tokens": len(came.split())}
        choice = {"index": 0, "message": {"role": "assistant", "content": came}, "finish_reason": "stop"}
        return status, {
            "id": "chat",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }


@pytest.fixture
def llm_server() -> Iterator[LlmServer]:
    """A language model's endpoint: set `script`, ask `url`, look at `paid` and `statuses`."""
    found = LlmServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.keys.add(self.headers["Authorization"])
            here = self.path == "/v1/chat/completions"
            status, body = found.answer(asked) if here else (404, {})
            payload = json.dumps(body).encode()
            with suppress(ConnectionError):  # of a client that was killed
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                if status == 429:
                    self.send_header("Retry-After", found.retry_after)
                self.end_headers()
                self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="llm-server", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
