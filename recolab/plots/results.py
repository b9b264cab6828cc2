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

WIDEST = 2.5  # times what an interval reaches in the middle of its table, another is drawn
LONG_NAME = 44  # signs of a row's name in one line


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
    names = [_in_two_lines(name) for name in _row_names(table)]
    ax = room(ax, height=1.3 + (0.55 if "\n" in "".join(names) else 0.42) * len(table))
    rows, edge = np.arange(len(table))[::-1], _edge(table)
    for row, value, low, high in zip(rows, table["lift"], table["low"], table["high"], strict=True):
        colour = BLUE if low > 0 else RED if high < 0 else GREY
        words = f"{round(value, 1) + 0.0:+.1f} %"  # no minus before 0.0
        if max(-low, high) > edge:
            words += f" ({low:+.0f} to {high:+.0f})"
        ends = _interval(ax, row, low, high, edge, colour)
        ax.plot(value, row, "o", color=colour, markersize=7)
        end, side, shift = (ends[0], "right", -8) if high < 0 else (ends[1], "left", 8)  # away from the zero line
        words = words.replace("-", "−")
        text = ax.annotate(words, (end, row), (shift, 0), textcoords="offset points", ha=side, va="center")
        text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
    ax.axvline(0, color=INK, linewidth=1)
    if target is not None:
        ax.axvline(target, color=RED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(f"target {target:+g} %", (target, len(table) - 0.45), (4, 0), textcoords="offset points", color=RED)
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(table) - 0.2)
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    width = ax.figure.get_size_inches()[0] - 0.085 * longest - 0.3  # type: ignore[union-attr]
    ax.margins(x=max(0.3, 0.8 / max(width - 1.6, 0.8)))  # room for the words on either side, in what long names leave
    return finish(ax, title, "difference to the baseline, % (95 % interval, same users); better →", "", grid="x")


def _interval(ax: Axes, row: int, low: float, high: float, edge: float, colour: str) -> tuple[float, float]:
    """Draw an interval, an arrow where it goes on: the one that knows least shall not press the others together  ->  its drawn ends."""
    ends = max(low, -edge), min(high, edge)
    ax.hlines(row, *ends, color=colour, linewidth=2.2)
    for end, drawn, arrow in zip((low, high), ends, "<>", strict=True):
        if end != drawn:
            ax.plot(drawn, row, arrow, color=colour, markersize=6)
    return ends


def _edge(table: pl.DataFrame) -> float:
    """Say how far intervals are drawn."""
    ends = np.abs(table.select("low", "high").to_numpy()).max(1)
    return WIDEST * float(np.median(ends)) if len(ends) else np.inf


def _in_two_lines(name: str) -> str:
    head, dot, tail = name.rpartition(" · ")
    return f"{head}\n{tail}" if dot and len(name) > LONG_NAME else name


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
