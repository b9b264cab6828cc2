"""Figures that set recolab beside others: quality by the clock, a ladder of published numbers, and prices of systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from recolab.plots.style import (
    BLUE,
    GREY,
    INK,
    PAPER,
    QUIET,
    RED,
    End,
    colour_of,
    finish,
    headline,
    names_at_ends,
    room,
    thousands,
)

US = "recolab "  # how our systems' names begin; what follows is the model
SYSTEM_COLOURS = {"RecTools": "#d09a2f", "RecBole": "#7d689e"}
UPDATE_COLOURS = {"frozen": GREY, "fine-tuned": "#d09a2f", "fine-tuned with replay": RED, "full retrain": BLUE}
TICKS = (0.25, 0.5, 1, 2, 5, 10, 25, 60)  # minutes
_STYLES = (("-", "o"), ("--", "s"), (":", "D"))  # of one maker's first, second, third system


def by_the_clock(
    table: pl.DataFrame,
    published: Mapping[str, float] | None = None,
    metric: str = "ndcg@10",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Show how good each system is after so many minutes: a line for each, its name at its end; a dot where there is one.

    table: columns system, minutes, `metric`; ours are called "recolab <model>"    published: name -> `metric`, dashed
    """
    ax = ax if ax is not None else plt.subplots(figsize=(9.2, 4.6))[1]  # wide: names stand beside the lines
    ends, drawn = [], list[str]()
    for (name,), one in table.drop_nulls(metric).sort("minutes").group_by("system", maintain_order=True):
        colour = _colour(str(name))
        line, marker = _STYLES[drawn.count(colour) % len(_STYLES)]
        drawn.append(colour)
        ax.plot(one["minutes"], one[metric], line, marker=marker, markersize=6, color=colour)
        ends.append(End(one["minutes"][-1], one[metric][-1], str(name), colour, str(name).startswith(US)))
    ax.set_xscale("log")
    ax.margins(x=0.04, y=0.1)
    ax.set_ylim(bottom=0)
    least, most = ax.get_xlim()
    least = max((tick for tick in TICKS if tick <= table["minutes"].min()), default=least)  # type: ignore[operator]
    ticks = [tick for tick in TICKS if least <= tick <= most]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlim(least, most)
    ax.xaxis.set_minor_locator(NullLocator())
    for name, height in (published or {}).items():
        ax.axhline(height, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(name, (0, height), (4, 3), ("axes fraction", "data"), "offset points", fontsize=9, color=INK)
    names_at_ends(ax, ends)
    return finish(ax, title, "minutes on two cores", metric)


def ladder(
    table: pl.DataFrame, published: pl.DataFrame, metric: str = "ndcg@10", title: str = "", ax: Axes | None = None
) -> Axes:
    """Stand our models among published ones, best on top: a dot with its interval for each seed, a diamond for a paper.

    table: columns model, `metric`, `metric`_low, `metric`_high, a row for each seed    published: columns model, `metric`
    The dashed line is the highest published.
    """
    ours = table.group_by("model").agg(pl.col(metric).mean())
    rungs = pl.concat([ours.with_columns(us=True), published.select("model", metric).with_columns(us=False)])
    rungs = rungs.sort(metric, "model")
    ax = room(ax, height=1.3 + 0.32 * len(rungs))
    for row, (name, mean, us) in enumerate(rungs.iter_rows()):
        if not us:
            ax.plot(mean, row, "D", markersize=6, markerfacecolor=PAPER, markeredgecolor=QUIET, markeredgewidth=1.3)
            continue
        seeds = table.filter(pl.col("model") == name)
        places = row + 0.17 * (np.arange(len(seeds)) - (len(seeds) - 1) / 2)
        ax.hlines(places, seeds[f"{metric}_low"], seeds[f"{metric}_high"], color=colour_of(name), linewidth=1.6)
        ax.plot(seeds[metric], places, "o", markersize=4.5, color=colour_of(name))
    highest = published[metric].max()
    ax.axvline(highest, color=INK, linewidth=1, linestyle=(0, (4, 3)))  # type: ignore[arg-type]
    ax.set_yticks(range(len(rungs)), rungs["model"].to_list())
    for words, us in zip(ax.get_yticklabels(), rungs["us"], strict=True):
        words.set(color=INK if us else QUIET, fontweight="bold" if us else "normal", fontsize=9.5)
    ax.set_ylim(-0.7, len(rungs) - 0.3)
    label = f"{metric}, ours with 95 % interval for each seed; ◇ published"
    return finish(ax, title, label, "", grid="x")


def prices(table: pl.DataFrame, columns: Sequence[str], title: str = "") -> Axes:
    """Set what systems cost beside each other: a panel for each price, a bar for each system, the first on top.

    table: columns system ("recolab <model>" for ours) and the prices, whose names are the axes', units included
    ->  the first panel's axes
    """
    figure, grid = plt.subplots(1, len(columns), sharey=True, squeeze=False, figsize=(7.6, 1.2 + 0.4 * len(table)))
    rows, colours = np.arange(len(table))[::-1], [_colour(name) for name in table["system"]]
    for ax, column in zip(grid[0], columns, strict=True):
        ax.barh(rows, table[column], color=colours, height=0.62)
        for row, value in zip(rows, table[column], strict=True):
            words = f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
            ax.annotate(words, (value, row), (5, 0), textcoords="offset points", va="center", fontsize=9.5)
        ax.margins(x=0.22)
        ax.xaxis.set_major_formatter(thousands())
        finish(ax, "", column, "", grid="x")
    grid[0, 0].set_yticks(rows, table["system"].to_list())
    first: Axes = grid[0, 0]
    if len(columns) > 1:
        figure.suptitle(title, x=0.012, ha="left")
    else:
        headline(first, title)
    return first


def by_week(table: pl.DataFrame, metric: str = "ndcg@10", title: str = "") -> Axes:
    """Follow ways to keep a model up to date week by week: what each is worth, in a band of 95 %, and below it what its update costs.

    table: columns model, week, `metric`, `metric`_low, `metric`_high, seconds; who is never updated has no seconds
    ->  the upper axes
    """
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=(7.6, 5.4), height_ratios=[3, 1.3])
    for (name,), one in table.sort("week").group_by("model", maintain_order=True):
        colour = UPDATE_COLOURS.get(str(name)) or colour_of(str(name))
        weeks, band = one["week"].to_list(), {"alpha": 0.09, "linewidth": 0, "color": colour}
        upper.fill_between(weeks, one[f"{metric}_low"], one[f"{metric}_high"], **band)
        upper.plot(weeks, one[metric], color=colour, label=str(name))
        if (one["seconds"] > 0).all():
            lower.plot(weeks, one["seconds"], "o-", markersize=3.5, linewidth=1.2, color=colour)
    lower.set_yscale("log")
    lower.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    lower.yaxis.set_minor_locator(NullLocator())
    lower.yaxis.set_major_formatter(thousands())
    lower.margins(y=0.25)
    lower.tick_params(axis="x", labelrotation=35)
    upper.legend(ncols=2, fontsize=9.5)
    finish(upper, "", "", metric, grid="y")
    finish(lower, "", "week", "seconds an update", grid="y")
    figure.align_ylabels()
    headline(upper, title)
    return upper  # type: ignore[no-any-return]


def _colour(system: str) -> str:
    """Give a system its maker's colour, and ours that of its model."""
    makers = [colour for maker, colour in SYSTEM_COLOURS.items() if system.startswith(maker)]
    return makers[0] if makers else colour_of(system.removeprefix(US)) if system.startswith(US) else GREY
