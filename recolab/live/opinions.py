"""What a voice says of a catalog, in the form that costs least: of every item, of a few, or as a product that is worked out when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
BLOCK = 64  # scores whose largest stands for them


class Opinion(Protocol):
    """Scores of N items, larger is better; where nothing is said, 0."""

    def add_to(self, scores: Floats, weight: float) -> None:
        """Add weight x the opinion to scores of all items: (N,)."""

    def of(self, rows: Ints) -> Floats:
        """Say what is thought of some rows: (n,) -> (n,)."""

    def best(self, n: int) -> Ints:
        """Name about n rows that are thought of most, or fewer: (at most n,), in no order."""

    def rough(self) -> Opinion:
        """Nearly the same, to be had sooner for all items; itself where it costs little as it is."""


@dataclass(frozen=True)
class OfAll:
    """An opinion of every item: values (N,); the rows in their order, where that is known."""

    values: Floats
    order: Ints | None = None

    def add_to(self, scores: Floats, weight: float) -> None:
        """Add as it is."""
        scores += np.float32(weight) * self.values

    def of(self, rows: Ints) -> Floats:
        """Look them up."""
        found: Floats = self.values[rows]
        return found

    def best(self, n: int) -> Ints:
        """Take the first."""
        return largest(self.values, n) if self.order is None else self.order[:n]

    def rough(self) -> Opinion:
        """Itself."""
        return self


@dataclass(frozen=True)
class OfSome:
    """An opinion of few: rows (n,), rising, and values (n,); 0 for all others."""

    rows: Ints
    values: Floats

    def add_to(self, scores: Floats, weight: float) -> None:
        """Add where something is said."""
        scores[self.rows] += np.float32(weight) * self.values

    def of(self, rows: Ints) -> Floats:
        """Look them up."""
        if not len(self.rows):
            return np.zeros(len(rows), np.float32)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[place] == rows, self.values[place], np.float32(0))

    def best(self, n: int) -> Ints:
        """Find the largest."""
        return self.rows[largest(self.values, n)]

    def rough(self) -> Opinion:
        """Itself."""
        return self


NOTHING = OfSome(np.zeros(0, np.int64), np.zeros(0, np.float32))


def largest(scores: Floats, n: int) -> Ints:
    """Find the n largest, best first, ties by row; what is -inf is not among them: (N,) -> (at most n,).

    The n-th largest of the blocks' maxima is reached by at least n scores, so all that do not reach it are out after one pass.
    (A block is every so-manieth score: its maxima are taken for all blocks side by side.)
    """
    blocks = len(scores) // BLOCK
    bound = np.float32(-np.inf)
    if blocks <= n < len(scores) // 4:  # too few blocks to tell
        bound = np.partition(scores, -n)[-n]
    elif blocks > n:
        tops = scores[: blocks * BLOCK].reshape(BLOCK, blocks).max(0)
        bound = np.partition(tops, blocks - n)[blocks - n]
    rows = np.flatnonzero(scores >= bound) if np.isfinite(bound) else np.flatnonzero(scores > -np.inf)
    found: Ints = rows[np.argsort(-scores[rows], kind="stable")[:n]]
    return found


def places_of(some: Ints, rows: Ints) -> Ints:
    """Find some rows among rising ones: their places, without those that are not there."""
    place = np.minimum(np.searchsorted(rows, some), max(len(rows) - 1, 0))
    found: Ints = place[rows[place] == some] if len(rows) else place[:0]
    return found
