import pickle

import pytest

from serving.cluster.told import Told
from serving.cluster.wire import failed, raised
from zoo.asking import Piece
from zoo.errors import BadInput, Busy, EngineFailed, UnknownName


@pytest.mark.parametrize(
    "error",
    [BadInput("no", hint="so", param="image"), Busy("full", after_s=3.0), UnknownName("base", "x", ["y"])],
)
def test_an_error_is_the_same_on_the_other_side(error):
    there = raised(pickle.loads(pickle.dumps(failed(error))))
    assert type(there) is type(error)
    assert vars(there) == vars(error)
    assert (str(there), there.args) == (str(error), (error.message,))


def test_of_an_unforeseen_error_only_the_type_is_sent():
    there = raised(failed(KeyError("SECRET")))
    assert type(there) is EngineFailed
    assert "SECRET" not in str(there)
    assert "KeyError" in str(there)


def test_a_last_piece_without_words_is_told_once():
    told = Told(1)
    assert told.new(Piece(0, "a", 1, None)) == Piece(0, "a", 1, None)
    assert told.new(Piece(0, "", 2, "stop")) == Piece(0, "", 2, "stop")
    told.anew()
    assert told.new(Piece(0, "a", 1, None)) is None
    assert told.new(Piece(0, "", 2, "stop")) is None


def test_an_answer_that_was_over_and_goes_on_elsewhere_is_another():
    told = Told(1)
    told.new(Piece(0, "a", 1, "stop"))
    told.anew()
    with pytest.raises(EngineFailed, match="another one answers otherwise"):
        told.new(Piece(0, "a b", 2, None))
