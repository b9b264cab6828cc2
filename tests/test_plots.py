"""recolab.plots: every figure says what it measures, and draws the numbers it was given."""

from datetime import datetime, timedelta
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from recolab import plots
from recolab.plots.benchmarks import SYSTEM_COLOURS
from recolab.plots.live import MOST_TIMES
from recolab.plots.loop import POLICY_COLOURS
from recolab.plots.style import PAPER
from recolab.schema import KIND, TIME


@pytest.fixture(autouse=True)
def style():
    plots.house_style()


BOARD = pl.DataFrame(
    {
        "model": ["Popularity", "Hybrid", "Transformer"],
        "ndcg@10": [0.1, 0.3, 0.2],
        "ndcg@10_low": [0.09, 0.28, 0.17],
        "ndcg@10_high": [0.11, 0.33, 0.22],
    }
)
LIFT = pl.DataFrame(
    {
        "task": ["repeats", "repeats", "new"],
        "model": ["Hybrid", "Transformer", "Hybrid"],
        "lift": [12.0, -5.0, 1.0],
        "low": [9.0, -8.0, -2.0],
        "high": [15.0, -2.0, 4.0],
    }
)
LOG = [{"epoch": e, "loss": 3.0 / e, "validation": v} for e, v in zip(range(1, 5), [0.1, 0.3, 0.2, 0.1], strict=True)]
EVENTS = pl.DataFrame(
    {TIME: [datetime(2024, 1, 1), datetime(2024, 1, 1, 9), datetime(2024, 1, 4)], KIND: ["view", "view", "cart"]}
)
DROPPED = pl.DataFrame({"reason": ["bad time", "bot", "kept"], "rows": [30, 0, 970], "share": [0.03, 0.0, 0.97]})
COSTS = BOARD.with_columns(pl.Series("ms per user", [1.0, 100.0, 10.0]), pl.Series("GB", [3.0, 2.0, 1.0]))
SIZES = pl.DataFrame(
    {"axis": ["width"] * 4 + ["depth"] * 2, "size": [8, 8, 64, 64, 0, 1], "ndcg@10": [0.1, 0.2, 0.3, 0.4, 0.1, 0.2]}
)
CURVES = pl.DataFrame({"T": [8, 64, 512], "predicted": [1.0, 8.0, 64.0], "counted": [1.0, 9.0, 60.0]})
CLOCK = pl.DataFrame(
    {
        "system": ["recolab Transformer", "recolab Transformer", "RecBole 1.2", "RecBole 1.2", "recolab Hybrid"],
        "minutes": [1.2, 5.2, 1.3, 5.3, 24.0],
        "ndcg@10": [0.04, 0.05, None, 0.02, 0.07],
    }
)
SEEDS = pl.DataFrame(
    {
        "model": ["Hybrid", "Hybrid", "Popularity"],
        "ndcg@10": [0.3, 0.4, 0.1],
        "ndcg@10_low": [0.28, 0.38, 0.09],
        "ndcg@10_high": [0.33, 0.43, 0.11],
    }
)
PAPERS = pl.DataFrame({"model": ["S3-Rec", "SASRec"], "ndcg@10": [0.5, 0.2]})
DEAR = pl.DataFrame({"system": ["recolab Transformer", "RecTools 0.19"], "s": [4.6, 1890.0], "GB": [0.98, 2.1]})
UPDATED = pl.DataFrame(
    {
        "model": ["frozen", "full retrain"] * 2,
        "week": ["2017-10-02", "2017-10-02", "2017-10-09", "2017-10-09"],
        "ndcg@10": [0.12, 0.13, 0.11, 0.14],
        "ndcg@10_low": [0.11, 0.12, 0.10, 0.13],
        "ndcg@10_high": [0.13, 0.14, 0.12, 0.15],
        "seconds": [0.0, 40.0, 0.0, 41.0],
    }
)
TAKEN = {"list": [1.0] * 98 + [3.0] * 2}  # milliseconds
WIDE = pl.DataFrame(
    {"by": ["mmr", "mmr", "dpp"], "variety": [0.0, 0.4, 0.0], "distance": [0.5, 0.6, 0.5], "ndcg@10": [0.2, 0.19, 0.2]}
)
DRIFTS = pl.DataFrame(
    {
        "until": [datetime(2024, 3, 1), datetime(2024, 3, 15)] * 2,
        "name": ["price", "price", "traffic", "traffic"],
        "statistic": [0.0, 0.2, 0.1, 0.5],
        "threshold": [0.0, 0.1, 0.2, 0.01],
        "is_drifting": [False, True, False, True],
    }
)
SERVED = pl.DataFrame(
    {
        "second": [5.0, 60.0, 120.0, 180.0],
        "resident_mb": [300.0, 310.0, 320.0, 320.0],
        "version": [1, 1, 2, 2],
        "trial": [None, 2, None, 3],
    }
)
RUNS = pl.DataFrame(
    {
        "policy": ["Live", "Live", "Feedback", "Feedback"],
        "day": [5, 10, 5, 10],
        "value": [0.1, 0.2, 0.1, 0.4],
        "low": [0.05, 0.1, None, None],
        "high": [0.15, 0.3, None, None],
    }
)
PATHS = RUNS.select("policy", "day", clicks="value", liking=1 - pl.col("value"))
PROOF = pl.DataFrame(
    {"estimator": ["IPS", "clipped"], "of": ["first place", "list"], "coverage": [0.95, 0.4], "bias": [0.1, -9.0]}
)
LOOKS = pl.DataFrame({"gate": ["a", "a", "b", "b"], "lists": [30, 60] * 2, "declared": [0.0, 0.01, 0.1, 0.4]})
FIGURES = {
    "coverages": lambda **k: plots.coverages(PROOF, **k),
    "memory": lambda **k: plots.memory(SERVED, **k),
    "verdicts": lambda **k: plots.verdicts(LOOKS, 0.05, **k),
    "leaderboard": lambda **k: plots.leaderboard(BOARD, **k),
    "lift": lambda **k: plots.lift(LIFT, **k),
    "loss_curve": lambda **k: plots.loss_curve(LOG, **k),
    "drop_report": lambda **k: plots.drop_report(DROPPED, **k),
    "activity": lambda **k: plots.activity(EVENTS, cuts={"test": datetime(2024, 1, 3)}, **k),
    "long_tail": lambda **k: plots.long_tail([5, 1, 0], **k),
    "history_lengths": lambda **k: plots.history_lengths([1, 5, 100], **k),
    "basket_gap": lambda **k: plots.basket_gap([0.5, 3, 8, 200], **k),
    "attention_map": lambda **k: plots.attention_map([[1, 0], [0.25, 0.75]], ["now", "then"], ["tea", "milk"], **k),
    "curves": lambda **k: plots.curves(CURVES, "T", "seconds", dots=["counted"], log="xy", **k),
    "costs": lambda **k: plots.costs(COSTS, ["ms per user", "GB"], **k),
    "reach": lambda **k: plots.reach({"GRU4Rec": [0.7, 0.2, 0.1], "Caser": [1.0, 0.0, 0.0]}, **k),
    "scaling": lambda **k: plots.scaling(SIZES, {"width": lambda sizes: sizes / 100}, **k),
    "by_the_clock": lambda **k: plots.by_the_clock(CLOCK, {"a paper": 0.06}, **k),
    "ladder": lambda **k: plots.ladder(SEEDS, PAPERS, **k),
    "prices": lambda **k: plots.prices(DEAR, ["s", "GB"], **k),
    "by_week": lambda **k: plots.by_week(UPDATED, **k),
    "latencies": lambda **k: plots.latencies(TAKEN, target=2.0, **k),
    "drift": lambda **k: plots.drift(DRIFTS, **k),
    "trade_off": lambda **k: plots.trade_off(WIDE, "distance", "ndcg@10", "variety", "by", **k),
    "policy_days": lambda **k: plots.policy_days(RUNS, "purchases per list", guarded=["Feedback"], **k),
    "policy_paths": lambda **k: plots.policy_paths(PATHS, "clicks", "liking", **k),
    "weights": lambda **k: plots.weights(pl.DataFrame({"name": ["a", "b"], "weight": [1.0, -0.5]}), **k),
}


