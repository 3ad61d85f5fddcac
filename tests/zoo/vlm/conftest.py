"""The phantom base, loaded once a module, with a few questions; and tiny random bases of every family."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    Gemma3TextConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionConfig,
)

from zoo.asking import Sampling
from zoo.bases import Base, get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.vlm.decode import Row
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.generate import generate
from zoo.vlm.model import VisionLanguageModel, load_base

KINDS = ("llava", "qwen2.5-vl", "qwen3-vl", "qwen3-vl deep", "gemma3", "gemma3 narrow")
SPECIAL = ["<pad>", "<bos>", "<eos>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<|image_pad|>"]
WORDS = [*SPECIAL, *(f"w{number}" for number in range(57))]
TEXT = {
    "vocab_size": len(WORDS),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EYES = {"hidden_size": 16, "intermediate_size": 24}
IMAGE = WORDS.index("<|image_pad|>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}START<|image_pad|>END{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<end_of_turn>{% endfor %}{% if add_generation_prompt %} w1 w2{% endif %}"
)
QWEN_TEMPLATE = TEMPLATE.replace("START", "w3 ").replace("END", " w4 ")


@pytest.fixture
def vlm() -> VisionLanguageModel:
    """The base, bare and fresh: a bank or a LoRA changes it."""
    return load_base(get_base("phantom"))


@pytest.fixture(scope="session")
def questions() -> QuestionSet:
    """24 test questions of all types."""
    return load_questions("phantom", "test", limit=24)


@pytest.fixture
def features(vlm: VisionLanguageModel, questions: QuestionSet) -> Sequence[ImageFeatures]:
    """The questions' features, in their order."""
    return [vlm.encode_images([questions.open_image(q.images[0])]) for q in questions.questions]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of tiny base: `deep` adds image features to every layer, `narrow` has windows of 5 tokens."""
    found: str = request.param
    return found


@pytest.fixture(scope="session")
def load_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., VisionLanguageModel]:
    """Call it with a kind for a fresh random base of three layers with grouped queries, loaded from a folder
    as any base is. Its words are w0 to w56."""
    folders: dict[str, Path] = {}

    def load(kind: str, **settings: Any) -> VisionLanguageModel:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp("tiny")
            _save(kind, folders[kind])
        base = Base(
            name="tiny",
            repo="tiny",
            folder=folders[kind],
            revision="a" * 40,
            family="qwen-vl" if kind.startswith("qwen") else kind.split()[0],
            max_images=3,
            license="",
            about="",
        )
        return load_base(base, device="cpu", **{"dtype": "float32", **settings})

    return load


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Three random pictures of different sizes."""
    rng = np.random.default_rng(0)
    sizes = ((56, 84), (60, 30), (100, 90))
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.fixture(scope="session")
def plain_logits() -> Callable[..., torch.Tensor]:
    """Call it with a tiny base, pictures and token ids for logits `(tokens, vocabulary)` as transformers
    makes them: the whole model's forward of one sequence without padding, from pixels, with eager
    attention."""

    def logits(vlm: VisionLanguageModel, pictures: Sequence[Image.Image], ids: Sequence[int]) -> torch.Tensor:
        vlm.model.model.language_model.set_attn_implementation("eager")
        tokens = torch.tensor([list(ids)])
        inputs = dict(vlm.image_processor(images=list(pictures), return_tensors="pt"))
        inputs.pop("num_crops", None)
        types = {"qwen-vl": "mm_token_type_ids", "gemma3": "token_type_ids"}.get(vlm.base.family)
        if types:
            inputs[types] = (tokens == IMAGE).int()
        mask = torch.ones_like(tokens)
        found: torch.Tensor = vlm.model(
            input_ids=tokens, attention_mask=mask, use_cache=False, **inputs
        ).logits[0]
        return found

    return logits


