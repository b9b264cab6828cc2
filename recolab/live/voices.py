"""Opinions about one shopper, in microseconds: the fitted models, asked about a session instead of packed histories."""

from __future__ import annotations

from copy import copy
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recolab.histories.packed import SECONDS_PER_DAY
from recolab.live.opinions import NOTHING, Floats, Ints, OfAll, OfSome, Opinion, largest
from recolab.live.sessions import WEIGHTS, Session
from recolab.live.votes import AllVotes, SomeVotes, loudness

_SPECK = 1e-4  # of a vote
FEW = 2**15  # items of a catalog whose votes all stand side by side in each session: 128 KB for each of them


class Voice(Protocol):
    """One model's opinion of all N items for one session."""

    name: str

    def opinion(self, session: Session, now: int) -> Opinion:
        """Say of the catalog what comes next: larger is better, 0 where there is no opinion."""

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Carry over what is remembered of a session to the one with an event more."""

    def welcome(self, like: sparse.csr_matrix) -> Self:
        """Make a voice that knows M items more, which are so much like the N known ones: (M, N), rows sum to 1 or 0."""


class Linked:
    """An item-to-item table: each event votes for its item's neighbours, half as loudly every half-life.

    Votes all fade alike, so a session's sum is kept, and an event adds one row of the table.
    """

    def __init__(self, links: sparse.csr_matrix, half_life_days: float, name: str) -> None:
        self.links, self.half_life, self.name = links.sorted_indices(), half_life_days * SECONDS_PER_DAY, name
        self._votes: type[AllVotes | SomeVotes] = AllVotes if links.shape[0] <= FEW else SomeVotes

    def opinion(self, session: Session, now: int) -> Opinion:  # noqa: ARG002  all votes fade alike
        """Set the votes beside the most that one item has, in logarithms from 0 up."""
        return self._counted(session).opinion() if len(session) else NOTHING

    def _counted(self, session: Session) -> AllVotes | SomeVotes:
        votes: AllVotes | SomeVotes | None = session.memory.get(self)
        if votes is None:
            at = int(session.times[-1])
            weights = session.weights() * np.exp2((session.times - at) / self.half_life).astype(np.float32)
            votes = session.memory[self] = self._votes.begin(self._sum(session.items, weights), at)
        return votes

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Let older votes fade, add the new event's, and take back those of an event that was forgotten for it."""
        known: AllVotes | SomeVotes | None = before.memory.get(self)
        if known is None:
            return
        now = max(at, known.at)
        loud = WEIGHTS[kind] * np.exp2((at - now) / self.half_life)
        votes = known.plus(*self._vote(row, loud), np.exp2((known.at - now) / self.half_life), now)
        if len(after) == len(before):
            gone = (row, at, kind) if at < before.times[0] else (before.items[0], before.times[0], before.kinds[0])
            weight = WEIGHTS[gone[2]] * np.exp2((gone[1] - now) / self.half_life)
            votes = votes.plus(*self._vote(gone[0], -weight), 1, now)
            votes.values[votes.values < _SPECK * weight] = (
                0  # what rounding left would be loud where nothing else speaks
            )
        after.memory[self] = votes

    def welcome(self, like: sparse.csr_matrix) -> Self:
        """Link each to what follows those it is like, and what they follow to it."""
        after = like @ self.links
        links = sparse.bmat([[self.links, self.links @ like.T], [after, after @ like.T]], "csr", np.float32)
        return type(self)(links, self.half_life / SECONDS_PER_DAY, self.name)

    def _sum(self, items: NDArray[np.int32], weights: Floats) -> Floats:
        """Add the rows of items up, each by its weight: (E,) and (E,) -> (N,)."""
        rows, place = np.unique(items, return_inverse=True)
        found: Floats = self.links[rows].T @ np.bincount(place, weights).astype(np.float32)
        return found

    def _vote(self, row: int, weight: float) -> tuple[Ints, Floats]:
        some = slice(self.links.indptr[row], self.links.indptr[row + 1])
        return self.links.indices[some], np.float32(weight) * self.links.data[some]


class Habit:
    """What this shopper had most often, older events counting less: by days, by visits, or both."""

    def __init__(self, half_life_days: float | None, half_life_visits: float | None, name: str = "Habit") -> None:
        self.days, self.visits, self.name = half_life_days, half_life_visits, name

    def opinion(self, session: Session, now: int) -> Opinion:
        """Set each item beside the one had most, in logarithms from 0 up; nothing to say of who had none."""
        if not len(session):
            return NOTHING
        weights = session.weights().astype(np.float64)
        if self.days is not None:
            weights = weights * np.exp2((session.times - now) / (self.days * SECONDS_PER_DAY))
        if self.visits is not None:
            starts = session.visits()
            ago = len(starts) - np.searchsorted(starts, np.arange(len(session)), side="right")
            weights = weights * np.exp2(-ago / self.visits)
        rows, place = np.unique(session.items, return_inverse=True)
        return OfSome(rows.astype(np.int64), loudness(np.bincount(place, weights, len(rows)).astype(np.float32)))

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Remember nothing: a thousand events are counted at once."""

    def welcome(self, like: sparse.csr_matrix) -> Self:  # noqa: ARG002
        """Stay: nobody has the habit of what is new."""
        return self


class Favour:
    """What everybody buys: the same for each session, and all that a stranger can be told."""

    def __init__(self, popularity: Floats, name: str = "Popularity") -> None:
        """popularity: (N,) events, 0 for PAD."""
        table = np.log1p(popularity)
        values = (table / max(float(table.max(initial=0)), 1e-12)).astype(np.float32)
        self.said, self.name = OfAll(values, largest(values, len(values))), name

    def opinion(self, session: Session, now: int) -> Opinion:  # noqa: ARG002
        """Repeat the counts, in logarithms from 0 to 1."""
        return self.said

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Remember nothing."""

    def welcome(self, like: sparse.csr_matrix) -> Self:
        """Count nothing for what nobody has bought."""
        wider = copy(self)
        values = np.concatenate([self.said.values, np.zeros(like.shape[0], np.float32)])
        wider.said = OfAll(values, largest(values, len(values)))
        return wider
