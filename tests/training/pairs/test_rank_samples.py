"""Own samples ranked by ROUGE-L against the truth."""

from training.pairs.rank_samples import RankSamples
from training.pairs.step import Draft, Dropped


def test_best_and_worst_by_rouge_l_with_both_scores(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    """F1 of "left zone" (2 of 2, 2 of 3 words): 0.8; of "right upper" (1 of 2, 1 of 3): 0.4; of "brain" 0."""
    tools = make_tools(["right upper", "left zone", "brain", ""])
    (pair,) = RankSamples(n=4).run([make_draft("left upper zone")], tools)
    assert isinstance(pair, Draft)
    assert (pair.chosen, pair.rejected) == ("left zone", "brain")
    assert pair.made_by == {
        "writer": "the policy's own samples",
        "policy": "scripted@0",
        "judge": "ROUGE-L F1 against the truth",
        "samples": 4,
        "temperature": 1.2,
        "top_p": 1.0,
        "scores": {"chosen": 0.8, "rejected": 0.0},
    }


def test_samples_of_equal_score_give_no_pair(make_draft, make_tools) -> None:  # type: ignore[no-untyped-def]
    for said, reason in ((["a left", "left a"], "all samples score the same"), (["", " "], "empty answer")):
        (dropped,) = RankSamples(n=2).run([make_draft("left")], make_tools(said))
        assert isinstance(dropped, Dropped)
        assert dropped.reason == reason
