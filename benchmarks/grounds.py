"""Where architectures are compared: a question to learn and choose on, and another to be judged on once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recolab.evaluation import Task
from recolab.folds import load_fold
from recolab.histories import Catalog, Histories
from recolab.lab import DEFAULT_RUN, open_lab


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
    check, test = (fold.task(allow_repeats=True) for fold in (first, last))
    return Ground("Complete Journey", first.catalog, first.histories, check, last.catalog, last.histories, test)


GROUNDS: dict[str, Callable[[], Ground]] = {"complete_journey": complete_journey}
