"""Figures of what models are worth: who leads, by how much, at what cost, and how they learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from recolab.plots.style import (
    BLUE,
    GREY,
    INK,
    PAPER,
    QUIET,
    RED,
    colour_of,
    finish,
    headline,
    label_bars,
    room,
)


def leaderboard(table: pl.DataFrame, metric: str = "ndcg@10", title: str = "", ax: Axes | None = None) -> Axes:
    """Rank models by one metric, best on top, with the 95 % interval of each.

    table: columns model, `metric`, `metric`_low, `metric`_high, as `evaluation.leaderboard` gives
    """
    table = table.sort(metric)
    ax = room(ax, height=0.9 + 0.36 * len(table))
    low, high = table[f"{metric}_low"].to_numpy(), table[f"{metric}_high"].to_numpy()
    values, colours = table[metric].to_numpy(), [colour_of(name) for name in table["model"]]
    ax.barh(table["model"].to_list(), values, color=colours, height=0.62)
    ax.hlines(np.arange(len(table)), low, high, color=INK, linewidth=1.4)
    label_bars(ax, high, [f"{value:.4f}" for value in values])
    return finish(ax, title, f"{metric}, with 95 % interval", "", grid="x")


def lift(table: pl.DataFrame, title: str = "", target: float | None = None, ax: Axes | None = None) -> Axes:
    """Show paired differences against zero: what lies wholly right of the line is better, beyond doubt.

    table: text columns that name the row, then lift, low, high, all in percent    target: a second line, in percent
    """
    names = _row_names(table)
    ax = room(ax, height=1.3 + 0.42 * len(table))
    rows = np.arange(len(table))[::-1]
    for row, value, low, high in zip(rows, table["lift"], table["low"], table["high"], strict=True):
        colour = BLUE if low > 0 else RED if high < 0 else GREY
        ax.hlines(row, low, high, color=colour, linewidth=2.2)
        ax.plot(value, row, "o", color=colour, markersize=7)
        end, side, shift = (low, "right", -8) if high < 0 else (high, "left", 8)  # away from the zero line
        words = f"{round(value, 1) + 0.0:+.1f} %".replace("-", "−")  # no minus before 0.0
        text = ax.annotate(words, (end, row), (shift, 0), textcoords="offset points", ha=side, va="center")
        text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
    ax.axvline(0, color=INK, linewidth=1)
    if target is not None:
        ax.axvline(target, color=RED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(f"target {target:+g} %", (target, len(table) - 0.45), (4, 0), textcoords="offset points", color=RED)
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(table) - 0.2)
    width = ax.figure.get_size_inches()[0] - 0.085 * max(map(len, names), default=0) - 0.3  # type: ignore[union-attr]
    ax.margins(x=max(0.3, 0.8 / max(width - 1.6, 0.8)))  # room for the words on either side, in what long names leave
    return finish(ax, title, "difference to the baseline, % (95 % interval, same users); better →", "", grid="x")


def loss_curve(log: Sequence[Mapping[str, float]], metric: str = "ndcg@10", title: str = "") -> Axes:
    """Show learning twice: the training loss, and below it what it was worth on validation, the kept epoch ringed.

    log: one row per epoch, as `training.fit` gives: epoch, loss, and validation where there is one  ->  the upper axes
    """
    table = pl.DataFrame(log)
    judged = "validation" in table.columns
    figure, grid = plt.subplots(1 + judged, 1, sharex=True, squeeze=False, figsize=(7.6, 3.4 + 1.6 * judged))
    upper = grid[0, 0]
    upper.plot(table["epoch"], table["loss"], "o-", markersize=4, color=QUIET)
    finish(upper, "", "" if judged else "epoch", "training loss, nats", grid="y")
    if judged:
        lower, best = grid[1, 0], int(table["validation"].arg_max() or 0)
        lower.plot(table["epoch"], table["validation"], "o-", markersize=4, color=BLUE)
        at = (table["epoch"][best], table["validation"][best])
        lower.plot(*at, "o", markersize=12, markerfacecolor="none", markeredgecolor=RED, markeredgewidth=1.6)
        lower.annotate(f"kept: {at[1]:.4f}", at, (0, 12), textcoords="offset points", color=RED, ha="center")
        lower.margins(y=0.25)
        finish(lower, "", "epoch", f"validation {metric}", grid="y")
    upper.set_xlim(min(table["epoch"]) - 0.5, max(table["epoch"]) + 0.5)
    grid[-1, 0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.align_ylabels()
    headline(upper, title)
    return upper  # type: ignore[no-any-return]


def weights(table: pl.DataFrame, title: str = "", label: str = "weight", ax: Axes | None = None) -> Axes:
    """Show what a blend listens to: one bar for each opinion, to the left where it speaks against.

    table: columns name and weight
    """
    table = table.sort("weight")
    ax = room(ax, height=1.1 + 0.36 * len(table))
    values = table["weight"].to_numpy()
    ax.barh(table["name"].to_list(), values, color=[BLUE if value >= 0 else RED for value in values], height=0.62)
    ax.axvline(0, color=INK, linewidth=1)
    return finish(ax, title, label, "", grid="x")


def _row_names(table: pl.DataFrame) -> list[str]:
    """Name a row by all its text columns."""
    texts: list[list[Any]] = [table[name].to_list() for name, dtype in table.schema.items() if dtype == pl.String]
    return [" · ".join(parts) for parts in zip(*texts, strict=True)]
