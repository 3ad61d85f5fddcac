"""A checkpoint that is what its base says passes; each thing that is not is told, by name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.zoo.vlm._checked import edit, faults, rewrite
from zoo.bases import Base, declared_bases, known_base
from zoo.checks import Check
from zoo.vlm.builders.stand_in import build_stand_in
from zoo.vlm.checkpoint import check_checkpoint
from zoo.vlm.names import file_name, module_name

BASES = sorted(name for name, base in declared_bases().items() if base.config)
ONE = {
    "llava-med-v1.5": "language_model.model.layers.0.self_attn.q_proj.weight",
    "qwen3-vl-4b": "model.language_model.layers.0.self_attn.q_proj.weight",
}
FAULTS = pytest.mark.parametrize("name", ONE)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def stand_in(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("stand-in") / "model"
            build_stand_in(known_base(name), made[name])
        return made[name]

    return stand_in


@pytest.fixture
def copy(stand_ins: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Call it with a base's name for a stand-in of one's own."""
    return lambda name: Path(shutil.copytree(stand_ins(name), tmp_path / name))


def checked(name: str, source: Path | str, **more: Any) -> dict[str, Check]:
    return {one.name: one for one in check_checkpoint(known_base(name), source, any_size=True, **more)}


@pytest.mark.parametrize("name", BASES)
def test_the_architecture_of_every_base_passes_in_small(name: str, stand_ins: Callable[[str], Path]) -> None:
    checks = checked(name, stand_ins(name))
    assert faults(checks) == []
    assert list(checks) == [
        *("commit", "config", "files", "tensors", "tokens", "template", "ends", "images"),
        *("digests", "licence"),
    ]
    assert {one for one, check in checks.items() if check.unknown} == {"commit", "digests", "licence"}


def test_a_stand_in_is_not_taken_for_the_base_itself(stand_ins: Callable[[str], Path]) -> None:
    found = check_checkpoint(known_base("qwen3-vl-4b"), stand_ins("qwen3-vl-4b"))
    wrong = {one.name: one.faults for one in found if one.faults}
    assert set(wrong) == {"config", "tensors"}
    assert wrong["config"][0].value.startswith("text_config.hidden_size is ")
    assert [fault.what.split(" ", 1)[1] for fault in wrong["tensors"]] == [
        *("tensors missing", "tensors of another shape")
    ]


def test_a_base_that_only_its_own_file_describes_is_of_its_family(stand_ins: Callable[[str], Path]) -> None:
    assert faults(checked("phantom", stand_ins("qwen3-vl-4b"))) == [
        ("config", "a model of another type", "model_type is 'qwen3_vl', declared 'llava'")
    ]


def test_phantom_passes_in_its_own_size_without_being_named() -> None:
    checks = {one.name: one for one in check_checkpoint(known_base("phantom"))}
    assert faults(checks) == []
    assert checks["tensors"].told == "105 as they should be, in F16"


@FAULTS
def test_a_checkpoint_of_another_base_is_told_apart(name: str, stand_ins: Callable[[str], Path]) -> None:
    other = next(one for one in ONE if one != name)
    found = faults(checked(name, stand_ins(other)))
    kinds = {"llava-med-v1.5": "llava", "qwen3-vl-4b": "qwen3_vl"}
    value = f"model_type is {kinds[other]!r}, declared {kinds[name]!r}"
    assert found == [("config", "a model of another type", value)]


@FAULTS
def test_a_missing_tensor_is_named(name: str, copy: Callable[[str], Path]) -> None:
    folder = copy(name)
    rewrite(folder, lambda tensors: {key: one for key, one in tensors.items() if key != ONE[name]})
    expected = module_name(ONE[name], "llava")
    assert faults(checked(name, folder)) == [("tensors", "1 tensor missing", expected)]


@FAULTS
def test_an_unknown_tensor_is_named(name: str, copy: Callable[[str], Path]) -> None:
    folder = copy(name)
    rewrite(
        folder,
        lambda tensors: {**tensors, "extra.a": tensors[ONE[name]] * 2, "extra.b": tensors[ONE[name]] * 3},
    )
    assert faults(checked(name, folder)) == [("tensors", "2 tensors unexpected", "extra.a and 1 more")]


@FAULTS
def test_a_tensor_of_another_shape_is_named_with_both_shapes(name: str, copy: Callable[[str], Path]) -> None:
    folder = copy(name)
    shapes: list[tuple[int, ...]] = []

    def cut(tensors: dict[str, Any]) -> dict[str, Any]:
        shapes.append(tuple(tensors[ONE[name]].shape))
        return {**tensors, ONE[name]: tensors[ONE[name]][1:].clone()}

    rewrite(folder, cut)
    (rows, columns) = shapes[0]
    assert faults(checked(name, folder)) == [
        (
            "tensors",
            "1 tensor of another shape",
            f"{ONE[name]} is {(rows - 1, columns)}, not {(rows, columns)}",
        )
    ]


