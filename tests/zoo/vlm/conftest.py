"""The phantom base, loaded once a module, and a few questions with their vision features."""

from collections.abc import Sequence

import pytest

from zoo.bases import get_base
from zoo.datasets import QuestionSet, load_questions
from zoo.vlm.encoded import ImageFeatures
from zoo.vlm.model import VisionLanguageModel, load_base


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
