"""New events, users and items enter a trained sequence model: it grows, and learns on from what came since, with some of the old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from scipy import sparse

from recolab.histories import Catalog, Histories, all_windows, bucketed_batches, has_next, lay_out, next_visits, visits
from recolab.models.item_vectors import company
from recolab.models.objectives import Batch, NextVisit
from recolab.models.sequential import SequenceModel
from recolab.training import TrainConfig, require, require_types

M = TypeVar("M", bound=SequenceModel)


@dataclass(frozen=True)
class UpdateConfig:
    """How an update learns; the defaults are what the weeks before those of `benchmarks.weekly` chose.

    replay: how likely an older visit that is read is asked for again    context: visits read at most, for new habits show
    in what came last and an update shall be cheap
    """

    training: TrainConfig = field(default_factory=partial(TrainConfig, epochs=2, learning_rate=1e-3))
    replay: float = 0.1
    context: int = 24

    def __post_init__(self) -> None:
        require_types(self)
        require(
            self,
            replay=(0 <= self.replay <= 1, "from 0 to 1: the share of older visits that is asked for again"),
            context=(self.context >= 1, "1 or more"),
        )


def update(model: M, histories: Histories, catalog: Catalog, since: int, config: UpdateConfig | None = None) -> M:
    """Take in what came since the last update, without forgetting: fine-tune a grown copy, while the model serves on.

    Visits from `since` on are asked for; so is, by chance, each older one that is read with them, drawn anew every epoch
    (experience replay, Robins 1995; Rolnick et al. 2019). Known items keep their vectors, new ones begin as the mean of
    the items in whose company they are had.
    histories: all that is known now, old and new, packed by `catalog`    catalog: the model's own, grown (`Catalog.grow`)
    since: in the unit of the histories' times, such as `as_of` of the histories that the model knows
    Raises ValueError where nothing came since, where the catalog lacks items of the model, or the model is asked for
    anything but its next visit while it learns.
    """
    config = config or UpdateConfig()
    _require_next_visit(model)
    n_known = len(model.item_vectors())
    if len(catalog) < n_known:
        raise ValueError(f"the catalog has {len(catalog)} rows and the model {n_known}: grow the model's own catalog")
    context = min(config.context, model.config.max_len)
    # As many histories a batch as when it first learned, though less of each is read.
    positions = max(model.config.batch_positions * context // model.config.max_len, 1)
    lessons = Lessons(histories, since, config.replay, context, positions)
    grown = carry_over(model, company(histories, len(catalog), n_known))
    return grown.learn(histories, lessons.epoch, config.training)


def carry_over(model: M, shares: sparse.csr_matrix) -> M:
    """Copy a model to a catalog that grew: every new item begins as a mean of known items' vectors.

    shares: (M, N) of the known items in each new one, as `company` or `likeness` says; without any, the vector is 0, which
    learns as soon as the item is had
    """
    table = model.module.table.weight.detach().numpy()
    return model.grown((shares @ table).astype(np.float32))


class Lessons:
    """What is asked in an update: every new visit, and by chance older ones that are read with them as context."""

    def __init__(self, histories: Histories, since: int, replay: float, context: int, positions: int) -> None:
        self.histories, self.replay, self.positions = histories, replay, positions
        self.visited = visits(histories)
        self.can_ask = has_next(self.visited)
        # A visit asks for the one after it, so what counts is when that one was.
        times = histories.times[self.visited.starts[:-1]]
        self.is_new = self.can_ask & np.append(times[1:] >= since, False)
        if not self.is_new.any():
            raise ValueError(
                f"nothing to learn from: of {len(times):,} visits none is from {since} on and has one before it; the newest is "
                f"of {times.max(initial=0)}"
            )
        so_far = np.concatenate([[0], np.cumsum(self.is_new)])
        windows = all_windows(self.visited, context)
        self.windows = windows[so_far[windows[:, 1]] > so_far[windows[:, 0]]]

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Draw the batches of one epoch."""
        asks = self.is_new | (self.can_ask & (rng.random(len(self.can_ask)) < self.replay))
        for chosen in bucketed_batches(self.windows[:, 1] - self.windows[:, 0], self.positions, rng):
            read = self.windows[chosen]
            yield Batch(
                lay_out(self.histories, self.visited, read), *next_visits(self.histories, self.visited, read, asks)
            )


def _require_next_visit(model: SequenceModel) -> None:
    if not isinstance(model.objective(), NextVisit):
        raise ValueError(
            f"{model.name} is not asked for the visit after each while it learns, so new visits alone cannot teach it: train it anew"
        )
