"""A base without its weights reads questions as the base does."""

import pytest
from PIL import Image

from tests._stand_ins import REAL, stand_in
from zoo.asking import Turn
from zoo.bases import get_base
from zoo.errors import BadInput
from zoo.vlm.model import load_base, load_outline
from zoo.vlm.weights import target_layers

SIZES = ((64, 64), (300, 120), (97, 401))


@pytest.fixture(scope="module", params=("phantom", *REAL))
def both(request, tmp_path_factory):
    base = get_base("phantom")
    if request.param != "phantom":
        base = stand_in(request.param, tmp_path_factory.getbasetemp() / f"outline-{request.param}")
    return load_base(base, device="cpu"), load_outline(base)


@pytest.mark.parametrize("size", SIZES)
def test_it_reads_a_conversation_as_the_base_with_its_weights_does(both, size):
    image = Image.new("RGB", size, (90, 30, 10))
    talk = (Turn("user", "What is shown?", 1), Turn("assistant", "A scan."), Turn("user", "Of what?"))
    loaded, outline = (one.prompt_ids(talk, one.encode_images([image])) for one in both)
    assert outline == loaded
    assert both[1].response_ids("the left lung") == both[0].response_ids("the left lung")


def test_it_has_the_layers_ends_and_limits_of_the_base_and_no_weights(both):
    loaded, outline = both
    shapes = [{n: tuple(m.weight.shape) for n, m in target_layers(one).items()} for one in both]
    assert shapes[0] == shapes[1]
    assert (outline.ends, outline.unsaid) == (loaded.ends, loaded.unsaid)
    assert {one.device.type for one in outline.model.parameters()} == {"meta"}
    with pytest.raises(BadInput, match="takes for a marker"):
        outline.prompt_ids(
            f"Is {next(iter(outline.tokenizer.all_special_tokens))} there?",
            both[1].encode_images([Image.new("RGB", (64, 64))]),
        )
