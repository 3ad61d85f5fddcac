"""What is declared of the bases: their sizes, prompts, licences and sources."""

import re
from pathlib import Path

import pytest

from zoo.bases import (
    Base,
    bases,
    declared_bases,
    file_digests,
    folder_revision,
    forget_base,
    get_base,
    keep_base,
    known_base,
    prove,
    revision_of,
)
from zoo.bases._kept import kept_path
from zoo.cli._bases_page import prompt
from zoo.errors import BadInput, UnknownName

ONES = list(declared_bases().values())
SIZES = {
    "huatuo-vision-7b": (7_935_646_208, 734),
    "huatuo-vision-7b-hf": (7_935_646_208, 734),
    "huatuo-vision-7b-qwen2.5vl": (8_292_166_656, 729),
    "llava-med++": (8_363_145_216, 686),
    "llava-med-v1.5": (7_566_227_456, 686),
    "medgemma-4b": (4_300_079_472, 884),
    "qwen3-vl-4b": (4_437_815_808, 714),
}
"""Parameters and tensors (a tied head counted), as published or as the published files come to."""
PROMPTS = {
    "huatuo-vision-7b": "<|user|>\n<image>\nWhere?\n<|assistant|>\n",
    "huatuo-vision-7b-hf": "<|user|>\n<image>\nWhere?\n<|assistant|>\n",
    "huatuo-vision-7b-qwen2.5vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Where?<|im_end|>\n<|im_start|>assistant\n",
    "llava-med++": "<|begin_of_text|><|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions.<|eot_id|><|start_header_id|>user<|end_header_id|>"
    "\n\n<image>\nWhere?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "llava-med-v1.5": "<s>[INST] <image>\nWhere? [/INST]",
    "medgemma-4b": "<bos><start_of_turn>user\n<start_of_image>Where?<end_of_turn>\n<start_of_turn>model\n",
    "phantom": "<user><image>Where?<end_of_turn><assistant>",
    "qwen3-vl-4b": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Where?<|im_end|>\n"
    "<|im_start|>assistant\n",
}
SOURCE = re.compile(r"https://\S|pypi\.org/|arXiv \d{4}\.\d{5}|[\w-]+/[\w-]+:\S+@|medzoo |at second hand")
DIGEST = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(autouse=True)
def _nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    bases.cache_clear()
    yield
    bases.cache_clear()


@pytest.mark.parametrize("name", SIZES)
def test_the_declared_architecture_has_the_published_parameters(name: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    base = known_base(name)
    config = AutoConfig.for_model(**base.config)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    found = sum(one.numel() for one in model.parameters())
    assert (found, len(model.state_dict())) == SIZES[name]
    assert base.parameters == found


@pytest.mark.parametrize("base", ONES, ids=lambda base: base.name)
def test_a_base_has_a_full_commit_or_none_and_says_where_a_commit_is_cited(base: Base) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}|", base.revision)
    if base.folder is None:
        assert bool(base.revision) == bool(base.revision_source)
    assert base.revision_source == "" or re.fullmatch(
        r"[\w-]+/[\w-]+:\S+@[0-9a-f]{40}|https://\S+", base.revision_source
    )
    assert all(DIGEST.fullmatch(digest) for digest in base.files.values())


@pytest.mark.parametrize("base", ONES, ids=lambda base: base.name)
def test_every_term_and_every_published_number_has_a_source(base: Base) -> None:
    assert base.terms or base.folder
    for one in (*base.terms, *base.published):
        assert SOURCE.search(one.source), one
    named = [(one.source, one.metric, one.benchmark) for one in base.published]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("name", PROMPTS)
def test_a_question_becomes_the_prompt_that_the_base_was_taught(name: str) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    base = known_base(name)
    assert prompt(base, "Where?") == PROMPTS[name].rstrip("\n")
    if base.template:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where?"}]}
        begin = next((token for token in ("<s>", "<bos>") if token in base.tokens), "")
        (text,), _ = render_jinja_template(
            [[turn]],
            chat_template=base.template,
            add_generation_prompt=True,
            bos_token=begin,
            eos_token="</s>",
        )
        assert text == PROMPTS[name]