def test_a_latency_figure_names_the_median_and_the_slowest_of_a_hundred_and_where_they_should_be():
    ax = plots.latencies(TAKEN, target=2.0)
    [words] = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == "list: half within 1.00, 99 % within 3.00 ms"
    assert [line.get_xdata()[0] for line in ax.lines] == [3.0, 2.0]
    assert sum(bar.get_height() for bar in ax.patches) == 100
    assert texts(ax) == ["target"]


def test_drift_is_drawn_in_alarm_thresholds_and_an_alarm_has_a_large_dot():
    ax = plots.drift(DRIFTS)
    price, price_alarm, traffic, traffic_alarm, line = ax.lines
    assert (list(price.get_ydata()), list(traffic.get_ydata())) == ([0, 2], [0.5, MOST_TIMES])
    assert (list(price_alarm.get_ydata()), list(traffic_alarm.get_ydata())) == ([2], [MOST_TIMES])
    assert price_alarm.get_color() == price.get_color() != traffic.get_color() == traffic_alarm.get_color()
    assert set(line.get_ydata()) == {1}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["price", "traffic"]


def test_who_is_never_updated_has_quality_by_week_and_no_seconds():
    upper = plots.by_week(UPDATED)
    lower = upper.figure.axes[1]
    assert {line.get_label(): line.get_ydata().tolist() for line in upper.lines} == {
        "frozen": [0.12, 0.11],
        "full retrain": [0.13, 0.14],
    }
    assert [line.get_ydata().tolist() for line in lower.lines] == [[40.0, 41.0]]
    assert [band.get_paths()[0].get_extents().ymax for band in upper.collections] == [0.13, 0.15]


