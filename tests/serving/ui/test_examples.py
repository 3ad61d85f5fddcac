from serving.ui.examples import ASKED, examples
from zoo.images import decode


def test_the_examples_show_different_modalities_and_ask_different_things():
    found = examples()
    assert len(found) == len(ASKED)
    assert len({one.label for one in found}) == len({one.question for one in found}) == len(ASKED)
    assert len({decode(one.png).tobytes() for one in found}) == len(ASKED)
    assert all(one.thumbnail.startswith("data:image/png;base64,") for one in found)
