"""Figures that compare architectures: what quality costs, how far back each reads, how it grows with size."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from recolab.plots.style import BLUE, INK, QUIET, RED, colour_of, finish, thousands


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
        _price_axis(ax, table[price].to_numpy())
        ax.tick_params(axis="x", labelsize=8.5)
        finish(ax, "", price, f"{metric}, with 95 % interval" if ax is grid[0, 0] else "")
    grid[0, -1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9.5)
    figure.suptitle(textwrap.fill(title, 72), x=0.012, ha="left")
    first: Axes = grid[0, 0]
    return first


def _price_axis(ax: Axes, prices: NDArray[np.float64]) -> None:
    """Count prices in powers where they are far apart, else from 0, so that nothing looks dear that is not."""
    if prices.max() < 2 * prices.min():
        ax.set_xlim(0, 1.3 * prices.max())
        ax.xaxis.set_major_locator(MaxNLocator(4))
        return
    ax.set_xscale("log")
    # Less than two powers of ten would else be left with a number or none.
    narrow = prices.max() < 50 * prices.min()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    ax.xaxis.set_major_formatter(thousands())
    ax.xaxis.set_minor_formatter("")
    ax.margins(x=0.2)


def reach(shares: Mapping[str, ArrayLike], title: str = "") -> Axes:
    """Show how far back each model reads: a strip for each, a bar for each visit, on one logarithmic scale.

    shares: model -> (T,) shares of its answer that sum to 1, newest visit first; the newest visits that hold half of it
    stand out, and what lies below a hundred-thousandth is not drawn  ->  the first strip's axes
    """
    _, grid = plt.subplots(
        len(shares), 1, sharex=True, sharey=True, squeeze=False, figsize=(7.6, 1.1 + 0.72 * len(shares))
    )
    strips: list[Axes] = list(grid[:, 0])
    for ax, (name, share) in zip(strips, shares.items(), strict=True):
        values = np.asarray(share, float)
        n_half = int(np.searchsorted(np.cumsum(values), 0.5)) + 1
        bars = ax.bar(np.arange(len(values)), values, width=0.74, color=colour_of(name), alpha=0.38)
        for bar in bars[:n_half]:
            bar.set_alpha(1.0)
        ax.set_yscale("log")
        ax.set_ylim(1e-5, 1.6)
        ax.set_yticks([1e-4, 1e-2, 1], ["0.01 %", "1 %", "100 %"], fontsize=8.5)
        ax.yaxis.set_minor_locator(NullLocator())
        half = "half: the newest visit" if n_half == 1 else f"half: the newest {n_half} visits"
        ax.annotate(half, (1, 0.5), (8, 0), "axes fraction", "offset points", va="center", fontsize=9.5, color=INK)
        finish(ax, "", "visits back from the newest" if ax is strips[-1] else "", "", grid="y")
        ax.set_ylabel(name, rotation=0, ha="right", va="center", color=colour_of(name), fontweight="bold")
    strips[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    strips[-1].margins(x=0.01)
    strips[0].figure.supylabel("share of the answer that hangs on a visit", fontsize=10, color=QUIET)
    strips[0].figure.suptitle(textwrap.fill(title, 72), x=0.012, ha="left")
    return strips[0]


def scaling(
    table: pl.DataFrame,
    curves: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]],
    metric: str = "ndcg@10",
    title: str = "",
    log_metric: bool = False,
) -> Axes:
    """Show quality, or a cost, along each size in a panel of its own, with the fitted curve where there is one.

    table: columns axis, size, `metric`, a row for each seed    curves: axis -> sizes (n,) to scores (n,)
    log_metric: count the metric in powers too, so that a power law is a straight line
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
            between = np.geomspace(sizes[sizes > 0].min(), sizes.max(), 100)  # a power of 0 is no number
            ax.plot(between, curves[name](between), color=RED, linewidth=1.5)
        if sizes.min() > 0:
            ax.set_xscale("log")
        if log_metric:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(thousands())
            ax.yaxis.set_minor_locator(NullLocator())
        ax.set_xticks(means["size"], [f"{size:,.10g}" for size in means["size"]], fontsize=9)
        ax.xaxis.set_minor_formatter("")
        ax.margins(x=0.1, y=0.15)
        finish(ax, "", name, metric if ax in grid[:, 0] else "", grid="y")
    for ax in list(grid.flat)[len(axes) :]:
        ax.set_visible(False)
    grid[0, 0].figure.suptitle(textwrap.fill(title, 72), x=0.012, ha="left")
    first: Axes = grid[0, 0]
    return first