@pytest.fixture
def check_steps(
    pictures: list[Image.Image], plain_logits: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> Callable[[VisionLanguageModel], None]:
    """Call it with a tiny base to hold the logits behind every token of a batch of unlike rows, whose tokens
    are drawn whatever they are, against those that transformers makes of whole sequences."""

    @torch.no_grad()
    def check(vlm: VisionLanguageModel) -> None:
        monkeypatch.setattr(vlm, "ends", frozenset())
        shown = ([0], [1, 2], [2])
        prompts = ("w1", "w2 w3 w4 w5 w6 w7", "w9 w10")
        rows = [
            Row(vlm.encode_images([pictures[n] for n in numbers]), prompt, sampling=Sampling(max_tokens=8))
            for numbers, prompt in zip(shown, prompts, strict=True)
        ]
        said = torch.randint(len(SPECIAL), len(WORDS), (8, 3), generator=torch.Generator().manual_seed(0))
        found: list[torch.Tensor] = []
        make = vlm.logits

        def logits(hidden: torch.Tensor) -> torch.Tensor:
            found.append(make(hidden))
            return torch.nn.functional.one_hot(said[len(found) - 1], len(WORDS)).float()

        with monkeypatch.context() as patched:
            patched.setattr(vlm, "logits", logits)
            generate(vlm, rows)
        for number, (row, numbers) in enumerate(zip(rows, shown, strict=True)):
            before = vlm.prompt_ids(row.prompt, row.features)
            whole = plain_logits(vlm, [pictures[n] for n in numbers], [*before, *said[:-1, number].tolist()])
            own = torch.stack([step[number] for step in found])
            torch.testing.assert_close(own, whole[len(before) - 1 :], atol=1e-4, rtol=1e-4)

    return check


def _save(kind: str, folder: Path) -> None:
    torch.manual_seed(0)
    build: dict[str, Callable[[], tuple[Any, list[Any]]]] = {
        "llava": _llava,
        "qwen2.5-vl": _qwen25,
        "qwen3-vl": lambda: _qwen3(deep=2),
        "qwen3-vl deep": lambda: _qwen3(deep=3),
        "gemma3": lambda: _gemma3(window=512),
        "gemma3 narrow": lambda: _gemma3(window=5),
    }
    model, parts = build[kind]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=1.5 / parameter[0].numel() ** 0.5)
            else:
                parameter += 0.1 * torch.randn_like(parameter)
        model.get_output_embeddings().weight[IMAGE] = 0  # it says no image tokens
    model.generation_config.repetition_penalty = 1.5  # as checkpoints come with a way to be sampled
    model.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)


def _tokenizer(template: str) -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
        chat_template=template,
    )


def _llava() -> tuple[Any, list[Any]]:
    eyes = CLIPVisionConfig(**EYES, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14)
    config = LlavaConfig(vision_config=eyes, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE)
    square = {"height": 28, "width": 28}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=square, crop_size=square),
        tokenizer=_tokenizer(QWEN_TEMPLATE),
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=QWEN_TEMPLATE,
    )
    return LlavaForConditionalGeneration(config), [processor]


def _qwen25() -> tuple[Any, list[Any]]:
    eyes = {**EYES, "depth": 2, "num_heads": 2, "out_hidden_size": 32, "fullatt_block_indexes": [1]}
    text = {**TEXT, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    config = Qwen2_5_VLConfig(
        vision_config={**eyes, "window_size": 56}, text_config=text, image_token_id=IMAGE
    )
    return Qwen2_5_VLForConditionalGeneration(config), _qwen_parts()


def _qwen3(*, deep: int) -> tuple[Any, list[Any]]:
    eyes = {**EYES, "depth": deep, "num_heads": 2, "out_hidden_size": 32, "patch_size": 14}
    text = {**TEXT, "head_dim": 16, "rope_parameters": {"rope_type": "default", "mrope_section": [4, 2, 2]}}
    config = Qwen3VLConfig(
        vision_config={**eyes, "num_position_embeddings": 16, "deepstack_visual_indexes": list(range(deep))},
        text_config=text,
        image_token_id=IMAGE,
    )
    return Qwen3VLForConditionalGeneration(config), _qwen_parts()


def _qwen_parts() -> list[Any]:
    sizes = {"shortest_edge": 28 * 28 * 2, "longest_edge": 28 * 28 * 12}
    return [_tokenizer(QWEN_TEMPLATE), Qwen2VLImageProcessorPil(size=sizes)]


def _gemma3(*, window: int) -> tuple[Any, list[Any]]:
    eyes = SiglipVisionConfig(**EYES, num_hidden_layers=2, num_attention_heads=2, image_size=42, patch_size=7)
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    text = Gemma3TextConfig(
        **TEXT, head_dim=16, query_pre_attn_scalar=16, sliding_window=window, layer_types=kinds
    )
    config = Gemma3Config(
        vision_config=eyes, text_config=text, mm_tokens_per_image=9, image_token_index=IMAGE
    )
    template = TEMPLATE.replace("START<|image_pad|>END", "<start_of_image>")
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 42, "width": 42}),
        tokenizer=_tokenizer(template),
        image_seq_length=9,
        chat_template=template,
    )
    return Gemma3ForConditionalGeneration(config), [processor]
