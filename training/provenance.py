"""By what a run was made: the code's commit, the packages, the machine. Knows nothing of the run."""

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("medvlm-zoo", "torch", "transformers", "peft", "safetensors")


def commit() -> str:
    """Commit of the code that runs, `+dirty` where files differ from it; empty where git cannot tell."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return ""
    try:
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
        return _git(here, "rev-parse", "HEAD") + ("+dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):  # no git, or a checkout that git does not trust
        return ""


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's result, `more` among them."""
    return {"python": platform.python_version(), **{name: version(name) for name in (*PACKAGES, *more)}}


def hardware(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {platform.machine()}, {torch.get_num_threads()} threads"


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of the device, or of this process on a CPU, since this process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _git(folder: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
