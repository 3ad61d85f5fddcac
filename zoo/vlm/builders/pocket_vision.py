"""First stage of the pocket base: a small CLIP vision tower learns to see what the data tell of each picture.

A few hundred pictures are too few to learn to see from answers alone, so the tower is first trained as a
classifier (`pocket_sights`): each question and each group of terms is read off the patch tokens by attention
pooling, and each patch must say which marked regions cover it. Pictures are turned, cut and shaded at random,
never mirrored: left and right are asked about. The classifier is then thrown away.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from zoo.vlm.builders.pocket_sights import SIDE, UNKNOWN, Pool, Vocabulary
from zoo.vlm.builders.workshop import Workshop

PATCH_SIZE = 28
ACROSS = SIDE // PATCH_SIZE
IMAGE_TOKENS = ACROSS**2
STATE = "tower"


@dataclass(frozen=True, kw_only=True)
class SeeingRecipe:
    """The numbers of the first stage."""

    width: int = 192
    layers: int = 4
    heads: int = 4
    steps: int = 900
    batch: int = 32
    learning_rate: float = 8e-4
    weight_decay: float = 0.05


def vision_config(recipe: SeeingRecipe) -> CLIPVisionConfig:
    """The tower's shape: 64 patches and a class token."""
    return CLIPVisionConfig(
        image_size=SIDE,
        patch_size=PATCH_SIZE,
        hidden_size=recipe.width,
        intermediate_size=4 * recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        projection_dim=recipe.width,
    )


