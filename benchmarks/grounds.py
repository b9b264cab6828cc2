"""Where architectures are compared: a question to learn and choose on, and another to be judged on once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recolab.evaluation import Task
from recolab.folds import leave_one_out_tasks, load_fold
from recolab.histories import Catalog, Histories
from recolab.lab import DEFAULT_RUN, open_lab
from recolab.sources.amazon import load_beauty

HOUSEHOLDS = 1200  # of the 2,400 of Complete Journey: half the time, and half the certainty


@dataclass(frozen=True)
class Ground:
    """One data set cut twice: `check` is asked while choosing, after learning from `past`; `test` once, after `known`.

    past, known: histories to learn from    check, test: questions about the next visit (or item)
    """

    name: str
    catalog: Catalog
    past: Histories
    check: Task
    known_catalog: Catalog
    known: Histories
    test: Task

    def few(self, n_users: int, seed: int = 0) -> Task:
        """Ask some users of the check only, for a look after every epoch."""
        return self.check.sample(n_users, np.random.default_rng(seed))


def complete_journey() -> Ground:
    """Foresee the next visit, repeats allowed: chosen at the first cut of the validation month, judged at the test cut."""
    lab = open_lab(7, DEFAULT_RUN)
    first, last = (load_fold(lab.artefact(f"fold_{number}")) for number in (0, 2))
    past, known = (fold.histories.take(drawn(len(fold.histories))) for fold in (first, last))
    check, test = (fold.task(allow_repeats=True) for fold in (first, last))
    return Ground("Complete Journey", first.catalog, past, check, last.catalog, known, test)


def beauty() -> Ground:
    """Foresee the next item, new ones only, leave-one-out as published: what is held out is never learned from."""
    tables = load_beauty()
    loo = leave_one_out_tasks(tables.events, tables.items)
    return Ground("Beauty", loo.catalog, loo.training, loo.validation, loo.catalog, loo.training, loo.test)


def drawn(n: int) -> NDArray[np.int64]:
    """Draw the same households for everybody."""
    return np.sort(np.random.default_rng(0).permutation(n)[:HOUSEHOLDS])


GROUNDS: dict[str, Callable[[], Ground]] = {"complete_journey": complete_journey, "beauty": beauty}
