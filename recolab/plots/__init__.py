"""One function for each kind of figure: a table comes in, axes go out, the title states the finding."""

from recolab.plots.architectures import costs, reach, scaling
from recolab.plots.attention import attention_map, curves
from recolab.plots.benchmarks import by_the_clock, by_week, ladder, prices
from recolab.plots.data import activity, basket_gap, drop_report, history_lengths, long_tail
from recolab.plots.feedback import coverages, verdicts
from recolab.plots.live import drift, latencies, memory, trade_off
from recolab.plots.loop import policy_days, policy_paths
from recolab.plots.results import leaderboard, lift, loss_curve, weights
from recolab.plots.style import MODEL_COLOURS, colour_of, house_style

__all__ = [
    "MODEL_COLOURS",
    "activity",
    "attention_map",
    "basket_gap",
    "by_the_clock",
    "by_week",
    "colour_of",
    "costs",
    "coverages",
    "curves",
    "drift",
    "drop_report",
    "history_lengths",
    "house_style",
    "ladder",
    "latencies",
    "leaderboard",
    "lift",
    "long_tail",
    "loss_curve",
    "memory",
    "policy_days",
    "policy_paths",
    "prices",
    "reach",
    "scaling",
    "trade_off",
    "verdicts",
    "weights",
]
