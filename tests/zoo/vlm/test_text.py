"""An answer's text in pieces: together they are the whole text, and nothing is said that must be unsaid."""

from collections.abc import Sequence

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from zoo.vlm.text import Text

TEXTS = ("A nodule, 3 cm.", "Ödem ✓ 中文 🫁", "  \n two  spaces \n\n", "ends mid-way: 中")


def byte_by_byte() -> Tokenizer:
    """A tokenizer whose every byte is one token, as the rarest characters are in a byte-level one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: n for n, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def pieces_of(text: str, stop: Sequence[str] = (), *, cut: int = 0) -> list[str]:
    """What is said with each byte of a text, of which the last `cut` never come, and at its end."""
    tokenizer = byte_by_byte()
    ids = tokenizer.encode(text).ids
    saying, pieces = Text(tokenizer.decode, stop), []
    for token in ids[: len(ids) - cut]:
        pieces.append(saying.add(token))
        if saying.ended:
            break
    return [*pieces, saying.rest()]


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_together_are_the_text_without_white_space_around_it(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(pieces) == text.strip()
    assert all("\ufffd" not in piece for piece in pieces)


def test_half_a_character_is_held_back_until_it_is_whole_or_no_more_comes() -> None:
    assert pieces_of("a中b") == ["a", "", "", "中", "b", ""]
    assert pieces_of("a中", cut=1) == ["a", "", "", "\ufffd"]


def test_white_space_is_said_with_what_follows_it_and_never_at_either_end() -> None:
    assert pieces_of(" a \n b ") == ["", "a", "", "", "", " \n b", "", ""]


def test_what_may_begin_a_stop_text_is_held_back_and_said_if_it_does_not() -> None:
    assert pieces_of("a###b", ["##!", "####"]) == ["a", "", "", "", "###b", ""]
    assert pieces_of("a##", ["###"]) == ["a", "", "", "##"]


def test_the_answer_is_cut_before_the_first_stop_text_though_it_spans_pieces() -> None:
    assert pieces_of("one\nUser: two", ["two", "\nUser:"]) == ["o", "n", "e", *[""] * 7]
    assert "".join(pieces_of("aXbY", ["Y", "X"])) == "a"
    assert "".join(pieces_of("STOP", ["STOP"])) == ""


def test_bytes_that_a_tokenizer_reads_anew_are_never_said_twice() -> None:
    """Where bytes fall back to tokens of their own, one byte too few hides the whole characters before it."""
    texts = {1: "a", 2: "a\ufffd", 4: "a中", 5: "a\ufffd\ufffd\ufffd\ufffd", 7: "a中文"}
    saying = Text(lambda ids: texts.get(len(ids), "a\ufffd\ufffd"))
    assert [saying.add(0) for _ in range(7)] == ["a", "", "", "中", "", "", "文"]
    assert saying.rest() == ""
