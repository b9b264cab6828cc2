"""What a sequence model is asked while it learns: the next visit after each, or visits that were hidden from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from recolab.histories import (
    Histories,
    Rectangle,
    Visits,
    all_windows,
    append_blank,
    bucketed_batches,
    hide,
    lay_out,
    next_visits,
    visits,
)


@dataclass(frozen=True)
class Batch:
    """Windows to read, and what is asked of them: target m of the position owners[m].

    Positions are the visits, counted as the windows' cells are, unless the network says otherwise.
    closed: (P, C) rows that are no answer at a position, PAD where there are fewer
    """

    windows: Rectangle
    owners: NDArray[np.int64]
    targets: NDArray[np.int64]
    closed: NDArray[np.int64] | None = None


class Objective(Protocol):
    """How windows become questions.

    n_blanks: visits that a question adds to a window; that many fewer are read, so that no place is met untrained
    """

    n_blanks: ClassVar[int]

    def batch(
        self, histories: Histories, visited: Visits, windows: NDArray[np.int64], rng: np.random.Generator
    ) -> Batch:
        """Ask about windows (W, 2) of visits while learning."""

    def question(self, window: Rectangle) -> Rectangle:
        """Lay histories out so that the last column is where the next visit is foreseen."""


class NextVisit:
    """Foresee each visit from those before it: every position is trained (Kang & McAuley 2018)."""

    n_blanks: ClassVar[int] = 0

    def batch(
        self,
        histories: Histories,
        visited: Visits,
        windows: NDArray[np.int64],
        rng: np.random.Generator,  # noqa: ARG002  nothing is drawn here
    ) -> Batch:
        """Ask every visit for its successor."""
        owners, targets = next_visits(histories, visited, windows)
        return Batch(lay_out(histories, visited, windows), owners, targets)

    def question(self, window: Rectangle) -> Rectangle:
        """Ask the newest visit."""
        return window


@dataclass(frozen=True)
class HiddenVisits:
    """Foresee visits hidden at random from all the others, the cloze task (BERT4Rec, Sun et al. 2019).

    share: of the visits, hidden; a window in which none was drawn hides its newest, which is what serving asks
    """

    n_blanks: ClassVar[int] = 1
    share: float

    def batch(
        self, histories: Histories, visited: Visits, windows: NDArray[np.int64], rng: np.random.Generator
    ) -> Batch:
        """Hide visits and ask for what they held."""
        window = lay_out(histories, visited, windows)
        lengths = windows[:, 1] - windows[:, 0]
        hidden = rng.random(len(window.cells)) < self.share
        newest = np.cumsum(lengths) - 1
        none = np.add.reduceat(hidden, newest - lengths + 1) == 0
        hidden[newest[none]] = True
        return Batch(*hide(window, hidden))

    def question(self, window: Rectangle) -> Rectangle:
        """Ask a blank visit after the newest."""
        return append_blank(window)


class Batches:
    """Every window of every history once an epoch, in batches of like length."""

    def __init__(self, histories: Histories, objective: Objective, max_len: int, positions: int) -> None:
        self.histories, self.visited = histories, visits(histories)
        self.objective, self.positions = objective, positions
        self.windows = all_windows(self.visited, max_len)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Draw the batches of one epoch."""
        for chosen in bucketed_batches(self.windows[:, 1] - self.windows[:, 0], self.positions, rng):
            batch = self.objective.batch(self.histories, self.visited, self.windows[chosen], rng)
            if len(batch.targets):
                yield batch
