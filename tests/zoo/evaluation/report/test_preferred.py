"""Pictures of people's ratings: what is written on them, and that long names lie over nothing."""

import io

from matplotlib.figure import Figure

from zoo.evaluation.bootstrap import Interval
from zoo.evaluation.preferences import Pair, Strength
from zoo.evaluation.report.preferred import severity_figure, strengths_figure, wins_figure


def written(figure: Figure) -> list[str]:
    """The words in the panels, once it can be drawn."""
    figure.savefig(io.BytesIO(), format="svg")
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def pair(first: str, second: str, lead: Interval) -> Pair:
    whole = Interval(0.5, 0.4, 0.6, lead.n)
    return Pair(first=first, second=second, win=whole, tie=whole, loss=whole, lead=lead, units=lead.n)


def test_strengths_are_told_with_interval_and_n_and_a_missing_one_as_a_dash() -> None:
    found = [
        Strength(adapter="a$b$", share=Interval(0.754, 0.61, 0.852, 30)),
        Strength(adapter="far", share=None, reason="never ranked beside base, nor beside any that was"),
    ]
    figure = strengths_figure({"base": found})
    assert written(figure) == ["75 (61 to 85), n 30", "–"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["base", r"a\$b\$", "far"]
    assert "above or below in all" not in legend(figure)


def test_who_is_above_or_below_in_all_has_an_arrow_at_that_edge() -> None:
    found = [
        Strength(adapter="top", share=None, reason="above in all 12", side="above"),
        Strength(adapter="low", share=None, reason="below in all 9", side="below"),
    ]
    figure = strengths_figure({"base": found})
    assert written(figure) == ["above in all 12", "below in all 9"]
    arrows = {line.get_marker(): line.get_xydata()[0] for line in figure.axes[0].lines}
    assert [list(arrows[edge]) for edge in "><"] == [[98, 1], [2, 2]]
    assert legend(figure)[-1] == "above or below in all"


def test_a_severity_bar_is_parted_as_the_table_from_none_to_severe_and_its_lines_are_explained() -> None:
    def share(value: float) -> Interval:
        return Interval(value, value - 0.05, value + 0.05, 40)

    figure = severity_figure(
        {"base": {"none": share(0.25), "minor": share(0.7), "severe": share(0.05)}, "blind": {}}
    )
    assert written(figure) == ["25", "70", "n 40", "none could be judged"]
    parts = [(round(bar.get_x()), round(bar.get_width())) for bar in figure.axes[0].patches]
    assert parts == [(0, 25), (25, 70), (95, 5)]
    lines = {tuple(line.get_xdata().round()) for line in figure.axes[0].lines}
    assert lines == {(20, 30), (90, 100)}
    lines_words = "95 %: upper line of none, lower of severe, from the right"
    assert legend(figure) == ["none", "minor", "severe", lines_words]


def test_wins_are_told_from_either_side_and_long_names_by_numbers() -> None:
    """A lead of -0.5 (-0.8 to -0.2) is preferred with 0.25 (0.1 to 0.4), and 0.75 from the other side."""
    pairs = [
        pair("base", "sft", Interval(-0.5, -0.8, -0.2, 30)),
        pair("base", "x", Interval(0, -0.2, 0.2, 9)),
    ]
    figure = wins_figure(pairs, ["base", "sft", "x"])
    assert written(figure) == [
        *("25", "10 to 40", "n 30", "75", "60 to 90", "n 30"),
        *("50", "40 to 60", "n 9", "50", "40 to 60", "n 9"),
    ]
    colours = [square.get_facecolor()[:3] for square in figure.axes[0].patches]
    assert colours[0] != colours[1] != colours[2] == colours[3]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["base", "sft", "x"]
    figure = wins_figure(
        [pair("base", "ward/a-long-name", Interval(0, -1, 1, 1))], ["base", "ward/a-long-name"]
    )
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1", "2"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "base  1",
        "ward/a-long-name  2",
    ]