def test_a_trade_off_has_a_line_for_each_way_and_its_setting_beside_each_dot():
    ax = plots.trade_off(WIDE, "distance", "ndcg@10", "variety", "by")
    assert [line.get_label() for line in ax.lines] == ["mmr", "dpp"]
    assert texts(ax) == ["0", "0.4", "0"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("distance", "ndcg@10")


def test_each_policy_has_its_line_its_name_at_the_end_and_a_band_where_seeds_give_one():
    ax = plots.policy_days(RUNS, "purchases per list", guarded=["Feedback"])
    live, feedback = ax.lines
    assert (live.get_ydata().tolist(), feedback.get_ydata().tolist()) == ([0.1, 0.2], [0.1, 0.4])
    assert (live.get_linestyle(), feedback.get_linestyle()) == ("-", "--")
    assert [to_hex(line.get_color()) for line in ax.lines] == [POLICY_COLOURS[name] for name in ("Live", "Feedback")]
    [band] = ax.collections
    assert band.get_paths()[0].get_extents().bounds == (5, 0.05, 5, 0.25)
    assert texts(ax) == ["Live", "Feedback"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("day", "purchases per list")


def test_a_path_ends_in_a_large_dot_at_the_last_day():
    ax = plots.policy_paths(PATHS.reverse(), "clicks", "liking")
    assert [line.get_xydata().tolist() for line in ax.lines[::2]] == [
        [[0.1, 0.9], [0.4, 0.6]],
        [[0.1, 0.9], [0.2, 0.8]],
    ]
    assert [line.get_xydata().tolist() for line in ax.lines[1::2]] == [[[0.4, 0.6]], [[0.2, 0.8]]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("clicks", "liking")


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_states_its_finding_and_names_its_axes(name):
    ax = FIGURES[name](title="What was found")
    figure = ax.figure
    assert "What was found" in (figure.get_suptitle(), ax.get_title(loc="left"))
    named = [panel for panel in figure.axes if not panel.images]  # a heatmap's unit stands at its colour bar
    assert named
    assert all(panel.get_xlabel() or panel.get_ylabel() for panel in named)
    assert to_hex(figure.get_facecolor()) == PAPER
    figure.canvas.draw()


def test_every_kind_of_figure_is_tried_here():
    assert set(FIGURES) == set(plots.__all__) - {"MODEL_COLOURS", "colour_of", "house_style"}


@pytest.mark.parametrize(
    "name", sorted(set(FIGURES) - {"loss_curve", "by_week", "costs", "prices", "reach", "scaling"})
)
def test_a_figure_is_drawn_on_the_axes_it_is_given(name):
    _, (left, right) = plt.subplots(1, 2)
    assert FIGURES[name](ax=right, title="Mine") is right
    assert (right.get_title(loc="left"), left.has_data()) == ("Mine", False)


def test_the_best_model_is_on_top_in_its_own_colour():
    ax = plots.leaderboard(BOARD)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Popularity", "Transformer", "Hybrid"]
    assert [bar.get_width() for bar in ax.patches] == [0.1, 0.2, 0.3]
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [
        plots.MODEL_COLOURS[name] for name in ("Popularity", "Transformer", "Hybrid")
    ]
    whiskers = [line[:, 0].tolist() for line in ax.collections[0].get_segments()]
    assert whiskers == [[0.09, 0.11], [0.17, 0.22], [0.28, 0.33]]
    assert texts(ax) == ["0.1000", "0.2000", "0.3000"]


def test_a_variant_has_the_colour_of_its_family_and_a_stranger_always_the_same():
    assert plots.colour_of("Popularity, last 30 days") == plots.MODEL_COLOURS["Popularity, last"]
    assert plots.colour_of("SVD (Surprise)") == plots.MODEL_COLOURS["SVD"]
    assert plots.colour_of("Mine") == plots.colour_of("Mine") == "#8a5a44"
    assert len(set(plots.MODEL_COLOURS.values())) == len(plots.MODEL_COLOURS)


def test_a_lift_is_blue_above_zero_red_below_and_grey_in_doubt():
    ax = plots.lift(LIFT, target=10)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "repeats · Hybrid",
        "repeats · Transformer",
        "new · Hybrid",
    ]
    colours = [to_hex(line.get_color()[0]) for line in ax.collections]
    assert colours == ["#2b5f94", "#c2452d", "#a8a69f"]
    assert texts(ax) == ["+12.0 %", "−5.0 %", "+1.0 %", "target +10 %"]
    assert [line.get_xdata()[0] for line in ax.lines[-2:]] == [0, 10]
    assert [line.get_segments()[0][:, 0].tolist() for line in ax.collections] == [[9, 15], [-8, -2], [-2, 4]]
    assert ax.get_xlabel().endswith("better →")


def test_what_rounds_to_nothing_has_no_minus():
    ax = plots.lift(pl.DataFrame({"model": ["A"], "lift": [-0.04], "low": [-0.2], "high": [0.1]}))
    assert texts(ax) == ["+0.0 %"]


def test_the_words_of_a_loss_stand_left_of_its_interval_and_never_on_the_zero_line():
    close = pl.DataFrame({"model": ["A", "B"], "lift": [-16.0, -40.0], "low": [-28.0, -45.0], "high": [-0.1, -35.0]})
    ax = plots.lift(close)
    ax.figure.draw_without_rendering()
    zero, low = ax.transData.transform([(0, 0), (-28, 0)])[:, 0]
    assert ax.texts[0].get_window_extent().x1 < low < zero
    assert ax.texts[1].get_window_extent().x0 > ax.get_window_extent().x0  # nor on the names of the rows


def test_the_epoch_that_was_kept_is_ringed():
    upper, lower = plots.loss_curve(LOG).figure.axes
    assert list(upper.lines[0].get_ydata()) == [3, 1.5, 1, 0.75]
    assert (list(lower.lines[1].get_xdata()), list(lower.lines[1].get_ydata())) == ([2], [0.3])
    assert texts(lower) == ["kept: 0.3000"]


def test_without_validation_there_is_only_the_loss():
    ax = plots.loss_curve([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}])
    assert ax.figure.axes == [ax]
    assert ax.get_xlabel() == "epoch"


def test_dropped_rows_are_counted_against_all():
    ax = plots.drop_report(DROPPED)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bot", "bad time"]
    assert texts(ax) == ["0", "30  (3.00%)"]
    assert ax.get_xlabel() == "rows dropped, of 1,000 (970 kept)"


def test_what_was_dropped_is_never_called_nothing():
    few = pl.DataFrame({"reason": ["bot", "kept"], "rows": [3, 1_000_000]})
    assert texts(plots.drop_report(few)) == ["3  (<0.01%)"]


def test_kinds_are_drawn_from_seeing_to_buying_whatever_the_order_of_the_log():
    kinds = ["zoom", "purchase", "cart", "view"]
    for shift in range(4):
        rows = kinds[shift:] + kinds[:shift]
        ax = plots.activity(pl.DataFrame({TIME: [datetime(2024, 1, 1)] * 4, KIND: rows}))
        assert [line.get_label() for line in ax.lines] == ["view", "cart", "purchase", "zoom"]


def test_a_day_without_events_is_drawn_as_zero():
    events = EVENTS.with_columns(pl.lit("view").alias(KIND))
    (line,) = plots.activity(events).lines
    assert list(line.get_ydata()) == [2, 0, 0, 1]


def test_impossible_moments_do_not_squeeze_the_log_and_are_counted():
    moments = [datetime(2024, 1, 1) + timedelta(hours=h) for h in range(600)]
    strays = [datetime(1970, 1, 1), datetime(2065, 1, 1)]
    ax = plots.activity(pl.DataFrame({TIME: [*moments, *strays], KIND: "view"}))
    assert texts(ax) == ["2 events lie outside"]
    assert ax.get_xlim()[1] - ax.get_xlim()[0] < 30
    assert texts(plots.activity(pl.DataFrame({TIME: moments, KIND: "view"}))) == []


def test_the_busiest_items_that_hold_half_are_counted():
    ax = plots.long_tail([1, 1, 5, 0, 1, 2])
    assert list(ax.lines[0].get_ydata()) == [5, 2, 1, 1, 1]
    assert texts(ax) == ["1 items (20.0%)\nhold half of all events"]


def test_the_words_of_a_long_tail_do_not_lie_on_its_curve():
    ax = plots.long_tail((30_000 / np.arange(1, 20_000) ** 1.2).round() + 1)
    ax.figure.draw_without_rendering()
    box = ax.texts[0].get_window_extent()
    assert not box.count_contains(ax.transData.transform(ax.lines[0].get_xydata()))


def test_gaps_between_baskets_fall_into_whole_days_and_a_last_bar():
    days = np.repeat([0.2, 1.9, 10.0], [10, 30, 60])
    ax = plots.basket_gap(np.append(days, [500.0]))
    heights = [bar.get_height() for bar in ax.patches]
    assert (heights[0], heights[1], heights[10], sum(heights)) == (10, 30, 61, 101)
    assert texts(ax) == ["median 10.0 days"]


def test_every_history_is_counted_also_the_longest_and_the_shortest():
    ax = plots.history_lengths([1, 1, 7, 100, 100_000])
    assert sum(bar.get_height() for bar in ax.patches) == 5
    assert texts(ax) == ["half have 7 or more"]


def test_bars_of_histories_widen_evenly_so_that_even_lengths_show_no_steps():
    ax = plots.history_lengths(np.arange(1, 2000))
    widths = [bar.get_width() for bar in ax.patches]
    assert widths[:10] == [1, 1, 1, 2, 2, 3, 5, 7, 9, 13]  # between 1 2 3 4 6 8 11 16 23 32 45
    assert widths == sorted(widths)


def test_all_histories_of_one_length_can_be_drawn():
    ax = plots.history_lengths([4, 4, 4])
    assert sum(bar.get_height() for bar in ax.patches) == 3


def test_a_log_of_one_event_can_be_drawn():
    ax = plots.activity(EVENTS.head(1))
    plots.long_tail([1]).figure.canvas.draw()
    plots.basket_gap([0.0]).figure.canvas.draw()
    ax.figure.canvas.draw()
    assert list(ax.lines[0].get_ydata()) == [1]


def test_an_attention_map_names_who_reads_and_writes_each_share_but_not_a_zero():
    ax = plots.attention_map(
        [[1, 0], [0.25, 0.75]], ["now", "then"], ["tea", "WHOLE MILK OF THE VERY BEST COWS"], "Reads"
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["now", "then"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["tea", "WHOLE MILK OF THE VERY …"]
    assert texts(ax) == ["1.00", "0.25", "0.75"]
    assert ax.images[0].get_array().tolist() == [[1, 0], [0.25, 0.75]]
    assert ax.images[0].get_clim() == (0, 1)
    assert ax.figure.axes[-1].get_ylabel() == "share of the reading"


def test_heads_stand_side_by_side_on_one_scale_under_one_finding():
    weights = np.array([[[0.5, 0.5]], [[0.1, 0.9]]])
    ax = plots.attention_map(weights, ["now"], ["tea", "milk"], "Two heads", panels=["head 1", "head 2"])
    left, right, _ = ax.figure.axes
    assert (left.get_xlabel(), right.get_xlabel(), ax.figure.get_suptitle()) == ("head 1", "head 2", "Two heads")
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 0.9)
    with pytest.raises(ValueError, match="2 panels need a figure of their own"):
        plots.attention_map(weights, ["now"], ["tea", "milk"], ax=ax)
    with pytest.raises(ValueError, match=r"\(2, 1, 2\), but there are 3 panel, 1 row and 1 column names"):
        plots.attention_map(weights, ["now"], ["tea"], panels=["a", "b", "c"])


def test_what_was_measured_are_dots_in_the_colour_of_its_line():
    line, dots = plots.curves(CURVES, "T", "seconds", dots=["counted"], log="xy").lines
    assert (line.get_label(), dots.get_label()) == ("predicted", "counted")
    assert (line.get_color(), line.get_linestyle()) == (dots.get_color(), "-")
    assert (dots.get_marker(), list(dots.get_ydata())) == ("o", [1, 9, 60])
    with pytest.raises(ValueError, match="guessed: no such columns; there are T, predicted, counted"):
        plots.curves(CURVES, "T", "seconds", dots=["guessed"])


def test_a_model_has_one_colour_and_one_quality_at_every_price_with_its_interval():
    first = plots.costs(COSTS, ["ms per user", "GB"], title="Dear")
    left, right = first.figure.axes
    assert (first, left.get_xlabel(), right.get_xlabel(), left.get_xscale()) == (left, "ms per user", "GB", "log")
    assert [line.get_xydata().tolist() for line in left.lines] == [[[100.0, 0.3]], [[10.0, 0.2]], [[1.0, 0.1]]]
    assert [line.get_xydata().tolist() for line in right.lines] == [[[2.0, 0.3]], [[1.0, 0.2]], [[3.0, 0.1]]]
    for panel in (left, right):
        colours = [plots.MODEL_COLOURS[name] for name in ("Hybrid", "Transformer", "Popularity")]
        assert [to_hex(line.get_color()) for line in panel.lines] == colours
        ends = [segment[:, 1].tolist() for whisker in panel.collections for segment in whisker.get_segments()]
        assert ends == [[0.28, 0.33], [0.17, 0.22], [0.09, 0.11]]


def test_how_far_back_a_model_reads_is_a_strip_of_bars_in_which_the_first_half_stands_out():
    first = plots.reach({"GRU4Rec": [0.4, 0.3, 0.2, 0.1], "Caser": [1.0, 0.0, 0.0, 0.0]})
    gru, caser = first.figure.axes
    assert [bar.get_height() for bar in gru.patches] == [0.4, 0.3, 0.2, 0.1]
    assert [bar.get_alpha() == 1 for bar in gru.patches] == [True, True, False, False]
    assert {to_hex(bar.get_facecolor()) for bar in caser.patches} == {plots.MODEL_COLOURS["Caser"]}
    assert texts(gru) + texts(caser) == ["half: the newest 2 visits", "half: the newest visit"]
    assert (gru.get_yscale(), gru.get_ylim()) == ("log", caser.get_ylim())


def test_every_seed_and_their_mean_are_drawn_and_the_curve_runs_between_the_sizes():
    first = plots.scaling(SIZES, {"width": lambda sizes: sizes / 100})
    width, depth = first.figure.axes[:2]
    seeds, means, curve = width.lines
    assert list(seeds.get_ydata()) == [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_allclose(means.get_xydata(), [[8, 0.15], [64, 0.35]])
    np.testing.assert_allclose(curve.get_xydata()[[0, -1]], [[8, 0.08], [64, 0.64]])
    assert (width.get_xscale(), depth.get_xscale(), len(depth.lines)) == ("log", "linear", 2)  # 0 blocks have no log


def test_a_curve_begins_at_the_smallest_size_above_0():
    sizes = pl.DataFrame({"axis": ["depth"] * 3, "size": [0, 1, 4], "ndcg@10": [0.1, 0.2, 0.3]})
    curve = plots.scaling(sizes, {"depth": lambda sizes: sizes / 10}).lines[-1]
    np.testing.assert_allclose(curve.get_xdata()[[0, -1]], [1, 4])


def test_prices_that_hardly_differ_are_counted_from_zero():
    near = COSTS.with_columns(pl.Series("GB", [1.05, 1.08, 1.06]))
    left, right = plots.costs(near, ["ms per user", "GB"]).figure.axes
    assert (left.get_xscale(), right.get_xscale(), right.get_xlim()[0]) == ("log", "linear", 0)
    assert right.get_xlim()[1] > 1.08


def test_a_system_without_a_score_yet_has_no_point_and_every_line_bears_its_name():
    ax = plots.by_the_clock(CLOCK, {"a paper": 0.06})
    assert [line.get_xydata().tolist() for line in ax.lines[:3]] == [
        [[1.2, 0.04], [5.2, 0.05]],
        [[5.3, 0.02]],
        [[24, 0.07]],
    ]
    colours = [plots.MODEL_COLOURS["Transformer"], SYSTEM_COLOURS["RecBole"], plots.MODEL_COLOURS["Hybrid"]]
    assert [to_hex(line.get_color()) for line in ax.lines[:3]] == colours
    assert set(texts(ax)) == {"a paper", "recolab Transformer", "RecBole 1.2", "recolab Hybrid"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "5", "10", "25"]
    assert list(ax.lines[3].get_ydata()) == [0.06, 0.06]
    assert (ax.get_xscale(), ax.get_ylim()[0]) == ("log", 0)


def test_names_of_lines_that_end_close_together_do_not_lie_on_each_other():
    close = pl.DataFrame({"system": ["a", "b", "c"], "minutes": [1.0, 1.0, 1.0], "ndcg@10": [0.0500, 0.0501, 0.0502]})
    ax = plots.by_the_clock(close)
    ax.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the line that leads to it
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_two_systems_of_one_maker_differ_in_their_marks():
    two = CLOCK.with_columns(pl.lit("RecTools, ").add(pl.col("system")).alias("system")).drop_nulls()
    lines = plots.by_the_clock(two).lines
    assert [line.get_marker() for line in lines] == ["o", "s", "D"]
    assert len({line.get_color() for line in lines}) == 1


def test_the_ladder_ranks_seeds_means_and_papers_together():
    ax = plots.ladder(SEEDS, PAPERS)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Popularity", "SASRec", "Hybrid", "S3-Rec"]
    seeds = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(seeds[1].get_xydata(), [[0.3, 2 - 0.085], [0.4, 2 + 0.085]])
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D"] == [0.2, 0.5]
    assert ax.lines[-1].get_xdata()[0] == 0.5  # dashed: the highest published
    whiskers = [segment[:, 0].tolist() for segment in ax.collections[1].get_segments()]
    assert whiskers == [[0.28, 0.33], [0.38, 0.43]]


def test_every_price_has_its_bar_and_its_figure():
    first = plots.prices(DEAR, ["s", "GB"])
    left, right = first.figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["recolab Transformer", "RecTools 0.19"]
    assert [bar.get_width() for bar in left.patches] == [4.6, 1890.0]
    assert texts(left) + texts(right) == ["4.6", "1,890", "0.98", "2.1"]
    assert [to_hex(bar.get_facecolor()) for bar in right.patches] == [
        plots.MODEL_COLOURS["Transformer"],
        SYSTEM_COLOURS["RecTools"],
    ]


def test_a_power_law_is_straight_where_costs_are_counted_in_powers_too():
    ax = plots.scaling(SIZES, {"width": lambda sizes: sizes / 100}, log_metric=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_memory_shows_each_trial_and_each_change_of_models():
    ax = plots.memory(SERVED)
    assert [one.get_text() for one in ax.texts] == ["2 on trial", "3 on trial", "2 takes over"]
    assert ax.get_ylim()[0] == 0
    assert ax.lines[0].get_xdata().tolist() == [5 / 60, 1, 2, 3]


def test_an_interval_that_knows_least_is_cut_and_told_in_words():
    names = ["a", "b", "a row of a long name, of more than forty signs · over another"]
    wide = pl.DataFrame({"task": names, "lift": [1.0, 2.0, 8.0], "low": [-1.0, 1.0, -4.0], "high": [3.0, 4.0, 90.0]})
    ax = plots.lift(wide)
    assert [one.get_text() for one in ax.texts] == ["+1.0 %", "+2.0 %", "+8.0 % (−4 to +90)"]
    arrows = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("<", ">")}
    assert arrows == {">": 2.5 * 4}
    assert ax.get_yticklabels()[2].get_text().splitlines() == names[2].split(" · ")
