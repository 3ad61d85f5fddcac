"""LFS pointer files: three lines in git that stand for a large file. Text in, text out."""

import re
from dataclasses import dataclass

MOST_BYTES = 200
LARGE_FROM_BYTES = 1 << 20
"""Files from this size up are kept outside git."""
LARGE_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".gguf", ".gz", ".h5", ".joblib", ".npy", ".npz", ".onnx",
    ".parquet", ".pickle", ".pkl", ".pt", ".pth", ".safetensors", ".tar", ".tgz", ".xz", ".zip", ".zst",
)  # fmt: skip
"""Files with these endings are kept outside git whatever their size."""

_FORM = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d{1,18})\n?"
)


@dataclass(frozen=True)
class Pointer:
    """What a pointer file says."""

    sha256: str
    size: int
    """Bytes of the large file."""

    def encode(self) -> bytes:
        """The pointer file."""
        head = "version https://git-lfs.github.com/spec/v1"
        return f"{head}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()


def parse(data: bytes) -> Pointer | None:
    """The pointer that `data` is; None if it is any other file."""
    found = _FORM.fullmatch(data) if len(data) <= MOST_BYTES else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def goes_outside_git(path: str, size: int) -> bool:
    """Whether a file is kept as a large file: by its size in bytes or by its ending."""
    return size > 0 and (size >= LARGE_FROM_BYTES or path.lower().endswith(LARGE_SUFFIXES))


def gitattributes() -> bytes:
    """The `.gitattributes` that every repository starts with."""
    return "".join(f"*{end} filter=lfs diff=lfs merge=lfs -text\n" for end in LARGE_SUFFIXES).encode()
