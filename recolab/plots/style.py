"""The look of the house: paper, ink, a colour for every model, and the axes that figures are drawn on."""

from __future__ import annotations

import textwrap
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from recolab.schema import CART, PURCHASE, REVIEW, VIEW

PAPER, INK, QUIET, FAINT = "#fbfaf6", "#26282b", "#6d7075", "#e4e1d8"
BLUE, RED, GREY = "#2b5f94", "#c2452d", "#a8a69f"

# A model keeps its colour in every notebook; a variant ("Hybrid, seed 7") has the colour of its family.
MODEL_COLOURS = {
    "Popularity, last": "#7b8794",
    "Popularity": GREY,
    "Personal frequency": "#d09a2f",
    "Item neighbours": "#4f8f7b",
    "Transitions": "#86a83e",
    "User neighbours": "#2f7f8c",
    "EASE": "#7d689e",
    "SVD": "#b5739a",
    "ALS": "#94566f",
    "Content": "#9b7d5b",
    "GRU": "#6f9fd0",
    "NextItNet": "#5aa7a7",
    "Caser": "#3f7f5f",
    "BERT4Rec": "#8a5a44",
    "Transformer, gated": "#16365c",
    "Transformer": BLUE,
    "EncoderDecoder": "#4c5c9c",
    "Blend": "#e08a6d",
    "Hybrid": RED,
}
KIND_COLOURS = {VIEW: "#9db4c8", CART: "#d09a2f", PURCHASE: BLUE, REVIEW: "#b5739a"}
_LEADER = {"arrowstyle": "-", "linewidth": 0.6, "alpha": 0.5, "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 5}
_APART = 0.055  # of the axes' height: words that stand closer cannot be read
_SPARE = ("#5f7d3b", "#8a5a44", "#4c5c9c", "#a8653a", "#3f7f5f", "#85507f")


def house_style() -> None:
    """Set the one style of all figures: warm paper, quiet axes, a light grid, titles on the left."""
    plt.rcParams.update(
        {
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "figure.figsize": (7.6, 4.2),
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "figure.constrained_layout.use": True,
            "font.size": 10.5,
            "text.color": INK,
            "axes.labelcolor": QUIET,
            "axes.labelsize": 10,
            "axes.titlelocation": "left",
            "axes.titlesize": 12.5,
            "axes.titleweight": "bold",
            "axes.titlepad": 12,
            "figure.titlesize": 12.5,
            "figure.titleweight": "bold",
            "axes.edgecolor": GREY,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=[BLUE, RED, "#4f8f7b", "#d09a2f", "#7d689e", *_SPARE]),
            "grid.color": FAINT,
            "grid.linewidth": 0.8,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "xtick.minor.size": 0,
            "ytick.minor.size": 0,
            "lines.linewidth": 2,
            "legend.frameon": False,
            "date.converter": "concise",
        }
    )


def colour_of(model: str) -> str:
    """Give a model the colour it has everywhere: its family's, or one that only its name decides."""
    families = [family for family in MODEL_COLOURS if model.startswith(family)]
    return MODEL_COLOURS[families[0]] if families else _SPARE[zlib.crc32(model.encode()) % len(_SPARE)]


def room(ax: Axes | None = None, height: float = 4.2) -> Axes:
    """Draw on the axes given, else on a new figure.

    height: inches of a new figure; its width is the house's
    """
    return ax if ax is not None else plt.subplots(figsize=(plt.rcParams["figure.figsize"][0], height))[1]


def finish(ax: Axes, title: str, x_label: str, y_label: str, grid: str = "both") -> Axes:
    """Name what the axes measure, state the finding, and leave only the grid lines that are read.

    grid: "x", "y" or "both"
    """
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.grid(visible=False)
    ax.grid(visible=True, axis=grid)  # type: ignore[arg-type]
    ax.spines["left"].set_visible(grid == "both")
    headline(ax, title)
    return ax


def headline(ax: Axes, title: str) -> None:
    """State the finding at the figure's left edge, or above the axes where a figure has several findings."""
    wrapped = textwrap.fill(title, 72)
    if not wrapped:
        return
    if len([panel for panel in ax.figure.axes if panel.get_label() != "<colorbar>"]) == 1:
        ax.figure.suptitle(wrapped, x=0.012, ha="left")
    else:
        ax.set_title(wrapped)


def label_bars(ax: Axes, ends: NDArray[np.float64], texts: list[str]) -> None:
    """Write what each horizontal bar is worth behind its end; bar number i lies at y = i."""
    for row, (end, text) in enumerate(zip(ends, texts, strict=True)):
        ax.annotate(text, (end, row), (6, 0), textcoords="offset points", va="center", fontsize=9.5, color=INK)
    ax.margins(x=0.16)
    ax.set_xlim(left=0)


def thousands() -> FuncFormatter:
    """Print counts with commas, and small numbers as they are."""
    return FuncFormatter(lambda value, _: f"{value:,.10g}")


class End(NamedTuple):
    """Where a line ends, and what to write there."""

    across: float
    up: float
    name: str
    colour: str
    bold: bool


def names_at_ends(ax: Axes, ends: Sequence[End]) -> None:
    """Write each line's name right of the axes, at the height of its end or as near as the others leave room."""
    low, high = ax.get_ylim()
    last = -np.inf
    for end in sorted(ends, key=lambda end: end.up):
        place = last = max((end.up - low) / (high - low), last + _APART)
        ax.annotate(
            end.name,
            (end.across, end.up),
            (1.03, place),
            textcoords="axes fraction",
            va="center",
            fontsize=9.5,
            color=end.colour,
            fontweight="bold" if end.bold else "normal",
            arrowprops=_LEADER | {"color": end.colour},
            annotation_clip=False,
        )
