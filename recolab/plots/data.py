"""Figures of a log before any model sees it: what was dropped, when things happen, how long the tail is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from recolab.plots.style import BLUE, GREY, KIND_COLOURS, PAPER, RED, finish, label_bars, room, thousands
from recolab.schema import KIND, TIME


def drop_report(report: pl.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how many rows each reason cost.

    report: reason, rows, share, as `prepare.clean` gives; its row "kept" is told in words
    """
    total = int(report["rows"].sum())
    dropped = report.filter(pl.col("reason") != "kept").reverse()
    ax = room(ax, height=1.2 + 0.36 * len(dropped))
    ax.barh(dropped["reason"].to_list(), dropped["rows"].to_numpy(), color=RED, height=0.62)
    label_bars(ax, dropped["rows"].to_numpy(), [_part(n, total) for n in dropped["rows"]])
    ax.xaxis.set_major_formatter(thousands())
    kept = total - int(dropped["rows"].sum())
    return finish(ax, title, f"rows dropped, of {total:,} ({kept:,} kept)", "", grid="x")


def activity(
    events: pl.DataFrame, title: str = "", cuts: Mapping[str, datetime] | None = None, ax: Axes | None = None
) -> Axes:
    """Show events per day, a line for each kind, and where the log is cut.

    events: timestamp (clock times) and kind    cuts: name -> moment, such as {"test": cut}
    """
    ax = room(ax)
    days = events.group_by(pl.col(TIME).dt.truncate("1d").alias("day"), KIND).len().sort("day")
    kinds = days.partition_by(KIND, as_dict=True)
    for (kind,), one in sorted(kinds.items(), key=_place_of_kind):  # else the legend is shuffled at every run
        whole = one.upsample("day", every="1d").with_columns(pl.col("len").fill_null(0))
        ax.plot(whole["day"], whole["len"], color=KIND_COLOURS.get(kind, GREY), linewidth=1.3, label=kind)
    if days[KIND].n_unique() > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4)  # inside, it would write over the cuts
    for number, (name, moment) in enumerate((cuts or {}).items()):
        _mark(ax, moment, name, height=0.98 - 0.07 * (number % 2), left=True)  # neighbours would write over each other
    _count_axis(ax, days["len"].to_numpy().max())
    _leave_out_strays(ax, events[TIME].drop_nulls().sort())
    return finish(ax, title, "", "events per day", grid="y")


def long_tail(counts: ArrayLike, title: str = "", noun: str = "items", ax: Axes | None = None) -> Axes:
    """Show how unequal items (or users) are: events each, the busiest first, both axes logarithmic.

    counts: (N,) events per item, in any order; zeros are left out
    """
    ordered = np.sort(np.asarray(counts))[::-1]
    ordered = ordered[ordered > 0]
    ax = room(ax)
    ax.loglog(np.arange(1, len(ordered) + 1), ordered, color=BLUE)
    half = int(np.searchsorted(ordered.cumsum(), ordered.sum() / 2)) + 1
    ax.axvspan(1, half, color=BLUE, alpha=0.08, linewidth=0)
    share = f"{half:,} {noun} ({half / len(ordered):.1%})\nhold half of all events"
    ax.annotate(share, (0.98, 0.95), xycoords="axes fraction", ha="right", va="top")  # a falling curve is never there
    ax.set_xlim(1, max(1.5 * len(ordered), 2))
    ax.xaxis.set_major_formatter(thousands())
    ax.yaxis.set_major_formatter(thousands())
    return finish(ax, title, f"{noun}, the busiest first", f"events of one of the {noun}")


def history_lengths(lengths: ArrayLike, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how long histories are, on a logarithmic scale, with the median.

    lengths: (B,) events per user
    """
    lengths = np.asarray(lengths)
    ax = room(ax)
    halves = np.arange(np.floor(2 * np.log2(max(lengths.min(), 1))), 2 * np.log2(lengths.max() + 1) + 1)
    # Finer edges round to uneven widths, which are seen as steps that are not there.
    edges = np.unique(np.round(2 ** (halves / 2)))
    heights, _, _ = ax.hist(lengths, bins=edges.tolist(), color=BLUE, edgecolor=ax.get_facecolor(), linewidth=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(thousands())
    _count_axis(ax, np.max(heights))
    _mark(ax, float(np.median(lengths)), f"half have {np.median(lengths):,.0f} or more")
    return finish(ax, title, "events in a history", "users", grid="y")


def basket_gap(days: ArrayLike, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how long people stay away: days between two visits of one user, whole days, weeks marked below.

    days: (M,) gaps in days; the longest 2 % share the last bar
    """
    days = np.asarray(days, float)
    ax = room(ax)
    last = max(int(np.quantile(days, 0.98)), 7)
    heights, _, _ = ax.hist(
        np.minimum(np.floor(days), last), bins=(np.arange(last + 2) - 0.5).tolist(), color=BLUE, rwidth=0.86
    )
    ax.set_xticks(np.arange(0, last + 1, 7))
    _count_axis(ax, np.max(heights))
    _mark(ax, float(np.median(days)), f"median {np.median(days):.1f} days")
    return finish(ax, title, f"days since the visit before ({last} and more in the last bar)", "visits", grid="y")


def _part(rows: int, total: int) -> str:
    """A count and its share; what was dropped is never called 0 %."""
    share = rows / max(total, 1)
    return f"{rows:,}  ({share:.2%})" if share >= 0.0001 else f"{rows:,}  (<0.01%)" if rows else "0"


def _place_of_kind(group: tuple[tuple[Any, ...], pl.DataFrame]) -> tuple[int, str]:
    """From seeing to buying, then any other kind by name."""
    known, kind = list(KIND_COLOURS), group[0][0]
    return (known.index(kind) if kind in known else len(known), str(kind))


def _mark(ax: Axes, x: Any, text: str, height: float = 0.98, left: bool = False) -> None:
    """A named line that stands at x; its name has room above the bars."""
    ax.axvline(x, color=RED, linewidth=1.2)
    side = "right" if left else "left"
    shift = (-5 if left else 5, 0)
    name = ax.annotate(
        text, (x, height), shift, ("data", "axes fraction"), "offset points", color=RED, ha=side, va="top"
    )
    name.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1})


def _leave_out_strays(ax: Axes, moments: pl.Series) -> None:
    """Look at the middle 99 % where impossible moments would squeeze the log to a line, and count what is not seen."""
    n = len(moments)
    low, high = moments[n // 200], moments[n - 1 - n // 200]
    margin = max(high - low, timedelta(days=1)) / 20
    if moments[-1] - moments[0] <= 60 * margin:
        return
    ax.set_xlim(low - margin, high + margin)
    strays = n - int(moments.is_between(low - margin, high + margin).sum())
    ax.annotate(
        f"{strays:,} events lie outside", (0.99, 0.97), xycoords="axes fraction", color=RED, ha="right", va="top"
    )


def _count_axis(ax: Axes, top: float) -> None:
    """Whole numbers from zero to a little more than the highest, for names to stand in."""
    ax.set_ylim(0, 1.16 * top)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(thousands())