def test_a_tensor_under_two_names_is_told(copy: Callable[[str], Path]) -> None:
    folder, one = copy("llava-med-v1.5"), ONE["llava-med-v1.5"]
    twin = module_name(one, "llava")
    rewrite(folder, lambda tensors: {**tensors, twin: tensors[one].clone()})
    assert faults(checked("llava-med-v1.5", folder)) == [
        ("tensors", "1 tensor there under two names", f"{one} and {twin}")
    ]


@pytest.mark.parametrize("form", ["modules", "files", "mixed", "mixed newer"])
def test_every_form_of_names_passes(form: str, copy: Callable[[str], Path]) -> None:
    rename: dict[str, Callable[[str], str]] = {
        "modules": lambda one: one,
        "files": lambda one: file_name(one, "gemma3"),
        "mixed": lambda one: file_name(one, "gemma3").replace(".vision_model.", "."),
        "mixed newer": lambda one: one.replace("vision_tower.", "vision_tower.vision_model."),
    }
    folder = copy("medgemma-4b")

    def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
        return {rename[form](module_name(key, "gemma3")): one for key, one in tensors.items()}

    rewrite(folder, renamed)
    assert faults(checked("medgemma-4b", folder)) == []


def test_a_tied_head_may_be_stored_and_tables_that_follow_are_left_out(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen3-vl-4b")
    embedding = "model.language_model.embed_tokens.weight"

    def more(tensors: dict[str, Any]) -> dict[str, Any]:
        head = {"lm_head.weight": tensors[embedding].clone()}
        return {**tensors, **head, "model.language_model.rotary_emb.inv_freq": tensors[embedding][0].clone()}

    rewrite(folder, more)
    checks = checked("qwen3-vl-4b", folder)
    assert faults(checks) == []
    assert checks["tensors"].told == (
        "122 as they should be, in BF16; 1 table that every program makes by itself left out"
    )


def cut_off(folder: Path) -> None:
    path = sorted(folder.glob("*.safetensors"))[0]
    path.write_bytes(path.read_bytes()[:-1])


def pickles(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"x")


def another_end(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=151645)


def another_number(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", text_config=config["text_config"] | {"rms_norm_eps": 1e-5})


def another_activation(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", vision_config=config["vision_config"] | {"hidden_act": "silu"})


def another_mean(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", image_mean=[0.48145466, 0.4578275, 0.40821073])


def no_normalising(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", do_normalize=False)


def another_patch(folder: Path) -> None:
    edit(folder / "preprocessor_config.json", patch_size=14)


def no_image_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def another_template(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace("assistant\n", "assistant:"))


def a_template_beside(folder: Path) -> None:
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "{{ 1 / 0 }}"}))


def a_moved_token(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("151644", "151650"))


def no_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        if path.name != "generation_config.json":
            path.unlink()
    (folder / "chat_template.jinja").unlink()


QWEN: dict[Callable[[Path], None], tuple[str, str, str]] = {
    cut_off: ("files", "a shard is not whole", "the file is cut off"),
    pickles: ("files", "weights that can run code when they are loaded", "pytorch_model.bin"),
    another_end: ("ends", "answers end with other tokens", "<|im_end|> (151645), declared <|endoftext|> (1"),
    another_number: ("config", "config.json says another thing", "text_config.rms_norm_eps is 1e-05"),
    another_activation: ("config", "config.json says another thing", "vision_config.hidden_act is 'silu'"),
    another_mean: ("images", "preprocessor_config.json has another image_mean", "[0.48145466, "),
    no_normalising: ("images", "preprocessor_config.json has another do_normalize", "False, and"),
    another_patch: ("images", "preprocessor_config.json has another patch_size", "14, and the base was"),
    no_image_processor: ("images", "no image processor", "no preprocessor_config.json"),
    another_template: (
        "template",
        "the template is another one",
        r"<|im_start|>assistant:', declared is '|>\n<|im_start|>assistant\n'",
    ),
    a_template_beside: ("template", "the template is another one", "chat_template.json has "),
    a_moved_token: (
        "tokens",
        "a token is not as declared",
        "'<|im_start|>' is token 151650, declared 151644",
    ),
    no_tokenizer: ("tokens", "no tokenizer", "holds no tokenizer"),
}


@pytest.mark.parametrize("spoil", QWEN, ids=lambda one: one.__name__.replace("_", "-"))
def test_each_thing_that_is_not_as_declared_is_told(
    spoil: Callable[[Path], None], copy: Callable[[str], Path]
) -> None:
    folder = copy("qwen3-vl-4b")
    spoil(folder)
    where, what, value = QWEN[spoil]
    found = faults(checked("qwen3-vl-4b", folder))
    assert {one for one, _, _ in found} - {"tensors"} == {where}
    assert any(what in told and value in said for _, told, said in found)


@pytest.mark.parametrize(
    ("file", "said", "where"),
    [
        ("generation_config.json", {"eos_token_id": "x"}, "ends"),
        ("generation_config.json", {"eos_token_id": [[1]]}, "ends"),
        ("preprocessor_config.json", {"patch_size": {"a": [1]}, "image_mean": ["a", "b", "c"]}, "images"),
        ("tokenizer_config.json", {"model_max_length": "x"}, "tokens"),
        ("config.json", {"dtype": []}, "config"),
        ("config.json", {"text_config": {"model_type": "qwen3_vl_text", "head_dim": -1}}, "tensors"),
    ],
)
def test_what_no_library_can_follow_is_a_fault_and_not_the_end_of_the_check(
    file: str, said: dict[str, Any], where: str, copy: Callable[[str], Path]
) -> None:
    folder = copy("qwen3-vl-4b")
    edit(folder / file, **said)
    found = faults(checked("qwen3-vl-4b", folder))
    assert (where, "its files say what cannot be followed") in [one[:2] for one in found]


@pytest.mark.parametrize("card", ["---\n- a\n---\n", "---\nx: [\n---\n"])
def test_a_card_that_cannot_be_read_says_no_licence(card: str, copy: Callable[[str], Path]) -> None:
    folder = copy("qwen3-vl-4b")
    (folder / "README.md").write_text(card)
    checks = checked("qwen3-vl-4b", folder)
    assert faults(checks) == []
    assert checks["licence"].unknown.startswith("the card cannot be read (")


def test_a_token_beyond_the_vocabulary_is_told(copy: Callable[[str], Path]) -> None:
    folder = copy("llava-med-v1.5")
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", text_config=config["text_config"] | {"vocab_size": 32000})
    found = [one for one in faults(checked("llava-med-v1.5", folder)) if one[0] == "tokens"]
    assert found == [("tokens", "a token without a row", "'<image>' is 32000 of 32000 rows")]


def test_another_image_token_than_the_tokenizers_is_told(copy: Callable[[str], Path]) -> None:
    folder = copy("huatuo-vision-7b-hf")
    edit(folder / "config.json", image_token_index=151700)
    assert faults(checked("huatuo-vision-7b-hf", folder)) == [
        ("tokens", "the image token is no token of its own", "151700 in config.json is None to the tokenizer")
    ]


def test_a_tokenizer_that_joins_what_stands_around_an_image_is_told(copy: Callable[[str], Path]) -> None:
    folder = copy("llava-med-v1.5")
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    told["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Metaspace", "replacement": "!", "prepend_scheme": "first", "split": False},
            told["pre_tokenizer"],
        ],
    }
    path.write_text(json.dumps(told))
    found = faults(checked("llava-med-v1.5", folder))
    assert [one[:2] for one in found] == [
        ("tokens", "text behind an image is not read as the base was taught")
    ]


