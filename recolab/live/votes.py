"""Votes of a session for items: of all of a small catalog, or only of those that have any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from recolab.live.opinions import Floats, Ints, OfAll, OfSome, Opinion

LEAST = 100  # a hundredth of the most is worth log 2: what is taken goes with the logarithm of how often it was


@dataclass(frozen=True)
class AllVotes:
    """Votes as they stood at a time: values (N,). Quickest in a small catalog; 4 bytes x N a session."""

    values: Floats
    at: int

    @classmethod
    def begin(cls, values: Floats, at: int) -> Self:
        """Count from sums that are there: (N,)."""
        return cls(values, at)

    def plus(self, rows: Ints, values: Floats, keep: float, at: int) -> Self:
        """Let what is there fade to `keep` of itself, and add votes for some rows."""
        votes = self.values * np.float32(keep)
        votes[rows] += values
        return type(self)(votes, at)

    def opinion(self) -> Opinion:
        """Set the votes beside the most that one item has."""
        return OfAll(loudness(self.values))


@dataclass(frozen=True)
class SomeVotes:
    """Votes as they stood at a time, of the items that have any: rows (n,), rising, and values (n,); 12 bytes for each a session."""

    rows: Ints
    values: Floats
    at: int

    @classmethod
    def begin(cls, values: Floats, at: int) -> Self:
        """Count from sums that are there: (N,)."""
        rows = np.flatnonzero(values)
        return cls(rows, values[rows], at)

    def plus(self, rows: Ints, values: Floats, keep: float, at: int) -> Self:
        """Let what is there fade to `keep` of itself, and add votes for some rows, rising."""
        place = np.searchsorted(self.rows, rows)
        there = np.zeros(len(rows), bool)
        inside = place < len(self.rows)
        there[inside] = self.rows[place[inside]] == rows[inside]
        votes = self.values * np.float32(keep)
        votes[place[there]] += values[there]
        new = np.flatnonzero(~there)
        come = place[new] + np.arange(len(new))  # where they stand in the longer arrays
        stay = np.ones(len(votes) + len(new), bool)
        stay[come] = False
        longer, theirs = np.empty(len(stay), self.rows.dtype), np.empty(len(stay), np.float32)
        longer[come], longer[stay], theirs[come], theirs[stay] = rows[new], self.rows, values[new], votes
        return type(self)(longer, theirs, at)

    def opinion(self) -> Opinion:
        """Set the votes beside the most that one item has."""
        return OfSome(self.rows, loudness(self.values))


def loudness(values: Floats) -> Floats:
    """Map sums to log(1 + 100 · share of the largest): (n,) -> (n,)."""
    values = np.maximum(values, 0)  # votes that were taken back may leave a speck below it
    loud: Floats = np.log(1 + np.float32(LEAST / max(float(values.max(initial=0)), 1e-30)) * values)
    return loud
