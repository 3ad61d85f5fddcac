"""What a file of this folder declares: a base, all that is known of it. Knows no Hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.bases._kept import kept_bases
from zoo.errors import BadInput

LLAMA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class ImageRule:
    """What becomes of an image before the tower sees it, where the checkpoint's own files do not say so."""

    side: int | None = None
    """Pixels a side of the square that the tower sees; None: images of many sizes."""
    pad_to_square: bool = False
    """Whether it is first padded to a square with the processor's mean colour, so that nothing is cut off."""
    tokens: int | None = None
    """Tokens that every image becomes; None: as many as its size gives."""
    pixels_a_token: int | None = None
    """Pixels behind each token, for images of many sizes."""
    max_pixels: int | None = None
    """Images with more are made smaller, keeping their shape."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a base's licence means for its users, in a sentence, and who says so."""

    says: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number that others have published of a base. Protocols differ: only those of one source compare."""

    benchmark: str
    metric: str
    value: float
    source: str


def published(source: str, metric: str, values: Mapping[str, float]) -> tuple[Published, ...]:
    """Numbers of one metric from one source, by benchmark."""
    return tuple(
        Published(benchmark=benchmark, metric=metric, value=value, source=source)
        for benchmark, value in values.items()
    )


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why a base cannot be loaded here."""

    state: str
    """In two or three words."""
    reason: str
    next: str
    """What to type."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A vision-language model without adapters, pinned to a Hub commit or kept in a folder."""

    repo: str
    """Hub id."""
    revision: str = ""
    """Full Hub commit; derived from the files for a base kept in a folder. Empty: nobody has said which."""
    revision_source: str = ""
    """Where the commit is cited, as `OWNER/NAME:PATH@COMMIT` of a public git repository or as an address."""
    folder: Path | None = None
    """Where the base lies, for one that comes with this package or that the user keeps."""
    original: str = ""
    """`model_type` of the layout on the Hub, where transformers cannot read it and it has to be converted."""
    subfolders: tuple[str, ...] = ()
    """Folders of the repo that hold a whole copy each, so that none of its commits is one model."""
    tower: str = ""
    """`REPO@SHA` of the vision tower that the original code fetches beside it."""
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    """sha256 of files at the declared commit, as published: what proves a copy without a Hub. Empty once
    another commit is meant."""
    family: str
    """The model class family in transformers, such as `llava`."""
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What its `config.json` says of the model, in transformers' form; empty for a base in a folder, whose
    own file says it."""
    parameters: int = 0
    """How many it has, a tied head counted once; 0: not declared."""
    template: str = ""
    """Its chat template (Jinja), in the form that it was trained on; empty: the checkpoint's own."""
    ends: tuple[str, ...] = ()
    """Tokens that end an answer, the one that training puts there first; empty: the tokenizer's end."""
    answer_end: str = ""
    """What training puts between an answer and its end."""
    markers: tuple[str, ...] = ()
    """What steers it beside its tokenizer's special tokens, so that no question may hold it."""
    tokens: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Ids that its tokenizer gives to tokens that matter."""
    image: ImageRule = ImageRule()
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
    gated: bool = False
    """Whether the Hub gives its files only to those who accepted its terms there."""
    license: str
    terms: tuple[Term, ...] = ()
    published: tuple[Published, ...] = ()
    about: str
    built_by: str = ""
    """The command that makes it on this machine, for one that lies on no Hub."""
    name: str = ""
    """Given by the file's name, unless it holds what a file's name cannot."""

    @property
    def scales(self) -> int:
        """At how many scales its tower sees an image, the second twice the first one's side and so on."""
        return len(self.config["vision_feature_layer"]) if self.family == "llava-s2" else 1

    @property
    def pinned(self) -> str:
        """`name@revision`, the base's identity everywhere."""
        return f"{self.name}@{self.revision}"

    @property
    def obstacle(self) -> Obstacle | None:
        """Why it cannot be loaded on this machine; None if it can."""
        if self.folder is None and self.built_by:
            return Obstacle(
                state="to be built",
                reason=f"{self.name} has not been built on this machine",
                next=self.built_by,
            )
        if self.folder is None and self.original:
            copies = f", one of its copies in {', '.join(self.subfolders)}" if self.subfolders else ""
            source = "/".join((self.repo, *self.subfolders[-1:]))
            return Obstacle(
                state="to be converted",
                reason=f"{self.repo} is in the layout {self.original!r}, which is to be converted once"
                + copies,
                next=f"medzoo convert {source} --base {self.name} --out FOLDER",
            )
        if not self.revision:
            return Obstacle(
                state="to be pinned",
                reason=f"no commit of {self.repo} is pinned, so nobody could tell which model it was",
                next=f"medzoo bases {self.name} --pin",
            )
        if self.folder is not None and not self.folder.is_dir():
            return Obstacle(
                state="not where it was kept",
                reason=f"{self.folder}, which was kept as {self.name}, is no folder any more",
                next=f"medzoo bases {self.name} --unpin",
            )
        if changed := self._changed():
            return Obstacle(
                state="changed since kept",
                reason=f"{self.folder} is not what was kept as {self.name}: {changed} has changed since",
                next=f"medzoo bases {self.name} --at {self.folder}",
            )
        return None

    def require_usable(self) -> None:
        """Raise unless this code can load it, from a place and at a revision that are known.

        Raises:
            BadInput: it cannot, with what to type first.
        """
        if obstacle := self.obstacle:
            raise BadInput(obstacle.reason, hint=obstacle.next)

    def _changed(self) -> str:
        """A file of a kept folder that is no longer as it was; empty if none."""
        kept = kept_bases().get(self.name)
        return kept.changed() if kept and self.folder and str(self.folder) == kept.folder else ""
