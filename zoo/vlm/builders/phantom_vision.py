"""First stage of the phantom base: a small CLIP vision tower learns to see what is on a scan.

Learning from answers alone leaves side and zone at chance, so the tower is first trained as a classifier of
every attribute, each read off the patch tokens by attention pooling, and must also say of each patch which
finding, how big, covers it. The classifier is then thrown away.
It knows no words beyond the attributes' names.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from zoo.phantom import vocabulary as words
from zoo.phantom.scans import SIZE, Scan, make_scan

IMAGE_SIZE = 64
PATCH_SIZE = 8
WIDTH = 128

ATTRIBUTES = {
    "modality": words.MODALITIES,
    "organ": words.ORGANS,
    "kind": ("none", *words.KINDS),
    "side": ("none", *words.SIDES),
    "zone": ("none", *words.ZONES),
    "size": ("none", *words.SIZES),
}
PER_PATCH = ("kind", "size")
LEAST_COVER = 0.08
"""Share of a patch that a finding must fill to be said to cover it."""
LEARNING_RATE = 1.5e-3

Tick = Callable[[], object]


def labels_of(scan: Scan) -> list[int]:
    """The class of each attribute, in the order of `ATTRIBUTES`."""
    values = {"modality": scan.modality, "organ": scan.organ}
    for name in ("kind", "side", "zone", "size"):
        values[name] = getattr(scan.finding, name) if scan.finding else "none"
    return [ATTRIBUTES[name].index(values[name]) for name in ATTRIBUTES]


@dataclass(frozen=True)
class Pool:
    """Scans as the tower sees them, with what there is to know of each."""

    pixels: torch.Tensor
    """uint8, (scans, IMAGE_SIZE, IMAGE_SIZE)."""
    labels: torch.Tensor
    """Class of each attribute, (scans, attributes)."""
    covered: torch.Tensor
    """Which patches the finding covers, bool, (scans, patches)."""


def shrink(scan: Scan) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The scan's pixels as the processor would shrink them, and which patches its finding covers."""
    picture = PIL.Image.fromarray(scan.pixels)
    pixels = np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), PIL.Image.Resampling.BICUBIC))
    across = IMAGE_SIZE // PATCH_SIZE
    edge = SIZE // across
    share = scan.mask.reshape(across, edge, across, edge).mean(axis=(1, 3))
    return pixels, (share > LEAST_COVER).reshape(-1)


def _shrink_seed(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    return shrink(make_scan(seed))


def draw_pool(seeds: Sequence[int], *, workers: int, tick: Tick) -> Pool:
    """The scans of all seeds, drawn by `workers` processes; `tick` at each scan."""
    pixels, covered = [], []
    with ProcessPoolExecutor(max_workers=workers) as processes:
        for drawn, cover in processes.map(_shrink_seed, seeds, chunksize=64):
            pixels.append(drawn)
            covered.append(cover)
            tick()
    return Pool(
        torch.from_numpy(np.stack(pixels)),
        torch.tensor([labels_of(make_scan(seed)) for seed in seeds]),
        torch.from_numpy(np.stack(covered)),
    )


def as_input(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (batch, height, width) to the tower's input, float (batch, 3, height, width) in -1..1."""
    return (pixels.float() / 127.5 - 1)[:, None].expand(-1, 3, -1, -1)


def vision_config() -> CLIPVisionConfig:
    """The tower's shape: 64 patches and a class token, 4 layers."""
    return CLIPVisionConfig(
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        projection_dim=WIDTH,
    )


class Reader(nn.Module):
    """Reads each attribute off the patch tokens with one learned query, and kind and size off each patch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.queries = nn.Parameter(torch.randn(len(ATTRIBUTES), WIDTH) * WIDTH**-0.5)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, len(classes)) for classes in ATTRIBUTES.values())
        self.patch_heads = nn.ModuleDict(
            {name: nn.Linear(WIDTH, len(ATTRIBUTES[name])) for name in PER_PATCH}
        )

    def forward(self, tokens: torch.Tensor) -> list[torch.Tensor]:
        """Logits of each attribute, (batch, classes), from tokens (batch, patches, WIDTH)."""
        tokens = self.norm(tokens)
        weights = (self.queries @ self.key(tokens).transpose(1, 2) * WIDTH**-0.5).softmax(-1)
        pooled = weights @ self.value(tokens)  # (batch, attributes, WIDTH)
        return [head(pooled[:, i]) for i, head in enumerate(self.heads)]


def patch_tokens(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """The tower's last hidden states without the class token, (batch, 64, WIDTH)."""
    states: torch.Tensor = tower(pixel_values=as_input(pixels)).last_hidden_state
    return states[:, 1:]


def pretrain_tower(pool: Pool, *, steps: int, batch: int, tick: Tick) -> tuple[CLIPVisionModel, Reader]:
    """A tower and its reader, trained on the pool. Randomness is torch's own: seed it before."""
    tower = CLIPVisionModel(vision_config()).train()
    reader = Reader()
    parameters = [*tower.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    for _ in range(steps):
        rows = torch.randint(len(pool.pixels), (batch,))
        tokens = patch_tokens(tower, _shifted(pool.pixels[rows]))
        loss = _reading_loss(reader, tokens, pool.labels[rows], pool.covered[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        tick()
    return tower.eval(), reader.eval()


def _reading_loss(
    reader: Reader, tokens: torch.Tensor, labels: torch.Tensor, covered: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of all attributes, and of kind and size on covered and on free patches alike."""
    loss = tokens.new_zeros(())
    for i, logits in enumerate(reader(tokens)):
        loss = loss + nn.functional.cross_entropy(logits, labels[:, i])
    for name in PER_PATCH:
        truth = labels[:, list(ATTRIBUTES).index(name), None] * covered  # 0 is `none`
        scores = reader.patch_heads[name](reader.norm(tokens))
        each = nn.functional.cross_entropy(scores.flatten(0, 1), truth.flatten(), reduction="none")
        inside = covered.flatten()
        loss = loss + each[inside].mean() + each[~inside].mean()
    return loss


@torch.no_grad()
def measure_tower(tower: CLIPVisionModel, reader: Reader, pool: Pool) -> dict[str, float]:
    """Share of the pool's scans of which each attribute is read right."""
    logits = reader(patch_tokens(tower, pool.pixels))
    return {
        name: float((logits[i].argmax(-1) == pool.labels[:, i]).float().mean())
        for i, name in enumerate(ATTRIBUTES)
    }


def _shifted(pixels: torch.Tensor) -> torch.Tensor:
    """The batch moved by at most two pixels, the same for all, so that no pixel is learned by heart."""
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(pixels, (down, right), dims=(1, 2))


@torch.no_grad()
def all_patch_tokens(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """`patch_tokens` of any number of scans, in batches of 256."""
    return torch.cat([patch_tokens(tower, part) for part in pixels.split(256)])
