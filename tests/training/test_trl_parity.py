"""Our DPO against TRL's DPOTrainer: the same pairs, images, base and LoRA weights give the same numbers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftConfig, set_peft_model_state_dict
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration
from trl import DPOConfig, DPOTrainer

from tests._losses import loss_of
from tests.benchmarks import _agreement, _llava
from training.grid import Batch, Branch, Scores
from training.objective import Prefer
from zoo.bases import get_base
from zoo.datasets import load_questions
from zoo.records import Question
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.score import score, score_row

BETA = 0.1
DPO = (Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE, beta=BETA),)
BASE = get_base("phantom")
WRONG = ("no", "a bright mass in the left lower field", "it cannot be told", "two")
"""Rejected answers of different lengths, so that rows are padded."""


def branches(
    vlm: VisionLanguageModel,
    lora: TrainableLora,
    questions: Sequence[Question],
    images: Sequence[Image.Image],
) -> dict[Branch, Scores]:
    """The true and the wrong answers scored by our own code; the reference is the base."""
    rows = [
        score_row(vlm, vlm.encode_images([image]), question.prompt, answer)
        for answers in (tuple(question.answer for question in questions), WRONG)
        for question, image, answer in zip(questions, images, answers, strict=True)
    ]
    logps, mask = score(vlm, rows)
    with torch.no_grad(), lora.disabled():
        reference, _ = score(vlm, rows)
    parts = zip(logps.chunk(2), mask.chunk(2), reference.chunk(2), strict=True)
    chosen, rejected = (Scores(*part) for part in parts)
    return {Branch.CHOSEN: chosen, Branch.REJECTED_RESPONSE: rejected}


def trl_trainer(
    folder: Path, lora: PeftConfig, questions: Sequence[Question], images: Sequence[Image.Image]
) -> Any:
    """TRL's trainer on the same base, texts and images, with a new LoRA of the same shape."""
    processor = AutoProcessor.from_pretrained(BASE.folder)
    turns = [[{"type": "image"}, {"type": "text", "text": question.prompt}] for question in questions]
    end = processor.tokenizer.eos_token
    pairs = {
        "prompt": [
            processor.apply_chat_template([{"role": "user", "content": turn}], add_generation_prompt=True)
            for turn in turns
        ],
        "chosen": [question.answer + end for question in questions],
        "rejected": [answer + end for answer in WRONG],
        "images": [[image] for image in images],
    }
    config = DPOConfig(
        output_dir=str(folder),
        beta=BETA,
        max_length=None,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to="none",
    )
    return DPOTrainer(
        model=LlavaForConditionalGeneration.from_pretrained(BASE.folder, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_dict(pairs),
        processing_class=processor,
        peft_config=lora,
    )


def test_dpo_agrees_with_trl_in_loss_rewards_and_gradients(tmp_path: Path) -> None:
    """Four pairs on drawn scans, the phantom base, a LoRA away from its start, beta 0.1, no dropout.

    TRL renders, pads, encodes and scores by its own code, its adapter disabled for the reference; ours is
    `zoo.vlm.score` and the objective of the DPO family. Compared: the mean loss, the mean log-probs, the mean
    rewards beta r(y|m), and the gradient of every LoRA tensor.
    """
    found = load_questions("phantom", "train", limit=len(WRONG))
    images = [found.open_image(question.images[0]).convert("RGB") for question in found.questions]
    vlm = load_base(BASE)
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    weights = {name: tensor + 0.2 * torch.randn_like(tensor) for name, tensor in lora.state().items()}
    lora.restore(weights)
    scored = branches(vlm, lora, found.questions, images)
    ours = loss_of(DPO, Batch(scored)).mean()
    ours.backward()
    lora.save(tmp_path / "adapter")

    config = PeftConfig.from_pretrained(tmp_path / "adapter")
    config.inference_mode = False
    trainer = trl_trainer(tmp_path / "trl", config, found.questions, images)
    set_peft_model_state_dict(trainer.model, weights)
    trainer.model.train()
    batch = trainer.data_collator(list(trainer.train_dataset))
    theirs = trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
    theirs.backward()

    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    assert abs(theirs.item() - 0.6931) > 0.01  # the LoRA is away from its start
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for side, scores in zip(("chosen", "rejected"), scored.values(), strict=True):
        assert scores.logps.sum(1).mean().item() == pytest.approx(metrics[f"logps/{side}"], rel=1e-5)
        reward = BETA * scores.log_ratio().mean().item()
        assert reward == pytest.approx(metrics[f"rewards/{side}"], rel=1e-4, abs=1e-6)
    gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.requires_grad]
    assert len(gradients) == len(lora.parameters) > 0
    for parameter, gradient in zip(lora.parameters, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
        assert gradient.norm() > 0


def test_the_training_core_agrees_with_trl_in_every_token_and_every_gradient(tmp_path: Path) -> None:
    """What training runs, prompts shared and the reference kept, against TRL's two plain sequences a pair, on
    a LLaVA of random weights: four pairs, prompts and responses of different lengths, in float32."""
    shape = _llava.Shape(
        hidden=64,
        layers=3,
        heads=4,
        intermediate=96,
        vocabulary=500,
        vision_hidden=48,
        vision_layers=3,
        vision_heads=4,
        vision_intermediate=64,
        patches=4,
    )
    data = _llava.make_pairs(
        tmp_path / "pairs", pairs=4, prompt_tokens=24, response_tokens=20, vocabulary=shape.vocabulary
    )
    ragged = tuple(
        replace(pair, prompt=pair.prompt[: 60 + 9 * n], chosen=pair.chosen[: 80 - 15 * n])
        for n, pair in enumerate(data.pairs)
    )
    apart = _agreement.compare(shape, replace(data, pairs=ragged), tmp_path / "trl", rank=4)
    assert apart.logps < 1e-4
    assert apart.gradient < 1e-3
    assert apart.loss < 1e-5
