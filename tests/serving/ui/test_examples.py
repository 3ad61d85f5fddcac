from serving.ui.examples import ASKED, examples


def test_the_examples_show_different_modalities_and_ask_different_things():
    found = examples()
    assert len(found) == len(ASKED)
    assert len({one.label for one in found}) == len({one.question for one in found}) == len(ASKED)
    assert {one.image.mode for one in found} == {"RGB"}
