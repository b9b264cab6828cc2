"""Figures that compare architectures: what quality costs, how far back each reads, how it grows with size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from recolab.plots.style import BLUE, RED, colour_of, finish, room, thousands


def costs(table: pl.DataFrame, prices: Sequence[str], metric: str = "ndcg@10", title: str = "") -> Axes:
    """Set quality against several prices at once: a panel for each, a dot with its interval for each model.

    table: columns model, `metric`, `metric`_low, `metric`_high, and the prices, whose names are the axes', units included
    ->  the first panel's axes
    """
    figure, grid = plt.subplots(1, len(prices), sharey=True, squeeze=False, figsize=(2.6 * len(prices) + 2.2, 3.9))
    table = table.sort(metric, descending=True)
    for ax, price in zip(grid[0], prices, strict=True):
        for name, across, up, low, high in table.select(
            "model", price, metric, f"{metric}_low", f"{metric}_high"
        ).iter_rows():
            ax.vlines(across, low, high, color=colour_of(name), linewidth=1.6)
            ax.plot(across, up, "o", markersize=8, color=colour_of(name), label=name)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(thousands())
        ax.xaxis.set_minor_formatter("")
        ax.margins(x=0.15)
        finish(ax, "", price, f"{metric}, with 95 % interval" if ax is grid[0, 0] else "")
    grid[0, -1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9.5)
    figure.suptitle(title, x=0.012, ha="left")
    first: Axes = grid[0, 0]
    return first


def reach(shares: Mapping[str, ArrayLike], title: str = "", ax: Axes | None = None) -> Axes:
    """Show how far back each model reads: the share of its answer that hangs on each visit, newest first.

    shares: model -> (T,) shares that sum to 1
    """
    ax = room(ax)
    for name, share in shares.items():
        values = np.asarray(share, float)
        ax.plot(np.arange(len(values)), values, "o-", markersize=4, color=colour_of(name), label=name)
    ax.set_yscale("log")
    ax.legend()
    return finish(ax, title, "visits back from the newest", "share of the answer that hangs on it")


def scaling(
    table: pl.DataFrame,
    curves: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]],
    metric: str = "ndcg@10",
    title: str = "",
) -> Axes:
    """Show quality along each size in a panel of its own, with the fitted curve where there is one.

    table: columns axis, size, `metric`, a row for each seed    curves: axis -> sizes (n,) to scores (n,)
    ->  the first panel's axes
    """
    axes = table["axis"].unique(maintain_order=True).to_list()
    _, grid = plt.subplots(2, -(-len(axes) // 2), sharey=True, squeeze=False, figsize=(7.6, 5.6))
    for ax, name in zip(grid.flat, axes, strict=False):
        one = table.filter(pl.col("axis") == name)
        sizes = one["size"].to_numpy()
        means = one.group_by("size").agg(pl.col(metric).mean()).sort("size")
        ax.plot(sizes, one[metric], "o", markersize=4, color=BLUE, alpha=0.35)
        ax.plot(means["size"], means[metric], "o", markersize=7, color=BLUE)
        if name in curves:
            between = np.geomspace(sizes.min(), sizes.max(), 100)
            ax.plot(between, curves[name](between), color=RED, linewidth=1.5)
        if sizes.min() > 0:
            ax.set_xscale("log")
        ax.set_xticks(means["size"], [f"{size:,.10g}" for size in means["size"]], fontsize=9)
        ax.xaxis.set_minor_formatter("")
        ax.margins(x=0.1, y=0.15)
        finish(ax, "", name, metric if ax in grid[:, 0] else "", grid="y")
    for ax in list(grid.flat)[len(axes) :]:
        ax.set_visible(False)
    grid[0, 0].figure.suptitle(title, x=0.012, ha="left")
    first: Axes = grid[0, 0]
    return first
