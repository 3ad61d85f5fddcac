"""BLEU, ROUGE-L and METEOR against values worked by hand, and BLEU against sacrebleu's own."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from zoo.errors import BadInput
from zoo.evaluation.metrics import _library, _wordnet, wording
from zoo.evaluation.metrics.wording import bleu, bleu_of, bleu_statistics, mean_of_orders, meteor, rouge_l
from zoo.records import Prediction

REPORTS = [
    ("There is a small cyst in the left kidney.", "There is a small cyst in the right kidney."),
    ("The lungs are clear.", "The heart is large. The lungs are clear, with no effusion."),
    ("A mass", "A large mass in the upper lobe of the left lung."),
]


def sums(reports: list[tuple[str, str]], answer: Callable[..., Prediction]) -> np.ndarray:
    return np.sum([bleu_statistics(answer(text, truth)) for text, truth in reports], axis=0)


def test_bleu_of_one_report_by_hand(answer: Callable[..., Prediction]) -> None:
    """the small cyst | the small round cyst: of 3 words 3 are the truth's, of 2 pairs 1 ("the small"), of 1
    triple none. 3 words against 4: exp(1 - 4/3). BLEU-2 = exp(-1/3) * sqrt(3/3 * 1/2)."""
    found = np.array(bleu_statistics(answer("The small cyst", "the small round cyst")))
    assert found.tolist() == [3, 1, 0, 0, 3, 2, 1, 0, 3, 4]
    short = math.exp(-1 / 3)
    orders = [float(bleu_of(found, order=n)) for n in (1, 2, 3, 4)]
    assert orders == pytest.approx([short, short * math.sqrt(1 / 2), 0.0, 0.0])
    assert float(bleu(found)) == pytest.approx(short * (1 + math.sqrt(1 / 2)) / 4)


def test_bleu_does_not_reward_more_words_than_the_truth_has(answer: Callable[..., Prediction]) -> None:
    """the small round cyst | the small cyst: 3 of 4 words, 1 of 3 pairs; 4 words against 3 cost nothing."""
    found = np.array(bleu_statistics(answer("The small round cyst", "the small cyst")))
    assert float(bleu_of(found, order=1)) == pytest.approx(3 / 4)
    assert float(bleu_of(found, order=2)) == pytest.approx(math.sqrt(3 / 4 * 1 / 3))


def test_bleu_adds_up_over_reports_as_sacrebleu_counts_a_corpus(answer: Callable[..., Prediction]) -> None:
    for order in (1, 2, 3, 4):
        theirs = BLEU(lowercase=True, smooth_method="none", max_ngram_order=order)
        expected = theirs.corpus_score([text for text, _ in REPORTS], [[truth for _, truth in REPORTS]])
        assert expected.score > 10
        assert 100 * float(bleu_of(sums(REPORTS, answer), order=order)) == pytest.approx(expected.score)


def test_the_mean_of_four_is_what_zhu_et_al_print() -> None:
    """Their base on IU-Xray: (38.42 + 13.40 + 4.74 + 1.67) / 4 = 14.5575, printed as 14.56."""
    values = [np.array(value) for value in (38.42, 13.40, 4.74, 1.67)]
    assert float(mean_of_orders(values)) == pytest.approx(14.5575)


def test_bleu_of_no_word_is_zero(answer: Callable[..., Prediction]) -> None:
    assert float(bleu(np.array(bleu_statistics(answer("", "a mass"))))) == 0.0
    assert float(bleu(np.zeros(10))) == 0.0


def test_rouge_l_by_hand(answer: Callable[..., Prediction]) -> None:
    """a cyst in the kidney | the kidney has a cyst: the longest common run of words with gaps is "a cyst" or
    "the kidney", 2 of 5 and 2 of 5. small cyst | a small round cyst: 2 of 2 and 2 of 4, so 2/3."""
    assert rouge_l(answer("The kidney has a cyst.", "A cyst in the kidney")) == pytest.approx(2 / 5)
    assert rouge_l(answer("small cyst", "A small, round cyst")) == pytest.approx(2 / 3)
    assert rouge_l(answer("", "a mass")) == 0.0


def synonyms(**of: list[str]) -> SimpleNamespace:
    """A WordNet of a few words: each word's one synset."""

    def synsets(word: str) -> list[SimpleNamespace]:
        lemmas = [SimpleNamespace(name=lambda name=name: name) for name in of.get(word, [])]
        return [SimpleNamespace(lemmas=lambda: lemmas)]

    return SimpleNamespace(synsets=synsets)


