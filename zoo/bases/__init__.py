"""The bases the zoo knows: one file each, found by listing this folder."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from zoo.discovery import declared
from zoo.errors import BadDeclaration, UnknownName

LLAMA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class Base:
    """A vision-language model without adapters, pinned to a Hub commit or kept in a folder."""

    repo: str
    """Hub id."""
    revision: str = ""
    """Full Hub commit; derived from the files for a base kept in a folder."""
    folder: Path | None = None
    """Where the base lies, for one that comes with this package."""
    family: str
    """The model class family in transformers, such as `llava`."""
    lora_targets: tuple[str, ...] = LLAMA_TARGETS
    """Linear layers of the language model that an adapter may change."""
    max_images: int = 1
    can_judge: bool = False
    """Whether it can grade answers and ask questions of its own when told to."""
    encoder: Path | str | None = None
    """A CLIP that tells how well phrases fit an image: its folder, or `REPO@SHA` on a Hub."""
    learning_rate_scale: float = 1.0
    """What a variant's learning rate is multiplied by on this base."""
    max_rank: int | None = None
    """Largest rank of a LoRA that makes sense on it; None: any."""
    license: str
    about: str
    name: str = ""
    """Given by the file's name."""

    @property
    def pinned(self) -> str:
        """`name@revision`, the base's identity everywhere."""
        return f"{self.name}@{self.revision}"


@cache
def bases() -> dict[str, Base]:
    """Every base of this folder by name.

    Raises:
        BadDeclaration: a file that declares no `BASE`.
    """
    found = {}
    for name, base in declared(__name__, __path__, "BASE", Base).items():
        revision = folder_revision(base.folder) if base.folder else base.revision
        found[name] = replace(base, name=name, revision=revision)
    return found


def get_base(name: str) -> Base:
    """The base of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in bases():
        raise UnknownName("base", name, bases())
    return bases()[name]


def folder_revision(folder: Path) -> str:
    """A 40-digit digest of a folder's files, names and contents: its revision where no Hub gave one.

    Raises:
        BadDeclaration: the folder holds no files.
    """
    digest = hashlib.sha256()
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise BadDeclaration(f"{folder} holds no base", hint="medzoo phantom build")
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:40]
