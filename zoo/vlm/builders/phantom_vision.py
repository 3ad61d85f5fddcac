"""First stage of the phantom base: a small CLIP vision tower learns to see what is on a scan.

Learning from answers alone leaves side and zone at chance, so the tower is first trained as a classifier of
every attribute, each read off the patch tokens by attention pooling; the classifier is then thrown away.
It knows no words beyond the attributes' names.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from zoo.phantom import vocabulary as words
from zoo.phantom.scans import Scan, make_scan

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
Tick = Callable[[], object]


def labels_of(scan: Scan) -> list[int]:
    """The class of each attribute, in the order of `ATTRIBUTES`."""
    values = {"modality": scan.modality, "organ": scan.organ}
    for name in ("kind", "side", "zone", "size"):
        values[name] = getattr(scan.finding, name) if scan.finding else "none"
    return [ATTRIBUTES[name].index(values[name]) for name in ATTRIBUTES]


def small_pixels(seed: int) -> npt.NDArray[np.uint8]:
    """The scan of that seed as the processor would shrink it, shape (IMAGE_SIZE, IMAGE_SIZE)."""
    picture = PIL.Image.fromarray(make_scan(seed).pixels)
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), PIL.Image.Resampling.BICUBIC))


def draw_pool(seeds: Sequence[int], *, workers: int, tick: Tick) -> torch.Tensor:
    """Shrunken pixels of all seeds, uint8, shape (scans, IMAGE_SIZE, IMAGE_SIZE); `tick` at each scan."""
    drawn = []
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for pixels in pool.map(small_pixels, seeds, chunksize=64):
            drawn.append(pixels)
            tick()
    return torch.from_numpy(np.stack(drawn))


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
    """Reads each attribute off the patch tokens with one learned query per attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.queries = nn.Parameter(torch.randn(len(ATTRIBUTES), WIDTH) * WIDTH**-0.5)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, len(classes)) for classes in ATTRIBUTES.values())

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


def pretrain_tower(
    pool: torch.Tensor, labels: torch.Tensor, *, steps: int, batch: int, tick: Tick
) -> tuple[CLIPVisionModel, Reader]:
    """A tower and its reader, trained to classify the pool; `labels` are (scans, attributes).

    Randomness is torch's own: seed it before.
    """
    tower = CLIPVisionModel(vision_config()).train()
    reader = Reader()
    parameters = [*tower.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1.5e-3, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.5e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        rows = torch.randint(len(pool), (batch,))
        pixels = _shifted(pool[rows])
        logits = reader(patch_tokens(tower, pixels))
        loss = sum(
            (nn.functional.cross_entropy(scores, labels[rows, i]) for i, scores in enumerate(logits)),
            start=torch.zeros(()),
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        tick()
    return tower.eval(), reader.eval()


def _shifted(pixels: torch.Tensor) -> torch.Tensor:
    """The batch moved by at most two pixels, the same for all, so that no pixel is learned by heart."""
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(pixels, (down, right), dims=(1, 2))
