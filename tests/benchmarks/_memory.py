"""The most memory that a few steps of training take: `python -m tests.benchmarks._memory SIDE IMAGETOKENS
RESPONSETOKENS` prints, as JSON, bytes in all and beside the interpreter, its libraries and the model.

`SIDE` is `ours` or `trl`. It reads Linux's own count of resident memory.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def peaks(side: str, image_tokens: int, response_tokens: int) -> dict[str, int]:
    """`all` and `beside_model` in bytes, of a fresh process."""
    words = ["-m", "tests.benchmarks._memory", side, str(image_tokens), str(response_tokens)]
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(side: str, image_tokens: int, response_tokens: int) -> None:
    """Train in this process and print its peaks."""
    from tests.benchmarks import _llava, _trl, training

    shape = _llava.Shape().seeing(image_tokens)
    processor = _llava.new_processor(shape)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data = training.pairs(folder, response_tokens)
        if side == "ours":
            vlm = _llava.as_base(_llava.new_model(shape), processor)
            before = _resident("VmRSS")
            training.step_seconds(vlm, data, folder / "run")
        else:
            trainer = training.trl_trainer(shape, processor, data, folder, **_trl.UNCHECKED, bf16=False)
            before = _resident("VmRSS")
            _trl.step_seconds(trainer, training.STEPS)
    peak = _resident("VmHWM")
    print(json.dumps({"all": peak, "beside_model": peak - before}))


def _resident(field: str) -> int:
    """This process's resident memory in bytes: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
