"""LLaVA-Med's tokenizer gives the ids that its original code does, from its own file where that is here."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models
from transformers import AutoTokenizer

from tests._originals import tiny_base, tokenizer_model
from tests._real_tokenizers import QWEN2, qwen
from zoo.bases import known_base
from zoo.errors import BadInput
from zoo.model_files import FolderFiles
from zoo.vlm.convert.sentencepiece import read_sentencepiece
from zoo.vlm.convert.tokenizer import make_tokenizer, write_tokenizer
from zoo.vlm.shards import sha256_of


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Of the published file, which the package `mistral-common` carries too."""
    spec = find_spec("mistral_common")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the ids of Mistral's tokenizer are not looked at: mistral-common is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data" / "tokenizer.model.v1"
    base = known_base("llava-med-v1.5")
    assert sha256_of(path) == "dadfd56d766715c61d2ef780a525ab43b8e6da4de6865bda3d95fdef5e134055"
    folder = tmp_path_factory.mktemp("real")
    (folder / "tokenizer.model").symlink_to(path)
    return make_tokenizer(FolderFiles(folder), base, image_token=32000)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("<s>[INST] <image>", [1, 733, 16289, 28793, 28705, 32000]),
        (
            "<s>[INST] <image>\nIs there [/INST]",
            [1, 733, 16289, 28793, 28705, 32000, 28705, 13, 2301, 736, 733, 28748, 16289, 28793],
        ),
        (
            "<s>[INST] <image>\nIs there evidence of an aortic aneurysm? [/INST]",
            [
                *(1, 733, 16289, 28793, 28705, 32000, 28705, 13, 2301, 736, 5566, 302, 396, 264, 419, 294),
                *(396, 7093, 846, 28719, 28804, 733, 28748, 16289, 28793),
            ],
        ),
        ("No </s>", [1770, 28705, 2]),
        ("</s>[INST] No", [2, 733, 16289, 28793, 1770]),
    ],
)
def test_texts_become_the_ids_of_the_original_code(real: Tokenizer, text: str, ids: list[int]) -> None:
    assert real.encode(text, add_special_tokens=False).ids == ids


@pytest.mark.parametrize("text", ["No change.", "a  b", "Größe 3 µm\nfine", "<unused> ½ 肺\x00"])
def test_what_was_encoded_comes_back(real: Tokenizer, text: str) -> None:
    ids = real.encode(text, add_special_tokens=False).ids
    assert real.decode(ids) == text


@pytest.mark.slow
def test_huatuos_real_tokenizer_keeps_its_ids_and_gets_the_images_row(tmp_path: Path) -> None:
    original, base = qwen(QWEN2), known_base("huatuo-vision-7b")
    original.save_pretrained(tmp_path)
    files, made = FolderFiles(tmp_path), tmp_path / "made"
    made.mkdir()
    tokenizer = make_tokenizer(files, base, image_token=151646)
    write_tokenizer(made, tokenizer, files, base, pad_id=151643, longest=4096)
    converted = AutoTokenizer.from_pretrained(made)
    for text in ("<|user|>\nIs there an effusion?\n<|assistant|>\n", "Größe 3 µm 肺\n\n", "No.<|endoftext|>"):
        assert converted(text)["input_ids"] == original(text)["input_ids"]
    assert converted("<image>\nA")["input_ids"] == [151646, 198, 32]


def test_pieces_are_joined_in_the_order_of_their_scores(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(tokenizer_model())
    tokenizer = read_sentencepiece(path)
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    assert tokenizer.encode("the path").tokens == ["▁the", "▁", "p", "a", "th"]
    assert tokenizer.encode("é").tokens == ["▁", "<0xC3>", "<0xA9>"]
    assert tokenizer.encode("a<image>a</s>").tokens == ["▁a", "<image>", "▁a", "</s>"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it holds no pieces"),
        (b"\xff" * 9, "is no tokenizer.model of SentencePiece"),
        (tokenizer_model()[:-7], "is no tokenizer.model of SentencePiece"),
        (tokenizer_model(kind=1), r"are \(1, 1, 1, 0\), and only \(2, 1, 1, 0\) can be converted"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_sentencepiece(path)


def test_a_checkpoint_without_any_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has neither tokenizer\.model nor tokenizer\.json"):
        make_tokenizer(FolderFiles(tmp_path), tiny_base("huatuo-vision-7b"), image_token=257)


def test_a_tokenizer_of_the_right_size_with_other_ids_is_refused(tmp_path: Path) -> None:
    base = known_base("llava-med-v1.5")
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{n}": n for n in range(3, 32000)}}
    Tokenizer(models.WordLevel(words, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadInput, match=r"'\[INST\] ' becomes \[0\]; llava-med-v1.5 was taught with"):
        make_tokenizer(FolderFiles(tmp_path), base, image_token=32000)
