"""What the sequence model says of one session: its visits read by the compiled encoder, whole or one more at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recolab.compiled import CompiledEncoder, CompiledSteps
from recolab.histories.packed import SECONDS_PER_DAY
from recolab.live.opinions import NOTHING, Floats, Ints, Opinion
from recolab.live.sessions import Session
from recolab.live.tables import ItemTable

LONG = 128  # visits from which on it pays to keep what was read of them (`make benchmark NAME="live encoder"`)
UNREAD = np.zeros((0, 0), np.float32)  # no visit is kept yet
MISSED = 8  # visits that came since the last list: of more, all is sooner read anew


@dataclass(frozen=True)
class Fit:
    """How well items fit a state (D,): the product, worked out for as many as are asked."""

    table: ItemTable
    state: Floats

    def add_to(self, scores: Floats, weight: float) -> None:
        """Ask the whole table."""
        scores += self.table.scores(np.float32(weight) * self.state)

    def of(self, rows: Ints) -> Floats:
        """Ask some rows."""
        found: Floats = self.table.vectors(rows) @ self.state
        return found

    def best(self, n: int) -> Ints:
        """Search the table."""
        return self.table.best(self.state, n)

    def rough(self) -> Opinion:
        """Ask the table that is there to be skimmed."""
        return Fit(self.table.rough, self.state)


@dataclass(frozen=True)
class Bags:
    """The newest T visits as the encoder's input is made from them: sums (T, D) of item vectors, sizes (T,), times (T,) in seconds."""

    sums: Floats
    sizes: Floats
    times: NDArray[np.int64]

    def plus(self, vector: Floats, at: int, most: int) -> Bags:
        """Add an item to the newest visit, or begin the next; `most` visits are kept."""
        if at == self.times[-1]:
            sums, sizes = self.sums.copy(), self.sizes.copy()
            sums[-1] += vector
            sizes[-1] += 1
            return Bags(sums, sizes, self.times)
        first = max(len(self.times) + 1 - most, 0)
        return Bags(
            np.concatenate([self.sums[first:], vector[None]]),
            np.append(self.sizes[first:], np.float32(1)),
            np.append(self.times[first:], at),
        )


class Encoded:
    """The sequence model: the state after the newest visit, times the item table."""

    def __init__(
        self,
        encoder: CompiledEncoder,
        table: ItemTable,
        max_len: int,
        name: str = "Transformer",
        steps: CompiledSteps | None = None,
    ) -> None:
        """max_len: visits read    steps: by which a history of `LONG` visits is read on, instead of anew."""
        self.encoder, self.table, self.max_len, self.name, self.steps = encoder, table, max_len, name, steps

    def opinion(self, session: Session, now: int) -> Opinion:  # noqa: ARG002  what matters is how far apart visits stand
        """Read the session; nothing to say of none."""
        return Fit(self.table, self.state(session)) if len(session) else NOTHING

    def state(self, session: Session) -> Floats:
        """Read the newest visits: (D,)."""
        bags = self._bags(session)
        # Encoders read how far apart visits stand: counted from the oldest, it is rounded alike whenever it is asked.
        ages = ((bags.times[0] - bags.times) / SECONDS_PER_DAY).astype(np.float32)
        visits = (bags.sums / np.sqrt(bags.sizes)[:, None]).astype(np.float32, copy=False)
        kept: Floats | None = session.memory.get(self.steps)
        if self.steps is not None and kept is not None and len(visits) >= LONG:
            return self._read_on(self.steps, kept, session, visits, ages)
        return self.encoder(visits, ages)

    def _read_on(self, steps: CompiledSteps, kept: Floats, session: Session, visits: Floats, ages: Floats) -> Floats:
        """Read the visits that came since the last list: the newest may still grow, so nothing is kept of it.

        (A history of max_len visits is read anew: each new visit pushes one out that all others have read.)
        """
        if len(visits) - kept.shape[-2] > MISSED:
            kept = steps.keep(visits[:-1], ages[:-1])
        for n in range(kept.shape[-2], len(visits) - 1):
            _, own = steps.step(visits[n], ages[: n + 1], kept)
            kept = np.concatenate([kept, own], -2)
        session.memory[steps] = kept
        state, _ = steps.step(visits[-1], ages, kept)
        return state

    def _bags(self, session: Session) -> Bags:
        bags: Bags | None = session.memory.get(self)
        if bags is None:
            starts = session.visits()[-self.max_len :]
            first = starts[0]
            sums = np.add.reduceat(self.table.vectors(session.items[first:]), starts - first, axis=0)
            sizes = np.diff(starts, append=len(session)).astype(np.float32)
            bags = session.memory[self] = Bags(sums, sizes, session.times[starts])
        return bags

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:  # noqa: ARG002
        """Keep the visits' sums, and what was read of those before the newest, as long as no visit goes.

        (Of who only asks nothing is read twice, so nothing is kept.)
        """
        known: Bags | None = before.memory.get(self)
        if known is None or len(after) == len(before) or at < known.times[-1]:
            return
        bags = after.memory[self] = known.plus(self.table.vectors(np.array([row]))[0], at, self.max_len)
        if self.steps is not None and len(bags.times) < self.max_len:
            after.memory[self.steps] = before.memory.get(self.steps, UNREAD)

    def welcome(self, like: sparse.csr_matrix) -> Self:
        """Give each its vector: the mean of those it is like."""
        new = like @ self.table.vectors(np.arange(len(self.table)))
        return type(self)(self.encoder, self.table.plus(new.astype(np.float32)), self.max_len, self.name, self.steps)
