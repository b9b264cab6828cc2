"""Cross-entropy over a catalog: in full, or against a sample of items shared by the whole batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

ROWS = 512  # positions whose logits live in memory at once


def full_cross_entropy(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor) -> Tensor:
    """Ask each position for its targets among all items: mean over targets of log Σⱼ exp(h·eⱼ) - h·e_target.

    hidden: (P, D) positions    table: (N, D), row 0 = PAD    owners, targets: (M,), target m is asked of position owners[m]
    ->  scalar; logits exist for ROWS positions at a time only, and are computed again for the gradient
    """
    asked = torch.bincount(owners, minlength=len(hidden)).to(hidden.dtype)
    log_total = torch.cat([_recompute(_log_total, rows, table) for rows in torch.split(hidden, ROWS)])
    return ((asked * log_total).sum() - _target_logits(hidden, table, owners, targets).sum()) / len(targets)


def sampled_cross_entropy(
    hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, negatives: Tensor, log_expected: Tensor
) -> Tensor:
    """Ask each position for its targets among items sampled for the whole batch, corrected for how often each is drawn.

    hidden, table, owners, targets: as above    negatives: (S,) rows    log_expected: (S,) log of the expected number
    of draws of each (the log-q correction of Bengio & Senécal 2008)  ->  scalar
    """
    drawn = hidden @ table[negatives].T - log_expected  # (P, S)
    wanted = _target_logits(hidden, table, owners, targets)  # (M,)
    log_others = drawn.logsumexp(1)[owners]
    return F.softplus(log_others - wanted).mean()


def _target_logits(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor) -> Tensor:
    return (hidden[owners] * table[targets]).sum(-1)


def _log_total(rows: Tensor, table: Tensor) -> Tensor:
    return (rows @ table[1:].T).logsumexp(1)  # PAD is not an answer


def _recompute(step: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    from torch.utils.checkpoint import checkpoint  # noqa: PLC0415  (its import is slow, and only training pays it)

    result: Tensor = checkpoint(step, *inputs, use_reentrant=False)
    return result
