"""Figures of a closed loop: what becomes of each policy day by day, and where two measures of it part."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from recolab.plots.style import BLUE, GREY, PAPER, RED, End, colour_of, finish, names_at_ends

FEW_DAYS = 10  # each has its mark
# A policy keeps its colour in every figure.
POLICY_COLOURS = {
    "Nightly": GREY,
    "Live": BLUE,
    "Live, exploring": "#6f9fd0",
    "Feedback": RED,
    "Feedback, clicks": "#d09a2f",
    "Live, capped": "#4f8f7b",
    "Live, varied": "#7d689e",
}


def policy_days(
    table: pl.DataFrame, label: str, title: str = "", guarded: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Follow one measure through the days: a line for each policy, its interval over seeds as a band, its name at its end.

    table: columns policy, day, value, low, high (null where one seed ran), as `loop.by_day` gives    label: what is measured
    guarded: policies that are drawn dashed
    """
    ax = _wide(ax)
    ends = []
    for (name,), one in table.sort("day").group_by("policy", maintain_order=True):
        colour = _colour(str(name))
        ax.plot(one["day"], one["value"], "--" if name in guarded else "-", color=colour)
        if one["low"].null_count() == 0:
            ax.fill_between(one["day"], one["low"], one["high"], color=colour, alpha=0.13, linewidth=0)
        ends.append(End(one["day"][-1], one["value"][-1], str(name), colour, bold=False))
    ax.margins(x=0.01)
    days = table["day"].unique().sort().to_list()
    ax.xaxis.set_major_locator(FixedLocator(days) if len(days) <= FEW_DAYS else MaxNLocator(integer=True))
    names_at_ends(ax, ends)
    return finish(ax, title, "day", label, grid="y")


def policy_paths(table: pl.DataFrame, across: str, up: str, title: str = "", ax: Axes | None = None) -> Axes:
    """Show where two measures lead: a path for each policy, a dot for each block of days, a large one at its end.

    table: columns policy, day, `across` and `up`, whose names are the axes'
    """
    ax = _wide(ax)
    ends = []
    for (name,), one in table.sort("day").group_by("policy", maintain_order=True):
        colour = _colour(str(name))
        ax.plot(one[across], one[up], "-o", color=colour, markersize=3.5, linewidth=1.3, alpha=0.75)
        ax.plot(
            one[across][-1], one[up][-1], "o", color=colour, markersize=11, markeredgecolor=PAPER, markeredgewidth=1.4
        )
        ends.append(End(one[across][-1], one[up][-1], str(name), colour, bold=False))
    ax.margins(0.06)
    names_at_ends(ax, ends)
    return finish(ax, title, across, up)


def _wide(ax: Axes | None) -> Axes:
    """Make room for the names beside the lines."""
    return ax if ax is not None else plt.subplots(figsize=(9.2, 4.4))[1]


def _colour(policy: str) -> str:
    return POLICY_COLOURS.get(policy, colour_of(policy))
