"""What training and serving promise, on a GPU as on the CPU. The CPU's part runs with every test run, so that
the GPU's cannot rot; `make gpu` runs that one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.execution import Execution
from training.stages import Job, Sources, run_stages
from training.variants import get_variant
from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.manifest import read_manifest
from zoo.vlm.bank import AdapterBank
from zoo.vlm.decode import Row
from zoo.vlm.generate import generate
from zoo.vlm.gradients import gradient_pass
from zoo.vlm.head import target_logps
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import VisionLanguageModel, load_base
from zoo.vlm.quantised import Quantization
from zoo.vlm.score import ScoreRow, score
from zoo.vlm.shared import SharedRow, predict

RESPONSES = ("There is a nodule in the left upper lobe.", "no")
PRECISIONS: list[tuple[str, Quantization | None]] = [
    ("float32", None),
    ("bfloat16", None),
    ("bfloat16", "4bit"),
    ("bfloat16", "8bit"),
]


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the base is; convolutions of a GPU are not to be rounded to 10 bits meanwhile."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield request.param


@pytest.fixture(scope="module")
def questions() -> QuestionSet:
    """Questions of all types."""
    return load_questions("phantom", "train", limit=24)


def asked(vlm: VisionLanguageModel, questions: QuestionSet) -> list[SharedRow]:
    """Two images, each with a prompt and two responses."""
    rows = []
    for question in questions.questions[:2]:
        features = vlm.encode_images([questions.open_image(question.images[0])])
        responses = [vlm.response_ids(text) for text in RESPONSES]
        rows.append(SharedRow(features, vlm.prompt_ids(question.prompt, features), responses))
    return rows


def policy(device: str, *, dtype: str = "float32", quantize: Quantization | None = None) -> TrainableLora:
    """A base on the device with a LoRA away from zero, the same on every device."""
    lora = TrainableLora(
        load_base(get_base("phantom"), device=device, dtype=dtype, quantize=quantize), LoraSpec(r=4), seed=0
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in lora.parameters:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.05)
    return lora


def scored(
    lora: TrainableLora, questions: QuestionSet, *, shared: bool = True, checkpointing: bool = False
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-probs of all responses, and the LoRA's gradients of a weighted sum of them, on the CPU."""
    rows = asked(lora.vlm, questions)
    with gradient_pass(lora.vlm, checkpointing=checkpointing):
        if shared:
            found = predict(lora.vlm, rows)
            logps = target_logps(lora.vlm, found.hidden, found.targets)
        else:
            each = [ScoreRow(row.features, row.prompt_ids, ids) for row in rows for ids in row.responses]
            padded, mask = score(lora.vlm, each)
            logps = padded[mask]
        assert logps.device.type == lora.vlm.device.type
        total = (logps * torch.linspace(-1, 1, len(logps), device=logps.device)).sum()
        gradients = torch.autograd.grad(total, lora.parameters)
    return logps.detach().cpu(), [gradient.cpu() for gradient in gradients]


def same(
    one: tuple[torch.Tensor, list[torch.Tensor]], other: tuple[torch.Tensor, list[torch.Tensor]]
) -> None:
    """Log-probs within 1e-4 and gradients within 1e-3, relative to their norm."""
    torch.testing.assert_close(one[0], other[0], atol=1e-4, rtol=1e-4)
    for own, theirs in zip(one[1], other[1], strict=True):
        assert (own - theirs).norm() <= 1e-3 * theirs.norm()


def test_a_device_scores_and_differentiates_as_the_cpu(device: str, questions: QuestionSet) -> None:
    same(scored(policy(device), questions), scored(policy("cpu"), questions))


@pytest.mark.parametrize("quantize", [None, "4bit", "8bit"])
def test_a_shared_prompt_is_exact(device: str, quantize: Quantization | None, questions: QuestionSet) -> None:
    lora = policy(device, quantize=quantize)
    same(scored(lora, questions), scored(lora, questions, shared=False))


@pytest.mark.parametrize("quantize", [None, "4bit", "8bit"])
def test_gradient_checkpointing_changes_nothing(
    device: str, quantize: Quantization | None, questions: QuestionSet
) -> None:
    lora = policy(device, quantize=quantize)
    same(scored(lora, questions, checkpointing=True), scored(lora, questions))


@pytest.mark.parametrize(("dtype", "quantize"), PRECISIONS)
def test_an_adapter_trained_in_any_precision_serves_on_the_base_in_float32(
    device: str, dtype: str, quantize: Quantization | None, questions: QuestionSet, tmp_path: Path
) -> None:
    vlm = load_base(get_base("phantom"), device=device, dtype=dtype, quantize=quantize)
    numbers = {"learning_rate": 1e-2, "epochs": 3, "batch_size": 8, "rank": 4}
    job = Job(
        sources=Sources(questions=questions, seed=0),
        seed=0,
        changes=numbers,
        execution=Execution(gradient_checkpointing=True, micro_batch=4),
    )
    manifest = run_stages(vlm, get_variant("sft"), job, tmp_path / "adapter")
    assert (manifest.training.dtype, manifest.training.quantization) == (dtype, quantize or "")
    assert ("bitsandbytes" in manifest.versions) == (quantize is not None)
    assert manifest == read_manifest(tmp_path / "adapter")

    served = load_base(get_base("phantom"), device=device, dtype="float32")
    AdapterBank(served, slots=2, max_rank=4).load(1, tmp_path / "adapter", manifest)
    right = 0
    for question in questions.questions:
        image = served.encode_images([questions.open_image(question.images[0])])
        without, taught = generate(served, [Row(image, question.prompt, slot) for slot in (0, 1)])
        right += (taught.text == question.answer) - (without.text == question.answer)
    assert right > 0, "what was learned does not show on the base in float32"
