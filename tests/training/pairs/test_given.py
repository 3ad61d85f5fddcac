"""Pairs as given: the rejected response and the weight come from the data set."""

from training.pairs.given import Given as GivenStep
from training.pairs.step import Draft, Dropped
from training.pairs.weighed import Weighed
from zoo.datasets import Given


def test_the_given_response_and_weight_are_taken_as_they_are(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (pair,) = GivenStep().run(
        [make_draft("left")], make_tools(given={"q/1": Given(rejected="It is right.", weight=0.7)})
    )
    assert isinstance(pair, Draft)
    assert (pair.chosen, pair.rejected, pair.weight) == ("left", "It is right.", 0.7)
    assert pair.made_by == {"writer": "given with some", "weighed_by": "given with some"}


def test_a_missing_weight_stays_missing(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    (pair,) = GivenStep().run([make_draft("left")], make_tools(given={"q/1": Given(rejected="right")}))
    assert isinstance(pair, Draft)
    assert pair.weight is None
    assert pair.made_by == {"writer": "given with some"}


def test_a_question_without_a_given_response_is_dropped(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    draft = make_draft("left")
    assert GivenStep().run([draft], make_tools()) == [Dropped(draft, "no rejected response is given")]


def test_of_given_pairs_those_without_a_weight_are_dropped_where_weights_are_read(
    make_draft, make_tools
) -> None:  # type: ignore[no-untyped-def]
    with_weight, without = make_draft("left").having({}, weight=0.0), make_draft("left")
    assert Weighed().run([with_weight, without], make_tools()) == [
        with_weight,
        Dropped(without, "no weight is given"),
    ]
