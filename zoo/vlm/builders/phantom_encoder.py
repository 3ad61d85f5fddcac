"""Builds the phantom base's contrastive encoder: a small CLIP that tells how well a phrase fits a drawn scan.

Its vision tower begins as the base's own, because captions alone teach side and place only slowly; the
tower's last layers, which gather what the patches hold, and the text tower are trained with the sigmoid loss
of Zhai et al. 2023 (arXiv 2303.15343), right and wrong phrases weighing alike. A phrase fits a scan if the
scan's true report states every clinical term of it; so terms of the lexicon that no drawn scan has are
learned as wrong. The same seed on the same machine gives the same weights. It knows no words beyond these.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import nn
from tqdm import tqdm
from transformers import (
    AutoProcessor,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from zoo.bases import Base
from zoo.datasets.phantom import SPLIT_SEEDS
from zoo.lexicon import GROUPS, facts
from zoo.notice import NOTICE
from zoo.phantom import vocabulary as words
from zoo.phantom.questions import report
from zoo.phantom.scans import Finding, Scan, make_scan
from zoo.vlm.builders.phantom_encoder_card import CARD, Told, measure_encoder, whole_phrase
from zoo.vlm.builders.phantom_vision import as_input, draw_pool, vision_config
from zoo.vlm.similarity import load_similarity

_TAUGHT = (
    *("modality", "chest organ", "abdominal organ", "head organ", "limb or skin"),
    *("side", "height", "finding", "abnormality", "size"),
)
"""Groups of the lexicon of which a drawn scan's terms are all known."""
TEXT_WIDTH = 64
LONGEST_PHRASE = 32
START, END, PAD = "<s>", "</s>", "<pad>"


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """The numbers of a build; the defaults are those of the encoder that comes with the package."""

    seed: int = 0
    scans: int = 6_000
    """Scans of the pretrain split that it learns from."""
    steps: int = 800
    batch: int = 64
    """Scans a step."""
    phrases: int = 128
    """Composed phrases a step, half of them right for a scan of the step; single terms are in every step."""
    trained_layers: int = 2
    """Layers of the base's tower that are trained, from the last."""
    learning_rate: float = 2e-3
    """At its peak."""
    threads: int = 1


def terms() -> tuple[str, ...]:
    """Every spelling of the terms of the taught groups."""
    found = [s for group in GROUPS if group.name in _TAUGHT for term in group.terms for s in term]
    return tuple(dict.fromkeys(found))


def composed() -> tuple[str, ...]:
    """Phrases of several terms, as reports and answers have them."""
    findings = [f"{size} {kind}" for size in words.SIZES for kind in words.KINDS]
    found = [*findings, *(f"{zone} zone" for zone in words.ZONES)]
    found += [f"{side} {zone}{end}" for side in words.SIDES for zone in words.ZONES for end in ("", " zone")]
    for organ in words.ORGANS:
        found += [f"{modality} of the {organ}" for modality in words.MODALITIES]
        for place in (words.place(side, organ) for side in words.SIDES):
            found += [place, *(f"{zone} zone of the {place}" for zone in words.ZONES)]
            found += [f"{what} in the {place}" for what in findings]
    found += [
        whole_phrase(Finding(kind=kind, side=side, zone=zone, size=size), organ)
        for kind, side, zone, size, organ in product(
            words.KINDS, words.SIDES, words.ZONES, words.SIZES, words.ORGANS
        )
    ]
    return tuple(found)


