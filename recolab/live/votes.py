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
        return Loud(OfSome(self.rows, self.values), float(self.values.max(initial=0)))


@dataclass(frozen=True)
class Loud:
    """Votes of some items beside the most that one has, in logarithms: taken of those alone that are asked, for the order is the same."""

    votes: OfSome
    most: float

    def add_to(self, scores: Floats, weight: float) -> None:
        """Ask all that have any."""
        OfSome(self.votes.rows, loudness(self.votes.values, self.most)).add_to(scores, weight)

    def of(self, rows: Ints) -> Floats:
        """Ask some rows."""
        return loudness(self.votes.of(rows), self.most)

    def best(self, n: int) -> Ints:
        """Find the largest."""
        return self.votes.best(n)

    def rough(self) -> Opinion:
        """Itself."""
        return self


def loudness(values: Floats, most: float | None = None) -> Floats:
    """Map sums to log(1 + 100 · share of the most, by default the largest of them): (n,) -> (n,)."""
    values = np.maximum(values, 0)  # votes that were taken back may leave a speck below it
    most = float(values.max(initial=0)) if most is None else most
    loud: Floats = np.log(1 + np.float32(LEAST / max(most, 1e-30)) * values)
    return loud
