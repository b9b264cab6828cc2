"""Opinions about one shopper, in microseconds: the fitted models, asked about a session instead of packed histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recolab.export import CompiledEncoder
from recolab.histories.packed import SECONDS_PER_DAY
from recolab.live.sessions import WEIGHTS, Session

Floats = NDArray[np.float32]
_SPECK = 1e-4  # of a vote
_LEAST = 100  # a hundredth of the most is worth log 2: what is taken goes with the logarithm of how often it was


class Voice(Protocol):
    """One model's opinion of all N items for one session."""

    name: str

    def scores(self, session: Session, now: int) -> Floats:
        """Score the catalog as what comes next: (N,), larger is better; zeros where there is no opinion. Read only."""

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Carry over what is remembered of a session to the one with an event more."""


class Encoded:
    """The sequence model: the state after the newest visit, times the item table."""

    def __init__(self, encoder: CompiledEncoder, table: Floats, max_len: int, name: str = "Transformer") -> None:
        """table: (N, D), row 0 = PAD    max_len: visits read."""
        self.encoder, self.table, self.max_len, self.name = encoder, table, max_len, name
        self.nothing = np.zeros(len(table), np.float32)

    def scores(self, session: Session, now: int) -> Floats:
        """Multiply state and table: (N,)."""
        if not len(session):
            return self.nothing
        found: Floats = self.table @ self.state(session, now)
        return found

    def state(self, session: Session, now: int) -> Floats:
        """Read the newest visits: (D,)."""
        starts = session.visits()[-self.max_len :]
        items = session.items[starts[0] :]
        bags = np.add.reduceat(self.table[items], starts - starts[0], axis=0)
        bags /= np.sqrt(np.diff(starts, append=len(session)), dtype=np.float32)[:, None]
        ages = ((now - session.times[starts]) / SECONDS_PER_DAY).astype(np.float32)
        return self.encoder(bags, ages)

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Remember nothing: fifty visits are read again sooner than their states are looked after."""


@dataclass
class _Votes:
    """Votes for all items as they stood at a time."""

    table: Floats
    at: int


class Linked:
    """An item-to-item table: each event votes for its item's neighbours, half as loudly every half-life.

    Votes all fade alike, so a session's sum is kept, and an event adds one row of the table. Memory: 4 bytes x N a session.
    """

    def __init__(self, links: sparse.csr_matrix, half_life_days: float, name: str) -> None:
        self.links, self.half_life, self.name = links, half_life_days * SECONDS_PER_DAY, name

    def scores(self, session: Session, now: int) -> Floats:  # noqa: ARG002  all votes fade alike
        """Set the votes beside the most that one item has, in logarithms: (N,) from 0 up."""
        if not len(session):
            return np.zeros(self.links.shape[0], np.float32)
        return _loudness(self._votes(session).table)

    def _votes(self, session: Session) -> _Votes:
        votes: _Votes | None = session.memory.get(self.name)
        if votes is None:
            at = int(session.times[-1])
            weights = session.weights() * np.exp2((session.times - at) / self.half_life).astype(np.float32)
            had = sparse.csr_matrix((weights, session.items, [0, len(session)]), (1, self.links.shape[0]))
            votes = session.memory[self.name] = _Votes((had @ self.links).toarray()[0], at)
        return votes

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Let older votes fade, add the new event's, and take back those of an event that was forgotten for it."""
        known: _Votes | None = before.memory.get(self.name)
        if known is None:
            return
        now = max(at, known.at)
        votes = known.table * np.float32(np.exp2((known.at - now) / self.half_life))
        self._vote(votes, row, WEIGHTS[kind] * np.exp2((at - now) / self.half_life))
        if len(after) == len(before):
            gone = (row, at, kind) if at < before.times[0] else (before.items[0], before.times[0], before.kinds[0])
            weight = WEIGHTS[gone[2]] * np.exp2((gone[1] - now) / self.half_life)
            self._vote(votes, gone[0], -weight)
            votes[votes < _SPECK * weight] = 0  # what rounding left would be loud where nothing else speaks
        after.memory[self.name] = _Votes(votes, now)

    def _vote(self, votes: Floats, row: int, weight: float) -> None:
        some = slice(self.links.indptr[row], self.links.indptr[row + 1])
        votes[self.links.indices[some]] += np.float32(weight) * self.links.data[some]


class Habit:
    """What this shopper had most often, older events counting less: by days, by visits, or both."""

    def __init__(
        self, n_items: int, half_life_days: float | None, half_life_visits: float | None, name: str = "Habit"
    ) -> None:
        self.n_items, self.days, self.visits, self.name = n_items, half_life_days, half_life_visits, name

    def scores(self, session: Session, now: int) -> Floats:
        """Set each item beside the one had most, in logarithms: (N,) from 0 up."""
        weights = session.weights().astype(np.float64)
        if self.days is not None:
            weights = weights * np.exp2((session.times - now) / (self.days * SECONDS_PER_DAY))
        if self.visits is not None and len(session):
            starts = session.visits()
            ago = len(starts) - np.searchsorted(starts, np.arange(len(session)), side="right")
            weights = weights * np.exp2(-ago / self.visits)
        return _loudness(np.bincount(session.items, weights, self.n_items).astype(np.float32))

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Remember nothing: a thousand events are counted at once."""


class Favour:
    """What everybody buys: the same for each session, and all that a stranger can be told."""

    def __init__(self, popularity: Floats, name: str = "Popularity") -> None:
        """popularity: (N,) events, 0 for PAD."""
        table = np.log1p(popularity)
        self.table: Floats = (table / max(float(table.max(initial=0)), 1e-12)).astype(np.float32)
        self.name = name

    def scores(self, session: Session, now: int) -> Floats:  # noqa: ARG002
        """Repeat the counts, in logarithms from 0 to 1: (N,)."""
        return self.table

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Remember nothing."""


def _loudness(table: Floats) -> Floats:
    """Map sums to log(1 + 100 · share of the largest): (N,) -> (N,)."""
    table = np.maximum(table, 0)  # votes that were taken back may leave a speck below it
    loud: Floats = np.log(1 + np.float32(_LEAST / max(float(table.max(initial=0)), 1e-30)) * table)
    return loud