def fits(phrases: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
    """Whether each scan's true report states all terms of each phrase, bool (scans, phrases)."""
    stated = [_stated(make_scan(seed)) for seed in seeds]
    wanted = [facts(phrase) for phrase in phrases]
    return torch.tensor([[want <= has for want in wanted] for has in stated])


def _stated(scan: Scan) -> frozenset[tuple[str, str]]:
    return facts(f"{report(scan)} {'Lesion.' if scan.finding else ''}")


def build_encoder(out: Path, base: Base, recipe: EncoderRecipe) -> dict[str, Told]:
    """Build the encoder of `base` into `out`, showing progress; return what `measure_encoder` says of it."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 6])
    seeds = range(SPLIT_SEEDS["pretrain"], SPLIT_SEEDS["pretrain"] + recipe.scans)
    with tqdm(total=recipe.scans, desc="draw scans") as bar:
        pool = draw_pool(seeds, workers=recipe.threads, tick=bar.update)
    phrases = (*terms(), *composed())
    tokenizer = _tokenizer(phrases)
    model = _new_model(base, tokenizer, recipe.trained_layers)
    _train(model, tokenizer, pool.pixels, fits(phrases, seeds), phrases, recipe, rng)
    model.eval().half().save_pretrained(out)
    pictures: Any = AutoProcessor.from_pretrained(str(base.folder)).image_processor
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(out)
    measured = measure_encoder(load_similarity(replace(base, encoder=out)))
    _write_card(out, base, recipe, measured)
    for file in out.iterdir():
        file.chmod(0o644)
    return measured


def _train(
    model: CLIPModel,
    tokenizer: PreTrainedTokenizerFast,
    pixels: torch.Tensor,
    truth: torch.Tensor,
    phrases: Sequence[str],
    recipe: EncoderRecipe,
    rng: np.random.Generator,
) -> None:
    """Train in place on `pixels`, uint8 (scans, rows, columns), and `truth`, bool (scans, phrases)."""
    tokens = tokenizer(list(phrases), padding=True, return_tensors="pt")
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    bias = nn.Parameter(torch.zeros(()))
    parameters = [p for p in (*model.parameters(), bias) if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=recipe.steps, pct_start=0.1
    )
    single, half = len(terms()), recipe.phrases // 2
    for step in (bar := tqdm(range(recipe.steps), desc="learn to match")):
        rows = rng.choice(len(pixels), recipe.batch, replace=False)
        right = np.flatnonzero(truth[rows].any(dim=0).numpy())
        right = rng.choice(right[right >= single], half)
        columns = np.unique([*range(single), *right, *rng.integers(single, len(phrases), half)])
        longest = int(mask[columns].sum(dim=1).max())
        seen = model.get_image_features(pixel_values=as_input(pixels[rows])).pooler_output
        said = model.get_text_features(ids[columns][:, :longest], mask[columns][:, :longest]).pooler_output
        cosines = nn.functional.normalize(seen) @ nn.functional.normalize(said).T
        labels = truth[rows][:, columns]
        each = nn.functional.logsigmoid(
            (model.logit_scale.exp() * cosines + bias) * torch.where(labels, 1.0, -1.0)
        )
        loss = -each[labels].mean() - each[~labels].mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}")


def _new_model(base: Base, tokenizer: PreTrainedTokenizerFast, trained_layers: int) -> CLIPModel:
    """A CLIP with the base's tower, frozen but for its last layers, and a text tower that knows nothing."""
    vocabulary = tokenizer.get_vocab()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": LONGEST_PHRASE,
        "bos_token_id": vocabulary[START],
        "eos_token_id": vocabulary[END],
        "pad_token_id": vocabulary[PAD],
    }
    config = CLIPConfig(
        text_config=text,
        vision_config=vision_config().to_dict(),
        projection_dim=TEXT_WIDTH,
        logit_scale_init_value=math.log(10),
    )
    model = CLIPModel(config)
    whole: Any = LlavaForConditionalGeneration.from_pretrained(str(base.folder), dtype=torch.float32)
    model.vision_model.load_state_dict(whole.model.vision_tower.state_dict())
    tower: Any = model.vision_model
    frozen = tower.encoder.layers[: len(tower.encoder.layers) - trained_layers]
    for part in (tower.embeddings, tower.pre_layrnorm, frozen):
        part.requires_grad_(False)
    model.train()
    return model


def _tokenizer(phrases: Sequence[str]) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer in lower case that puts a start before a phrase and an end after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    reserved = (START, PAD, "<unused>", END)  # CLIPModel looks for the end elsewhere if its id is 2
    special = [AddedToken(token, special=True, normalized=False) for token in reserved]
    tokenizer.train_from_iterator(
        phrases,
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        model_max_length=LONGEST_PHRASE,
    )


def _write_card(out: Path, base: Base, recipe: EncoderRecipe, measured: dict[str, Told]) -> None:
    rows = "\n".join(
        f"| {name} | {t.scans} | {t.within:.1%} | {t.across:.3f} |" for name, t in measured.items()
    )
    numbers = asdict(recipe) | {"notice": NOTICE, "base": base.pinned, "rows": rows}
    (out / "README.md").write_text(CARD.substitute(numbers), encoding="utf-8")
