"""One function for each kind of figure: a table comes in, axes go out, the title states the finding."""

from recolab.plots.architectures import costs, reach, scaling
from recolab.plots.attention import attention_map, curves
from recolab.plots.data import activity, basket_gap, drop_report, history_lengths, long_tail
from recolab.plots.results import blend_curve, heatmap, leaderboard, lift, loss_curve, tradeoff, weights
from recolab.plots.style import MODEL_COLOURS, colour_of, house_style

__all__ = [
    "MODEL_COLOURS",
    "activity",
    "attention_map",
    "basket_gap",
    "blend_curve",
    "colour_of",
    "costs",
    "curves",
    "drop_report",
    "heatmap",
    "history_lengths",
    "house_style",
    "leaderboard",
    "lift",
    "long_tail",
    "loss_curve",
    "reach",
    "scaling",
    "tradeoff",
    "weights",
]
