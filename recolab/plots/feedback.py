"""Figures of judgement: whether intervals keep their word, and what looking every day does to a verdict."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recolab.plots.style import BLUE, GREY, INK, RED, finish, room

BAND = (0.93, 0.97)  # where the coverage of five hundred 95 % intervals lies


def coverages(table: pl.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how often the intervals of each estimator hold the truth, beside how far off it is on average.

    table: columns estimator, of (what it values), coverage and bias in percent, as `loop.prove_estimates` gives
    """
    ax = room(ax)
    rows = table.reverse()
    names = [f"{name} ({of})" for name, of in rows.select("estimator", "of").iter_rows()]
    ax.axvspan(*BAND, color=GREY, alpha=0.25, linewidth=0)
    least = min(rows["coverage"].to_list())
    kept = rows["coverage"].is_between(*BAND)
    ax.scatter(rows["coverage"], names, s=60, color=[BLUE if one else RED for one in kept], zorder=3)
    for place, (coverage, bias) in enumerate(rows.select("coverage", "bias").iter_rows()):
        said = f"{coverage:.1%}, off by {round(bias, 1) + 0:+.1f} %"
        is_left = coverage < (least + 1) / 2
        ax.annotate(
            said,
            (coverage, place),
            (9 if is_left else -9, 0),
            textcoords="offset points",
            fontsize=9,
            va="center",
            ha="left" if is_left else "right",
            color=INK,
        )
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.margins(x=0.1, y=0.1)
    return finish(ax, title, "95 % intervals that hold the truth", "", grid="x")


def verdicts(table: pl.DataFrame, alpha: float, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how many trials have called a challenger better by each look, a line for each gate; dashed, what was promised.

    table: columns gate, lists, declared (a share), as `loop.prove_gate` gives    alpha: the promised share of false alarms
    """
    ax = room(ax)
    colours = [BLUE, RED]
    for (gate,), one in table.group_by("gate", maintain_order=True):
        colour = colours.pop(0) if colours else INK
        ax.plot(one["lists"], one["declared"], color=colour, label=f"{gate}: {one['declared'][-1]:.1%} at the end")
    ax.axhline(alpha, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate(
        f"promised: {alpha:.0%}",
        (1, alpha),
        (-4, 4),
        ("axes fraction", "data"),
        "offset points",
        fontsize=9,
        ha="right",
    )
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return finish(ax, title, "lists, looked at one by one", "trials that called it better", grid="y")