@pytest.mark.parametrize(
    ("text", "truth", "score"),
    [
        # three matches in one chunk: 1 - 0.5 * (1/3)^3
        ("The small cyst.", "the small cyst", 1 - 0.5 / 27),
        # two of two by a synonym, one chunk: 1 - 0.5 * (1/2)^3
        ("big cyst", "huge cyst", 1 - 0.5 / 8),
        # synonyms are looked up by the stem, and that of large is larg: one of two
        ("big cyst", "large cyst", 0.25),
        # by the stem: one match, one chunk: 1 - 0.5
        ("cysts", "cyst", 0.5),
        # one of two either way, F = 0.5, one chunk of one: 0.5 * (1 - 0.5)
        ("small cyst", "round cyst", 0.25),
        # precision 1, recall 1/2: F = 0.5 / (0.9 + 0.1 * 0.5) = 10/19
        ("cyst", "round cyst", 10 / 19 * 0.5),
        # two matches in two chunks: 1 - 0.5 * (2/2)^3
        ("cyst small", "small cyst", 0.5),
        ("mass", "cyst", 0.0),
        ("", "cyst", 0.0),
    ],
)
def test_meteor_by_hand(
    answer: Callable[..., Prediction],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    truth: str,
    score: float,
) -> None:
    monkeypatch.setattr(wording, "wordnet", lambda: synonyms(big=["large", "huge"]))
    assert meteor(answer(text, truth)) == pytest.approx(score)


@pytest.mark.skipif(not (_wordnet.DEBIAN / "data.noun").is_file(), reason="wordnet-base is not installed")
def test_debians_wordnet_serves_as_it_is() -> None:
    found = _wordnet.read_wordnet(_wordnet.DEBIAN)
    assert {lemma.name() for synset in found.synsets("tumour") for lemma in synset.lemmas()} >= {
        "tumor",
        "neoplasm",
    }


@pytest.mark.skipif(not (_wordnet.DEBIAN / "data.noun").is_file(), reason="wordnet-base is not installed")
def test_meteor_by_hand_with_wordnets_synonyms(answer: Callable[..., Prediction]) -> None:
    assert meteor(answer("left tumour", "left neoplasm")) == pytest.approx(1 - 0.5 / 8)
    assert meteor(answer("left tumour", "left kidney")) == pytest.approx(0.25)


@pytest.fixture
def _unread() -> object:
    _wordnet.wordnet.cache_clear()
    yield
    _wordnet.wordnet.cache_clear()


@pytest.mark.usefixtures("_unread")
def test_without_wordnet_meteor_says_what_to_install(
    answer: Callable[..., Prediction], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    with pytest.raises(BadInput, match="METEOR needs WordNet") as missing:
        meteor(answer("a mass", "a cyst"))
    assert "apt-get install wordnet-base wordnet-sense-index" in missing.value.hint
    for name in ("data.noun", "data.verb"):
        (tmp_path / name).write_text("")
    with pytest.raises(BadInput, match=f"WordNet in {tmp_path} is not whole"):
        meteor(answer("a mass", "a cyst"))


def test_without_its_library_a_metric_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(BadInput, match="needs the library sacrebleu") as missing:
        _library.library("sacrebleu")
    assert missing.value.hint == "pip install 'medvlm-zoo[evaluate]'"