def test_medgemma_sets_the_systems_words_apart_by_an_empty_line() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    turns = [
        {"role": "system", "content": [{"type": "text", "text": "You are a radiologist."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where?"}]},
    ]
    (text,), _ = render_jinja_template(
        [turns], chat_template=known_base("medgemma-4b").template, bos_token="<bos>"
    )
    assert text == (
        "<bos><start_of_turn>user\nYou are a radiologist.\n\n<start_of_image>Where?<end_of_turn>\n"
    )


@pytest.mark.parametrize(
    ("name", "said", "next_"),
    [
        (
            "llava-med-v1.5",
            "microsoft/llava-med-v1.5-mistral-7b is in the layout 'llava_mistral', which is to be converted "
            "once",
            "medzoo convert microsoft/llava-med-v1.5-mistral-7b --base llava-med-v1.5 --out FOLDER",
        ),
        (
            "huatuo-vision-7b-qwen2.5vl",
            "no commit of FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL is pinned, so nobody could tell "
            "which model it was",
            "medzoo bases huatuo-vision-7b-qwen2.5vl --pin",
        ),
        (
            "llava-med++",
            "UCSC-VLAA/LLaVA-Med-pp is in the layout 'llava_llama', which is to be converted once, one of "
            "its copies in PathVQA, SLAKE, VQA-RAD",
            "medzoo convert UCSC-VLAA/LLaVA-Med-pp/VQA-RAD --base llava-med++ --out FOLDER",
        ),
    ],
)
def test_a_base_that_cannot_be_loaded_yet_says_what_to_type(name: str, said: str, next_: str) -> None:
    with pytest.raises(BadInput) as refused:
        get_base(name)
    assert (refused.value.message, refused.value.hint) == (said, next_)


def test_of_another_commit_neither_the_digests_nor_the_source_are_known() -> None:
    declared = declared_bases()["llava-med-v1.5"]
    assert declared.files
    kept = keep_base("llava-med-v1.5", revision="b" * 40)
    assert (kept.revision, kept.files, kept.revision_source) == ("b" * 40, {}, "")
    assert keep_base("llava-med-v1.5", revision=declared.revision).files == declared.files
    assert forget_base("llava-med-v1.5") == declared


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "Invalid JSON: "), ('{"phantom": {}}', "phantom.revision Field required")],
)
def test_a_broken_file_of_kept_bases_is_told(text: str, said: str) -> None:
    kept_path().parent.mkdir(parents=True, exist_ok=True)
    kept_path().write_text(text)
    bases.cache_clear()
    with pytest.raises(BadInput, match=re.escape(f"{kept_path()} is broken: {said}")) as told:
        bases()
    assert told.value.hint == f"mend or remove {kept_path()}"


def test_a_folder_whose_files_changed_since_it_was_kept_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    keep_base("qwen3-vl-4b", revision=folder_revision(folder), folder=folder)
    assert get_base("qwen3-vl-4b").folder == folder
    (folder / "model.safetensors").write_bytes(b"more")
    with pytest.raises(BadInput) as refused:
        get_base("qwen3-vl-4b")
    assert (
        refused.value.message
        == f"{folder} is not what was kept as qwen3-vl-4b: model.safetensors has changed since"
    )
    assert refused.value.hint == f"medzoo bases qwen3-vl-4b --at {folder}"


def test_weights_are_a_commit_s_only_if_all_of_them_and_no_other_are_those_published(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors", "tokenizer.model", "config.json"):
        (tmp_path / name).write_text(name)
    found = file_digests(tmp_path)
    assert revision_of(found) == folder_revision(tmp_path)
    published = {name: found[name] for name in ("a.safetensors", "b.safetensors", "tokenizer.model")}
    assert prove(found, published)
    assert not prove(found, {})
    assert not prove(
        {"config.json": found["config.json"]}, {"tokenizer.model": "0" * 64}
    )  # no weights at all
    assert not prove(found, published | {"c.safetensors": "0" * 64})
    assert not prove(found, {name: published[name] for name in ("a.safetensors", "tokenizer.model")})
    assert not prove(found, published | {"tokenizer.model": "0" * 64})
    assert prove({name: found[name] for name in ("a.safetensors", "b.safetensors")}, published)


def test_a_base_is_found_by_its_whole_name_alone() -> None:
    assert known_base("llava-med++").name == "llava-med++"
    with pytest.raises(UnknownName, match=r"llava-med-v1\.5"):
        known_base("llava-med-v1")
