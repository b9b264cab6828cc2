"""Which loss a catalog is asked by, and against how many of its items."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

from recolab.losses.one_pass import target_logits
from recolab.losses.pairwise import OUT_OF_REACH, binary_cross_entropy, bpr_max, top1_max
from recolab.losses.softmax import full_cross_entropy, sampled_cross_entropy

LossName = Literal["softmax", "bce", "bpr_max", "top1_max"]
_PAIRWISE = {"bce": binary_cross_entropy, "bpr_max": bpr_max, "top1_max": top1_max}


class CatalogLoss(Protocol):
    """A way to ask positions for their targets."""

    def __call__(
        self, hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None, /
    ) -> Tensor:
        """Compare the targets with other items: as in full_cross_entropy -> scalar."""


def catalog_loss(name: LossName, sold: Tensor, n_drawn: int) -> CatalogLoss:
    """Choose how targets are asked for: against the whole catalog (n_drawn = 0), or against items drawn for the batch.

    sold: (N,) events of each item, row 0 = PAD; draws follow the square root of one more, between what sells and what
    there is  ->  a function of hidden (P, D), table (N, D), owners (M,) and targets (M,) that gives a scalar; softmax
    heeds `closed` too, the pairwise losses do not
    Raises ValueError for a pairwise loss without draws, and for a name that is none of LossName.
    """
    if name != "softmax" and (name not in _PAIRWISE or not n_drawn):
        raise ValueError(
            f"loss {name!r} with {n_drawn} negatives: use softmax, or {list(_PAIRWISE)} with some negatives"
        )
    chance = (sold.double() + 1).sqrt()
    chance[0] = 0  # PAD is never drawn
    chance = chance / chance.sum()

    def sampled(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None) -> Tensor:
        drawn = torch.multinomial(chance, n_drawn, replacement=True)
        if name == "softmax":
            log_expected = (chance[drawn] * n_drawn).log().float()
            return sampled_cross_entropy(hidden, table, owners, targets, drawn, log_expected, closed)
        # A target drawn as its own negative would be pushed under itself: it stands out of reach instead.
        scores = (hidden @ table[drawn].T)[owners].masked_fill(targets[:, None] == drawn, OUT_OF_REACH)
        return _PAIRWISE[name](target_logits(hidden, table, owners, targets), scores)

    return sampled if n_drawn else full_cross_entropy
