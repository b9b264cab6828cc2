"""From packed arrays to the rectangles a network wants, with as little padding as sorting by length allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recolab.histories.packed import Histories, ranges

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """Histories seen as moments: all events of one user at one time are one visit (a basket, or a single click).

    starts: (V + 1,) where each visit's events begin in `Histories.items`    offsets: (B + 1,) visits by history
    """

    starts: Ints
    offsets: Ints


@dataclass(frozen=True)
class Rectangle:
    """W windows of visits laid out for a network, padded on the left to T; only `cells` hold anything.

    items: (M,) catalog rows, visit by visit    starts: (V,) where each visit begins in items    cells: (V,) its place
    in the flattened (W, T)    is_visit: (W, T) bool    ages: (W, T) days before now (steps where ordinal), 0 where padded
    """

    items: Ints
    starts: Ints
    cells: Ints
    is_visit: NDArray[np.bool_]
    ages: NDArray[np.float32]

    @property
    def sizes(self) -> Ints:
        """Items per visit: (V,)."""
        return np.diff(self.starts, append=len(self.items))


def visits(histories: Histories) -> Visits:
    """Group the events of one history at one moment; what lies in one basket has no order to learn from."""
    fresh = np.ones(len(histories.items), bool)
    fresh[1:] = histories.times[1:] != histories.times[:-1]
    begins = histories.offsets[:-1]
    fresh[begins[begins < len(fresh)]] = True
    starts = np.flatnonzero(fresh)
    return Visits(np.append(starts, len(fresh)), np.searchsorted(starts, histories.offsets))


def visits_ago(histories: Histories) -> Ints:
    """Count the visits that came after each event, in its own history: (E,), 0 for the newest."""
    visited = visits(histories)
    per_history = np.diff(visited.offsets)
    ago = np.repeat(visited.offsets[1:], per_history) - 1 - np.arange(len(visited.starts) - 1)
    return np.repeat(ago, np.diff(visited.starts))


def newest_window(visited: Visits, max_len: int) -> Ints:
    """Take the newest visits of each history: (B, 2) first and one past the last visit."""
    ends = visited.offsets[1:]
    return np.stack([np.maximum(ends - max_len, visited.offsets[:-1]), ends], 1)


def all_windows(visited: Visits, max_len: int) -> Ints:
    """Cut long histories, from the newest visit back, into windows that lose no visit: (W, 2)."""
    n_visits = np.diff(visited.offsets)
    count = -(-n_visits // max_len)
    back, _ = ranges(np.zeros_like(count), count)
    ends = np.repeat(visited.offsets[1:], count) - back * max_len
    return np.stack([np.maximum(ends - max_len, np.repeat(visited.offsets[:-1], count)), ends], 1)


def lay_out(histories: Histories, visited: Visits, windows: Ints) -> Rectangle:
    """Lay windows (W, 2) of visits side by side, each ending in the last column."""
    which, _ = ranges(windows[:, 0], windows[:, 1])
    events, offsets = ranges(visited.starts[which], visited.starts[which + 1])
    lengths = windows[:, 1] - windows[:, 0]
    width = max(int(lengths.max(initial=0)), 1)
    row = np.repeat(np.arange(len(windows)), lengths)
    cells = row * width + width - (np.repeat(windows[:, 1], lengths) - which)
    is_visit, ages = np.zeros((len(windows), width), bool), np.zeros((len(windows), width), np.float32)
    is_visit.flat[cells] = True
    ages.flat[cells] = histories.ages_of(visited.starts[which])
    return Rectangle(histories.items[events].astype(np.int64), offsets[:-1], cells, is_visit, ages)


def hide(window: Rectangle, hidden: NDArray[np.bool_]) -> tuple[Rectangle, Ints, Ints]:
    """Empty some visits and ask for what they held: hidden (V,) -> the window, owners (M,) and rows (M,)."""
    is_asked = np.repeat(hidden, window.sizes)
    owners = np.repeat(np.arange(len(hidden)), np.where(hidden, window.sizes, 0))
    left = np.where(hidden, 0, window.sizes)
    emptied = replace(window, items=window.items[~is_asked], starts=np.cumsum(left) - left)
    return emptied, owners, window.items[is_asked]


def append_blank(window: Rectangle) -> Rectangle:
    """Add an empty visit, now, after the newest of every window: (W, T) becomes (W, T + 1)."""
    n, width = window.is_visit.shape
    row, column = np.divmod(window.cells, width)
    blank = np.arange(1, n + 1) * (width + 1) - 1
    return Rectangle(
        window.items,
        np.concatenate([window.starts, np.full(n, len(window.items))]),
        np.concatenate([row * (width + 1) + column, blank]),
        np.pad(window.is_visit, ((0, 0), (0, 1)), constant_values=True),
        np.pad(window.ages, ((0, 0), (0, 1))),
    )


def has_next(visited: Visits) -> NDArray[np.bool_]:
    """Say which visits are followed by another of the same history: (V,)."""
    followed = np.ones(len(visited.starts) - 1, bool)
    followed[visited.offsets[1:][np.diff(visited.offsets) > 0] - 1] = False
    return followed


def next_visits(
    histories: Histories, visited: Visits, windows: Ints, asks: NDArray[np.bool_] | None = None
) -> tuple[Ints, Ints]:
    """List what each visit of the windows is followed by: owners (M,), counting visits as `lay_out` does, and rows (M,).

    The last visit of a history is followed by nothing; the last of a window by the first of the next window.
    asks: (V,) which visits are to be answered for, by default all that are followed
    """
    which, _ = ranges(windows[:, 0], windows[:, 1])
    asking = np.flatnonzero((has_next(visited) if asks is None else asks)[which])
    after = which[asking] + 1
    events, _ = ranges(visited.starts[after], visited.starts[after + 1])
    owners = np.repeat(asking, visited.starts[after + 1] - visited.starts[after])
    return owners, histories.items[events].astype(np.int64)


def bucketed_batches(
    lengths: NDArray[np.int64], positions: int, rng: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Gather histories of like length, so that a batch's padded rectangle holds at most `positions` cells.

    lengths: (B,)  ->  arrays of history indices; shuffled within near-equal lengths and among batches if rng is given
    """
    jitter = 0.0 if rng is None else rng.random(len(lengths))
    order = np.argsort(lengths * (1 + 0.1 * jitter), kind="stable")
    batches, start, longest = [], 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        if start < end and (end + 1 - start) * longest > positions:
            batches.append(order[start:end])
            start, longest = end, length
    if len(order):
        batches.append(order[start:])
    if rng is not None:
        rng.shuffle(batches)
    yield from batches