class Reader(nn.Module):
    """Reads answers and terms off the patch tokens, each group with a learned query, and regions off each."""

    def __init__(self, words: Vocabulary, width: int) -> None:
        super().__init__()
        groups = sorted({group for group, _ in words.facts})
        self._group_of = [groups.index(group) for group, _ in words.facts]
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(len(words.asked) + len(groups), width) * width**-0.5)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.asked = nn.ModuleList(nn.Linear(width, len(classes)) for _, classes in words.asked)
        self.facts = nn.ModuleList(nn.Linear(width, 1) for _ in words.facts)
        self.regions = nn.Linear(width, len(words.regions))

    def forward(self, tokens: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        """Logits of each question (pictures, classes), of terms (pictures, terms) and of regions (pictures,
        patches, regions), from tokens (pictures, patches, width)."""
        tokens = self.norm(tokens)
        weights = (self.queries @ self.key(tokens).transpose(1, 2) * tokens.shape[-1] ** -0.5).softmax(-1)
        pooled = weights @ self.value(tokens)
        asked = [head(pooled[:, i]) for i, head in enumerate(self.asked)]
        first = len(self.asked)
        facts = [head(pooled[:, first + g]) for g, head in zip(self._group_of, self.facts, strict=True)]
        return (
            asked,
            torch.cat(facts, dim=1) if facts else tokens.new_zeros(len(tokens), 0),
            self.regions(tokens),
        )


def as_input(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 to the tower's input in -1..1."""
    return pixels.float() / 127.5 - 1


def disturbed(
    pixels: torch.Tensor, marks: torch.Tensor, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (uint8) as the tower's input, turned by up to 10 degrees, cut to 0.8..1 of their sides, moved
    within, and shaded, and their marks turned and cut alike (0..1)."""
    n = len(pixels)

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=rng)

    angle, zoom = draw(-0.175, 0.175), draw(0.8, 1.0)
    move = (1 - zoom[:, None]) * (2 * torch.rand(n, 2, generator=rng) - 1)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    theta = torch.stack([torch.stack([cos, -sin, move[:, 0]], 1), torch.stack([sin, cos, move[:, 1]], 1)], 1)

    def moved(images: torch.Tensor) -> torch.Tensor:
        grid = functional.affine_grid(theta, [n, 1, *images.shape[-2:]], align_corners=False)
        return functional.grid_sample(images, grid, align_corners=False)

    seen = moved(pixels.float() / 255)
    gamma, contrast, light = (
        v[:, None, None, None] for v in (draw(0.7, 1.4), draw(0.8, 1.2), draw(-0.1, 0.1))
    )
    seen = (seen.clamp(0, 1) ** gamma - 0.5) * contrast + 0.5 + light
    seen = seen + 0.02 * torch.randn(seen.shape, generator=rng)
    return seen.clamp(0, 1) * 2 - 1, moved(marks.float() / 255)


def patch_tokens(tower: CLIPVisionModel, inputs: torch.Tensor) -> torch.Tensor:
    """The tower's last hidden states without the class token, (pictures, IMAGE_TOKENS, width)."""
    states: torch.Tensor = tower(pixel_values=inputs).last_hidden_state
    return states[:, 1:]


def pretrain_tower(
    pool: Pool,
    words: Vocabulary,
    recipe: SeeingRecipe,
    *,
    seed: int,
    shop: Workshop,
    tick: Callable[[int], object],
) -> tuple[CLIPVisionModel, Reader]:
    """A tower and its reader, trained on the pool; `tick` with the steps done. Each step's randomness follows
    from seed and step, so a build that goes on ends as one that was never stopped."""
    torch.manual_seed(seed)
    tower, reader = CLIPVisionModel(vision_config(recipe)).train(), Reader(words, recipe.width)
    parameters = [*tower.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
    )
    parts = {"tower": tower, "reader": reader, "optimizer": optimizer, "schedule": schedule}
    done = 0
    if state := shop.load(STATE):
        done = state["done"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    tick(done)
    for step in range(done, recipe.steps):
        rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
        rows = torch.randint(len(pool.names), (recipe.batch,), generator=rng)
        inputs, marks = disturbed(pool.pixels[rows], pool.marks[rows], rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = patch_tokens(tower, inputs)
        loss = seeing_loss(reader, tokens.float(), pool, rows, marks)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        tick(1)
        if shop.is_due or step + 1 == recipe.steps:
            shop.save(STATE, {"done": step + 1} | {n: p.state_dict() for n, p in parts.items()})
    return tower.eval(), reader.eval()


def seeing_loss(
    reader: Reader, tokens: torch.Tensor, pool: Pool, rows: torch.Tensor, marks: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of what is known: of every question, of all terms together, of regions at each patch."""
    asked, facts, regions = reader(tokens)
    loss = tokens.new_zeros(())
    for i, logits in enumerate(asked):
        truth = pool.asked[rows, i]
        if bool((truth != UNKNOWN).any()):
            loss = loss + functional.cross_entropy(logits, truth, ignore_index=UNKNOWN) / 4
    truth = pool.facts[rows]
    if bool((known := truth != UNKNOWN).any()):
        loss = loss + functional.binary_cross_entropy_with_logits(facts[known], truth[known].float())
    marked = pool.marked[rows]
    if bool(marked.any()):
        cover = functional.adaptive_avg_pool2d(marks[marked], ACROSS).flatten(2).transpose(1, 2)
        loss = loss + 4 * functional.binary_cross_entropy_with_logits(regions[marked], cover)
    return loss


@torch.no_grad()
def measure_tower(tower: CLIPVisionModel, reader: Reader, pool: Pool, words: Vocabulary) -> dict[str, float]:
    """Share right of what is known of the pool: each question with known answers, and `terms` together."""
    asked, facts, _ = reader(all_patch_tokens(tower, pool.pixels))
    found = {}
    for i, (prompt, _) in enumerate(words.asked):
        known = pool.asked[:, i] != UNKNOWN
        if bool(known.any()):
            found[prompt] = float((asked[i].argmax(-1) == pool.asked[:, i])[known].float().mean())
    known = pool.facts != UNKNOWN
    found["terms"] = float(((facts > 0) == (pool.facts == 1))[known].float().mean())
    return found


@torch.no_grad()
def all_patch_tokens(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """`patch_tokens` of any number of pictures as they are."""
    return torch.cat([patch_tokens(tower, as_input(part)) for part in pixels.split(32)])


@torch.no_grad()
def disturbed_tokens(tower: CLIPVisionModel, pool: Pool, *, views: int, seed: int) -> torch.Tensor:
    """Patch tokens of each picture as it is and of `views - 1` disturbed ones, (pictures, views, patches,
    width)."""
    found = [all_patch_tokens(tower, pool.pixels)]
    for view in range(1, views):
        rng = torch.Generator().manual_seed(seed * 1_000_003 + 500_000 + view)
        parts = []
        for rows in torch.arange(len(pool.names)).split(32):
            inputs, _ = disturbed(pool.pixels[rows], pool.marks[rows], rng)
            parts.append(patch_tokens(tower, inputs))
        found.append(torch.cat(parts))
    return torch.stack(found, dim=1)
