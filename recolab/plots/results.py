"""Figures of what models are worth: who leads, by how much, at what cost, and how they learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

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
    thousands,
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
        words = f"{value:+.1f} %".replace("-", "−")
        text = ax.annotate(words, (end, row), (shift, 0), textcoords="offset points", ha=side, va="center")
        text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
    ax.axvline(0, color=INK, linewidth=1)
    if target is not None:
        ax.axvline(target, color=RED, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(f"target {target:+g} %", (target, len(table) - 0.45), (4, 0), textcoords="offset points", color=RED)
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(table) - 0.2)
    ax.margins(x=0.3)  # for the words on either side
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


def blend_curve(
    table: pl.DataFrame, x: str = "weight", metric: str = "ndcg@10", title: str = "", ax: Axes | None = None
) -> Axes:
    """Show what a weight is worth: the metric along it, its interval as a band, the best weight marked.

    table: columns `x`, `metric`, and `metric`_low, `metric`_high where there are any
    """
    table = table.sort(x)
    ax = room(ax)
    if f"{metric}_low" in table.columns:
        ax.fill_between(table[x], table[f"{metric}_low"], table[f"{metric}_high"], color=BLUE, alpha=0.14, linewidth=0)
    ax.plot(table[x], table[metric], "o-", markersize=5, color=BLUE)
    best = table.row(int(table[metric].arg_max() or 0), named=True)
    ax.plot(best[x], best[metric], "o", markersize=12, markerfacecolor="none", markeredgecolor=RED, markeredgewidth=1.6)
    ax.annotate(
        f"{best[metric]:.4f} at {best[x]:g}",
        (best[x], best[metric]),
        (0, 13),
        textcoords="offset points",
        color=RED,
        ha="center",
    )
    ax.margins(y=0.2)
    return finish(ax, title, x, metric, grid="y")


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


def tradeoff(
    table: pl.DataFrame, x: str, y: str = "ndcg@10", title: str = "", log_x: bool = False, ax: Axes | None = None
) -> Axes:
    """Show what quality costs: a dot for each model, named beside it, in its own colour.

    table: columns model, `x`, `y`; the columns' names are the axes', units included    log_x: a logarithmic cost
    """
    ax = room(ax)
    table = table.sort(y, descending=True)
    for name, across, up in table.select("model", x, y).iter_rows():
        ax.plot(across, up, "o", markersize=8, color=colour_of(name))
    if log_x:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(thousands())
    ax.margins(x=0.12, y=0.12)
    finish(ax, title, x, y)
    _name_points(ax, table.select("model", x, y).iter_rows())
    return ax


def heatmap(
    matrix: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    label: str = "similarity",
    ax: Axes | None = None,
) -> Axes:
    """Show a small matrix in colour: likeness of items, or where attention goes; paper is zero.

    matrix: (R, C)    rows: R names    columns: C names    label: what a cell measures, unit included
    Raises ValueError when the names do not fit the matrix.
    """
    matrix = np.asarray(matrix, float)
    if matrix.shape != (len(rows), len(columns)):
        raise ValueError(f"matrix is {matrix.shape}, but there are {len(rows)} row and {len(columns)} column names")
    ax = room(ax, height=1.6 + 0.3 * len(rows))
    signed, reach = bool((matrix < 0).any()), float(np.abs(matrix).max()) or 1.0
    colours = LinearSegmentedColormap.from_list("house", [RED, PAPER, BLUE] if signed else [PAPER, BLUE])
    image = ax.imshow(matrix, cmap=colours, vmin=-reach if signed else 0, vmax=reach, aspect="auto")
    ax.set_xticks(np.arange(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(rows)), rows)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
    finish(ax, title, "", "")
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    return ax


def _name_points(ax: Axes, points: Iterable[tuple[Any, ...]]) -> None:
    """Write each name at the first place around its dot that is free, the best dots first."""
    points = list(points)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # pixels are known only after a layout
    dots = [ax.transData.transform((x, y)) for _, x, y in points]
    taken = [Bbox.from_bounds(across - 6, up - 6, 12, 12) for across, up in dots]
    for number, (name, x, y) in enumerate(points):
        others = taken[:number] + taken[number + 1 :]
        text = ax.annotate(name, (x, y), (0, 0), textcoords="offset points", fontsize=9.5)
        taken.append(_settle(text, others, ax.get_window_extent()))


def _settle(text: Annotation, others: list[Bbox], frame: Bbox) -> Bbox:
    """Try places around a dot, the near ones first; where none is free the last one stays."""
    for distance in (8, 20, 34, 50):
        for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            text.set_position((distance * right, distance * up))
            text.set(ha=("center", "left", "right")[right], va=("center", "bottom", "top")[up])
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not box.count_overlaps(others):
                return box
    return box


def _row_names(table: pl.DataFrame) -> list[str]:
    """Name a row by all its text columns."""
    texts: list[list[Any]] = [table[name].to_list() for name, dtype in table.schema.items() if dtype == pl.String]
    return [" · ".join(parts) for parts in zip(*texts, strict=True)]
