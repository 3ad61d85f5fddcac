import pytest

from serving.ui.browse.boards import boards
from serving.ui.browse.leaderboard import leaderboards_html
from tests.serving.ui._shelf import absent, listing, score


@pytest.fixture
def shelf(make_adapter):
    """Call it with scores by variant for listings of adapters that have them."""
    return lambda **scores: [
        listing(make_adapter(name, variant=name, evaluation=of)) for name, of in scores.items()
    ]


def lines(board):
    return [(row.name, row.value) for row in board.rows]


def test_the_best_stand_first_with_base_and_sft_among_them(shelf):
    sft = score(0.7, over_sft=None)
    (board,) = boards(shelf(mdpo=[score(0.71)], dpo=[score(0.6)], sft=[sft]))
    assert lines(board) == [("mdpo", 0.71), ("sft", 0.7), ("base", 0.62), ("dpo", 0.6)]


def test_an_sft_adapter_that_is_not_here_stands_in_by_what_others_were_set_against(shelf):
    (board,) = boards(shelf(mdpo=[score(0.71)]))
    assert lines(board) == [("mdpo", 0.71), ("SFT, not served here", 0.7), ("base", 0.62)]


def test_an_sft_adapter_here_does_not_pass_for_another_that_others_were_set_against(shelf):
    (board,) = boards(shelf(mdpo=[score(0.71)], sft=[score(0.66, sft_value=0.66)]))
    assert lines(board) == [("mdpo", 0.71), ("SFT, not served here", 0.7), ("sft", 0.66), ("base", 0.62)]


def test_base_and_sft_have_a_row_without_a_value_where_no_manifest_has_one(shelf):
    lone = score(0.71, base_value=None, sft_value=None, over_base=None, over_sft=None)
    (board,) = boards(shelf(mdpo=[lone]))
    assert lines(board) == [("mdpo", 0.71), ("base", None), ("SFT, not served here", None)]
    assert "no manifest has it" in leaderboards_html([board])


def test_bases_that_scored_otherwise_are_told_apart_and_no_line_is_drawn_for_them(shelf):
    (board,) = boards(shelf(mdpo=[score(0.71)], dpo=[score(0.6, base_value=0.61)]))
    assert [one for one in lines(board) if one[0] == "base"] == [("base", 0.62), ("base", 0.61)]
    assert board.base_value is None
    assert "mz-zero" not in leaderboards_html([board])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judge": "llama-3@1"}, "by another judge"),
        ({"split": "val"}, "of another split"),
        ({"fingerprint": "e" * 64}, "of other questions or pictures"),
        ({"precision": "bfloat16"}, "in another precision"),
    ],
)
def test_scores_that_cannot_be_compared_never_share_a_table_and_it_is_said(shelf, changes, said):
    made = boards(shelf(mdpo=[score(0.71)], dpo=[score(0.6, **changes)]))
    assert [[row.name for row in board.rows if row.score] for board in made] in (
        [["mdpo"], ["dpo"]],
        [["dpo"], ["mdpo"]],
    )
    assert [board.apart for board in made] == [(said,), (said,)]
    assert leaderboards_html(made).count(f"there are some {said}.") == 2


def test_adapters_of_two_bases_never_share_a_table(make_adapter):
    other = {"name": "llava", "repo": "x/llava", "revision": "e" * 40}
    made = boards(
        [
            listing(make_adapter("one", variant="mdpo", evaluation=[score(0.71)])),
            listing(make_adapter("two", variant="dpo", evaluation=[score(0.6)], base=other)),
        ]
    )
    assert [board.trial.base for board in made] == ["llava@" + "e" * 40, "phantom@" + "a" * 40]
    assert made[0].apart == ("of another base",)


def test_another_metric_is_another_table_and_not_called_incomparable(shelf):
    made = boards(shelf(mdpo=[score(0.71), score(0.5, metric="bleu"), score(0.4, metric="rouge_l")]))
    assert [(board.measure.metric, board.apart) for board in made] == [
        ("accuracy", ()),
        ("bleu", ()),
        ("rouge_l", ()),
    ]


