"""Figures of the mathematics: where attention reads, by name, and quantities that follow one another along a line."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from recolab.plots.style import BLUE, INK, PAPER, QUIET, finish, headline, thousands

NAME_WIDTH = 26  # letters of a name that fit beside a map
SHORT_NAME = 6  # letters that stand level under a column
NUMBERS_UP_TO = 10  # columns beside each other in whose cells a number can be read
SIDE_BY_SIDE_UP_TO = 5  # columns of a map; wider ones stand one below the other, and share their names


def attention_map(
    weights: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    panels: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Show who reads whom: a row for each reader, a column for each that is read; a row sums to 1.

    weights: (T, S), or (P, T, S) for P panels beside each other    rows: T names    columns: S names
    panels: P names, such as the heads'  ->  the first panel's axes
    Raises ValueError when the names do not fit the weights.
    """
    maps = np.asarray(weights, float)
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.shape[1:] != (len(rows), len(columns)) or len(panels) not in (0, len(maps)):
        raise ValueError(
            f"weights are {maps.shape}, but there are {len(panels)} panel, {len(rows)} row and {len(columns)} column names"
        )
    stacked = len(columns) > SIDE_BY_SIDE_UP_TO
    axes = _panels(maps, stacked, ax)
    colours = LinearSegmentedColormap.from_list("house", [PAPER, BLUE])
    for panel, (place, one) in enumerate(zip(axes, maps, strict=True)):
        image = place.imshow(one, cmap=colours, vmin=0, vmax=float(maps.max()) or 1.0, aspect="auto")
        if len(columns) * (1 if stacked else len(maps)) <= NUMBERS_UP_TO:
            _write_numbers(place, one, float(maps.max()))
        place.set_xticks(np.arange(len(columns)), [_short(name) for name in columns])
        if max(map(len, columns), default=0) > SHORT_NAME:
            plt.setp(place.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
        place.set_yticks(np.arange(len(rows)), [_short(name) for name in rows])
        name = panels[panel] if panels else "who reads"
        finish(place, "", "" if stacked else name if panels else "who is read", name if stacked else "")
        place.grid(visible=False)
        place.spines[:].set_visible(False)
    axes[0].set_ylabel(axes[0].get_ylabel() or "who reads")
    bar = axes[0].figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("share of the reading")
    bar.outline.set_visible(False)
    if len(axes) > 1:
        axes[0].figure.suptitle(textwrap.fill(title, 72), x=0.012, ha="left")
    else:
        headline(axes[0], title)
    return axes[0]


def curves(
    table: pl.DataFrame,
    x: str,
    label: str,
    title: str = "",
    dots: Collection[str] = (),
    log: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Show how some quantities go along one: a line for each column, or dots, in the order of the table.

    table: column `x`, and a column for each quantity, its name the legend's    label: what they measure, unit included
    dots: the columns that were measured; the n-th of them has the colour of the n-th line    log: "x", "y" or "xy"
    Raises ValueError for dots that are no columns.
    """
    if strangers := sorted(set(dots) - set(table.columns)):
        raise ValueError(f"{', '.join(strangers)}: no such columns; there are {', '.join(table.columns)}")
    ax = ax if ax is not None else plt.subplots()[1]
    cycle: list[str] = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    lines = [name for name in table.columns if name != x and name not in dots]
    for names, style in ((lines, "-"), (list(dots), "o")):
        for number, name in enumerate(names):
            ax.plot(table[x], table[name], style, color=cycle[number % len(cycle)], markersize=6, label=name)
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        if name in log:
            getattr(ax, f"set_{name}scale")("log")
            axis.set_major_locator(LogLocator(numticks=8))
            axis.set_minor_formatter(NullFormatter())
    if "x" not in log and table[x].dtype.is_integer():
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "x" in log:
        ax.set_xticks(table[x].unique().to_list())
        ax.xaxis.set_major_formatter(thousands())
    if len(table.columns) > 2:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return finish(ax, title, x, label)


def _panels(maps: NDArray[np.float64], stacked: bool, ax: Axes | None) -> list[Axes]:
    """As many axes as maps: those given for a single one, else new ones that share their names."""
    n, n_rows, _ = maps.shape
    if ax is not None and n == 1:
        return [ax]
    if ax is not None:
        raise ValueError(f"{n} panels need a figure of their own: give no axes")
    shape = (n, 1) if stacked else (1, n)
    size = (plt.rcParams["figure.figsize"][0], 2.2 + 0.32 * n_rows * shape[0])
    _, grid = plt.subplots(*shape, sharex=stacked, sharey=not stacked, squeeze=False, figsize=size)
    return list(grid.flat)


def _write_numbers(ax: Axes, one: NDArray[np.float64], most: float) -> None:
    """Write each share into its cell, but not where it would read 0.00."""
    for (row, column), share in np.ndenumerate(one):
        if share >= 0.005:
            colour = PAPER if share > 0.6 * most else INK if share > 0.15 * most else QUIET
            ax.annotate(f"{share:.2f}", (column, row), color=colour, ha="center", va="center", fontsize=9)


def _short(name: str) -> str:
    return textwrap.shorten(name, NAME_WIDTH, placeholder=" …") if " " in name else name[:NAME_WIDTH]
