"""One network that learns what several say together: knowledge distillation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolab.histories import Catalog, Histories
from recolab.losses import distillation_loss
from recolab.models.ensemble import Ensemble
from recolab.models.objectives import Batch, Batches, NextVisit
from recolab.models.sequential import SequenceModel

Student = TypeVar("Student", bound=SequenceModel)

DRAWN = 4096  # items of a larger catalog that a batch is taught; the next batch is taught others


def distil(
    student: Student,
    teacher: Ensemble,
    histories: Histories,
    catalog: Catalog,
    temperature: float = 1.0,
    validate: Callable[[Student], float] | None = None,
) -> Student:
    """Train a network on what an ensemble holds likely at every position, not on what came (Hinton et al. 2015; Furlanello et al. 2018).

    What came next is one item of many that could have; a teacher names the others as well, so that each position teaches more.
    Of a large catalog each batch is taught some items, drawn alike: who gives any of them the teacher's shares gives them to all.
    The student's own loss, negatives and sampled_share are not heeded, and its item table begins as the teachers' side by side, cut
    to its width: a warm_start of its own would only cost seconds.
    histories: those that the teacher learned from    temperature: above 1 the teacher's second choices count for more
    validate: as in `SequenceModel.fit`
    Raises ValueError where somebody is not asked for the next visit at every visit, where the student would read more visits than a
    teacher has learned to, where the catalog is not the teacher's, and for a temperature that is no number above 0.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature = {temperature!r} must be a number above 0")
    everybody: list[SequenceModel] = [student, *teacher.models]
    for model in everybody:
        if not isinstance(model.objective(), NextVisit):
            raise ValueError(f"{model.name} does not foresee the next visit after each: distil causal models of visits")
    if student.config.max_len > (least := min(model.config.max_len for model in teacher.models)):
        raise ValueError(f"{student.name} reads {student.config.max_len} visits, a teacher {least}: give it as few")
    if teacher.n_items != len(catalog):
        raise ValueError(f"{teacher.name} knows {teacher.n_items} rows, the catalog has {len(catalog)}: give its own")
    networks = [model.module.eval() for model in teacher.models]
    table = torch.cat([network.table.weight.detach() for network in networks], 1) / len(networks)

    def loss_of(batch: Batch, _: float) -> tuple[Tensor, int]:
        asked, times = np.unique(batch.owners, return_counts=True)
        at, weights = torch.from_numpy(asked), torch.from_numpy(times / times.sum())
        with torch.no_grad():
            said = torch.cat([network.asked(batch)[at] for network in networks], 1)
        hidden, rows = student.module.asked(batch)[at], _drawn(len(table))
        own, theirs = (one.index_select(0, rows) for one in (student.module.table.weight, table))
        return distillation_loss(hidden, own, said, theirs, weights, temperature), len(batch.targets)

    student.begin(histories, catalog)
    begun = math.sqrt(len(networks)) * _cut(table, student.config.dim)  # before the cut, vectors as long as theirs
    with torch.no_grad():
        student.module.table.weight[:, : begun.shape[1]] = begun
    batches = Batches(histories, student.objective(), student.config.max_len, student.config.batch_positions)
    return student.learn(histories, batches.epoch, student.training, validate, loss_of=loss_of)


def _drawn(n_items: int) -> Tensor:
    """Draw the rows that a batch is taught, PAD first: (1 + DRAWN,), the others without return, or (N,), all of them in some order."""
    return F.pad(1 + torch.randperm(n_items - 1)[:DRAWN], (1, 0))


def _cut(table: Tensor, dim: int) -> Tensor:
    """Keep as much of the products of all pairs of rows as fits in a width: (N, D') -> (N, dim or D'), the truncated SVD."""
    _, directions = torch.linalg.eigh(table.T @ table)  # the strongest last
    return cast("Tensor", table @ directions[:, -dim:])
