"""The names of tensors in files, held against what transformers itself makes of them."""

import pytest
import torch
import transformers
from transformers import AutoConfig
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import rename_source_key

from zoo.bases import known_base
from zoo.vlm.names import file_name, is_computed, module_name

BASES = ("llava-med-v1.5", "huatuo-vision-7b-hf", "huatuo-vision-7b-qwen2.5vl", "qwen3-vl-4b", "medgemma-4b")


def older(name: str) -> str:
    """As transformers before 4.52 saved it, or 5 does."""
    return file_name(name, "llava").replace("vision_tower.vision_model.", "vision_tower.")


def newer(name: str) -> str:
    """As transformers from 4.52 to 4.57 saved it."""
    return name.replace("model.vision_tower.", "model.vision_tower.vision_model.")


@pytest.mark.parametrize("name", BASES)
def test_a_tensor_goes_where_transformers_puts_it_whatever_form_its_name_has(name: str) -> None:
    config = AutoConfig.for_model(**known_base(name).config)
    with torch.device("meta"):
        model = getattr(transformers, config.architectures[0])(config)
    renamings = get_model_conversion_mapping(model)
    kind = config.model_type
    forms = [lambda one: one, lambda one: file_name(one, kind)]
    if kind in ("llava", "gemma3"):
        forms += [older, newer]
    names = set(model.state_dict())
    for form in forms:
        for one in names:
            there, _ = rename_source_key(
                form(one), renamings, [], model.base_model_prefix, dict.fromkeys(names)
            )
            assert (module_name(form(one), kind), there) == (one, one)


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("llava", "lm_head.weight", "language_model.lm_head.weight"),
        ("llava", "model.language_model.norm.weight", "language_model.model.norm.weight"),
        (
            "gemma3",
            "model.vision_tower.post_layernorm.bias",
            "vision_tower.vision_model.post_layernorm.bias",
        ),
        ("qwen2_5_vl", "model.visual.merger.ln_q.weight", "visual.merger.ln_q.weight"),
        ("qwen2_5_vl", "model.language_model.norm.weight", "model.norm.weight"),
        ("qwen3_vl", "model.language_model.norm.weight", "model.language_model.norm.weight"),
    ],
)
def test_files_are_written_with_the_names_that_every_program_reads(kind: str, name: str, file: str) -> None:
    assert file_name(name, kind) == file


def test_a_name_of_no_known_form_stays_as_it_is() -> None:
    assert module_name("model.mm_projector.0.weight", "llava") == "model.mm_projector.0.weight"
    assert module_name("visual.pos_embed.weight", "qwen3_vl") == "visual.pos_embed.weight"


def test_tables_that_programs_make_by_themselves_are_known_by_their_names() -> None:
    assert is_computed("vision_tower.vision_model.embeddings.position_ids")
    assert is_computed("model.layers.0.self_attn.rotary_emb.inv_freq")
    assert not is_computed("vision_tower.vision_model.embeddings.position_embedding.weight")