def test_a_stock_template_of_the_bases_that_never_read_it_is_a_note(copy: Callable[[str], Path]) -> None:
    folder = copy("llava-med-v1.5")
    (folder / "chat_template.jinja").write_text("{{ bos_token }}[INST] {{ messages[0].content }} [/INST]")
    checks = checked("llava-med-v1.5", folder)
    assert faults(checks) == []
    assert "not the form that the base was taught" in checks["template"].unknown


def test_without_any_template_the_declared_one_is_used(copy: Callable[[str], Path]) -> None:
    folder = copy("qwen3-vl-4b")
    (folder / "chat_template.jinja").unlink()
    checks = checked("qwen3-vl-4b", folder)
    assert (faults(checks), checks["template"].told) == ([], "it has none; the declared one is used")


def test_published_digests_prove_the_commit_of_a_folder_or_tell_the_file(
    copy: Callable[[str], Path],
) -> None:
    from zoo.bases import file_digests

    folder = copy("qwen3-vl-4b")
    shards = {one: digest for one, digest in file_digests(folder).items() if one.endswith(".safetensors")}
    base = replace(known_base("qwen3-vl-4b"), files=shards)

    def digests(base: Base, **more: Any) -> Check:
        return next(
            one for one in check_checkpoint(base, folder, any_size=True, **more) if one.name == "digests"
        )

    assert digests(base).unknown == f"not made: medzoo bases {base.name} --check {folder} --digests"
    assert digests(base, read_digests=True).told == f"{len(shards)} files are those of {base.pinned}"
    first = min(shards)
    wrong = digests(replace(base, files=shards | {first: "0" * 64}), read_digests=True)
    assert [fault.value for fault in wrong.faults] == [
        f"{first}: sha256 {shards[first]}, published {'0' * 64}"
    ]