def test_kinds_of_questions_come_after_all_of_them_and_image_ablations_not_at_all(shelf):
    ablation = score(0.3, shown="noise", own_value=0.71)
    made = boards(shelf(mdpo=[score(0.71), score(0.5, subset="side"), ablation, score(0.9, metric="bleu")]))
    assert [(board.measure.metric, board.measure.subset) for board in made] == [
        ("accuracy", "all"),
        ("bleu", "all"),
        ("accuracy", "side"),
    ]


def test_a_metric_of_which_less_is_better_has_the_least_first(shelf):
    contradiction = {"metric": "contradiction", "judge": "llama-3@1"}
    (board,) = boards(shelf(mdpo=[score(0.3, **contradiction)], dpo=[score(0.1, **contradiction)]))
    assert [row.name for row in board.rows if row.score] == ["dpo", "mdpo"]
    assert "Less is better." in leaderboards_html([board])


def test_a_metric_that_is_not_known_here_is_shown_all_the_same(shelf):
    (board,) = boards(shelf(mdpo=[score(0.71, metric="of_tomorrow")]))
    assert "of_tomorrow · all questions · judge: rules" in leaderboards_html([board])


def test_an_adapter_that_failed_here_or_is_not_here_is_in_no_table(make_adapter):
    failed = listing(make_adapter("mdpo"), state="failed", reason="weights differ")
    assert boards([failed, absent("dpo", "gone")]) == []


def test_a_table_names_benchmark_metric_judge_interval_and_n(shelf):
    judged = score(0.71, metric="judge_accuracy", judge="llama-3@1", failed=3)
    html = leaderboards_html(boards(shelf(mdpo=[judged])))
    assert "<h3>phantom/test " in html
    assert "judge_accuracy · all questions · judge: llama-3@1" in html
    assert "<b>0.710</b> <small>0.660 to 0.760</small>" in html
    assert "<td>500 (3 not judged)</td>" in html


def test_a_difference_whose_interval_holds_zero_is_called_none(shelf):
    html = leaderboards_html(boards(shelf(mdpo=[score(0.71)])))
    assert "<td>no difference <small>(-0.020 to +0.040)</small></td>" in html
    assert "<td>+0.090 <small>(+0.010 to +0.200)</small></td>" in html


def test_a_difference_that_correction_takes_away_says_so(shelf):
    bounds = {"low": 0.01, "high": 0.2, "adjusted_p": 0.3}
    html = leaderboards_html(boards(shelf(mdpo=[score(0.71, over_base=bounds)])))
    assert '<small>(+0.010 to +0.200)</small><small class="mz-note">not after correction</small>' in html


def test_a_drawn_row_says_the_same_in_words(shelf):
    html = leaderboards_html(boards(shelf(mdpo=[score(0.71)])))
    assert 'role="img" aria-label="0.710, interval 0.660 to 0.760, above the base at 0.620"' in html
    # The axis runs from 0.62 to 0.76 and 6 % beyond at both ends.
    assert '<line class="mz-span" x1="30.87%" x2="94.64%" y1="50%" y2="50%"/>' in html
    assert '<line class="mz-zero" x1="5.36%" x2="5.36%" y1="0" y2="100%"/>' in html


def test_the_filter_leaves_base_and_sft_in_every_table(shelf):
    html = leaderboards_html(boards(shelf(mdpo=[score(0.71)], sft=[score(0.7)])))
    assert html.count("data-find") == 1
    assert 'data-find="mdpo mdpo phantom"' in html


def test_words_of_a_manifest_cannot_become_markup(make_adapter):
    bad = '"><img src=x onerror=alert(1)>'
    folder = make_adapter(
        variant=bad, evaluation=[score(0.71, metric=bad, dataset=bad, split=bad, judge=bad)]
    )
    html = leaderboards_html(boards([listing(folder)]))
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
