"""Figures of a live shop: how long an answer takes, what variety costs, and how its memory goes while models change."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from recolab.plots.style import BLUE, GREY, INK, colour_of, finish, room

BINS = 60
MOST_TIMES = 10.0  # alarm thresholds; what is further away is drawn here


def latencies(
    milliseconds: Mapping[str, ArrayLike], title: str = "", target: float | None = None, ax: Axes | None = None
) -> Axes:
    """Show how long requests took, a histogram for each kind, with the median and the slowest of a hundred.

    milliseconds: kind -> one number a request    target: a dashed line, what the slowest of a hundred may take
    """
    ax = room(ax)
    highest = max(np.quantile(np.asarray(times), 0.999) for times in milliseconds.values())
    edges = np.linspace(0, max(highest, target or 0) * 1.05, BINS)
    for number, (name, times) in enumerate(milliseconds.items()):
        colour = plt.rcParams["axes.prop_cycle"].by_key()["color"][number]
        middle, slow = np.quantile(np.asarray(times), [0.5, 0.99])
        label = f"{name}: half within {middle:.2f}, 99 % within {slow:.2f} ms"
        ax.hist(np.clip(np.asarray(times), 0, edges[-1]), edges.tolist(), color=colour, alpha=0.75, label=label)
        ax.axvline(slow, color=colour, linewidth=1.2)
    if target is not None:
        ax.axvline(target, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate("target", (target, 0.97), (4, 0), ("data", "axes fraction"), "offset points", fontsize=9, va="top")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return finish(ax, title, "milliseconds for one answer", "requests", grid="y")


def trade_off(
    table: pl.DataFrame, gain: str, loss: str, label: str, by: str, title: str = "", ax: Axes | None = None
) -> Axes:
    """Show what one thing costs of another: a line for each way, a dot for each setting, its value beside it.

    table: columns `by` (the way), `label` (the setting), `gain` (across) and `loss` (up), in the order of the settings; columns low
    and high, where there are any, are the ends of an interval of `loss`
    """
    ax = room(ax)
    colours = [BLUE, colour_of("Hybrid")]
    for (name,), one in table.group_by(by, maintain_order=True):
        colour = colours.pop(0) if colours else INK
        ax.plot(one[gain], one[loss], "-o", color=colour, markersize=6, label=str(name))
        if "low" in one.columns:
            ax.vlines(one[gain], one["low"], one["high"], color=colour, linewidth=1.2, alpha=0.5)
        for across, up, value in zip(one[gain], one[loss], one[label], strict=True):
            ax.annotate(f"{value:g}", (across, up), (5, 5), textcoords="offset points", fontsize=9, color=colour)
    ax.legend(loc="lower left")
    return finish(ax, title, gain, loss)


def memory(table: pl.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Follow a service's memory; shaded where a version is on trial, a line where another takes over.

    table: columns second, resident_mb, version, trial (null where there is none), in the order of time
    """
    ax = room(ax)
    minutes = table["second"] / 60
    ax.plot(minutes, table["resident_mb"], color=BLUE)
    ax.set_ylim(0, 1.35 * float(table["resident_mb"].to_numpy().max()))
    spans = table.with_columns(minute=minutes, run=pl.col("trial").rle_id()).drop_nulls("trial").group_by("run")
    for number, one in enumerate(spans.agg("trial", "minute").sort("run").to_dicts()):
        first, last = one["minute"][0], one["minute"][-1]
        ax.axvspan(first, last, color=GREY, alpha=0.2, linewidth=0)
        _write_above(ax, first, f"{one['trial'][0]} on trial", 0.88 - 0.06 * (number % 2))
    changes = table.filter(pl.col("version") != pl.col("version").shift())
    for second, version in changes.select("second", "version").iter_rows():
        ax.axvline(second / 60, color=colour_of("Hybrid"), linewidth=1.2)
        _write_above(ax, second / 60, f"{version} takes over", 0.96)
    return finish(ax, title, "minutes of a busy shop", "MB in memory", grid="y")


def _write_above(ax: Axes, minute: float, text: str, height: float) -> None:
    ax.annotate(text, (minute, height), (4, 0), ("data", "axes fraction"), "offset points", fontsize=9, va="top")


def drift(table: pl.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how near each comparison of recent days came to an alarm, window by window; what lies above the line is drifting.

    table: until, name, statistic, threshold, is_drifting, as `feedback.drift_table` gives for one window or several
    """
    ax = room(ax)
    for (name,), one in table.sort("until").group_by("name", maintain_order=True):
        # A threshold of 0 is of what never varied: nothing is 0 of it, anything the most that is drawn.
        times = np.clip(one["statistic"] / one["threshold"].clip(1e-9), 0, MOST_TIMES)
        (line,) = ax.plot(one["until"], times, "o-", markersize=5, linewidth=1.3, label=str(name))
        alarms = one["is_drifting"].to_numpy()
        ax.plot(one["until"].filter(one["is_drifting"]), times[alarms], "o", markersize=11, color=line.get_color())
    ax.axhline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate("alarm", (1, 1), (-4, 4), ("axes fraction", "data"), "offset points", ha="right", fontsize=9)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    ax.set_ylim(bottom=0)
    return finish(ax, title, "end of the recent days", "distance, in alarm thresholds", grid="y")
