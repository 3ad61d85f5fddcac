"""A base that cannot be loaded yet: every verb says what to type first, and imports nothing heavy before."""

import subprocess
import sys
from pathlib import Path

import pytest

CONVERT = "medzoo convert microsoft/llava-med-v1.5-mistral-7b --base llava-med-v1.5 --out FOLDER"
PIN = "medzoo bases huatuo-vision-7b-qwen2.5vl --pin"
COPY = "medzoo convert UCSC-VLAA/LLaVA-Med-pp/VQA-RAD --base llava-med++ --out FOLDER"
NEXT = {"llava-med-v1.5": CONVERT, "huatuo-vision-7b-qwen2.5vl": PIN, "llava-med++": COPY}
CODE = """
import sys
from zoo.__main__ import main
try:
    main()
finally:
    print("imported:", *(name for name in ("torch", "transformers", "gradio") if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "base"),
    [
        ("serve", "llava-med-v1.5"),
        ("serve --check", "huatuo-vision-7b-qwen2.5vl"),
        ("train sft --dataset phantom --out OUT", "llava-med-v1.5"),
        ("pairs mdpo --dataset phantom --out OUT", "llava-med++"),
        ("evaluate base --out OUT", "llava-med++"),
    ],
)
def test_a_verb_says_what_to_type_before_anything_heavy_is_imported(
    words: str, base: str, tmp_path: Path
) -> None:
    argv = [*words.replace("OUT", str(tmp_path / "out")).split(), "--base", base]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *argv], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert NEXT[base] in said
    assert "Traceback" not in said
    assert done.stdout.splitlines()[-1] == "imported:"
    assert not (tmp_path / "out").exists()
