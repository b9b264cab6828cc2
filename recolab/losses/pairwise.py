"""The pairwise losses of GRU4Rec and SASRec: targets against drawn items."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OUT_OF_REACH = -1e4  # a score whose softmax and sigmoid are exactly 0, and whose square is still a number


def binary_cross_entropy(wanted: Tensor, drawn: Tensor) -> Tensor:
    """Judge each target and one drawn item as yes or no, as SASRec did (Kang & McAuley 2018): wanted (M,), drawn (M, S) -> scalar."""
    M, S = drawn.shape
    one = drawn[torch.arange(M), torch.arange(M) % S]  # to each target its own
    return (F.softplus(-wanted) + F.softplus(one)).mean()


def bpr_max(wanted: Tensor, drawn: Tensor, penalty: float = 0.0) -> Tensor:
    """Put the target above the drawn items that stand highest: -log Σⱼ sⱼ σ(w - dⱼ) + penalty Σⱼ sⱼ dⱼ², s = softmax(d).

    wanted: (M,) scores of targets    drawn: (M, S) scores of drawn items    penalty: of high scores; tuned for each set
    in the paper, and 0 is what Beauty's validation chooses here  ->  scalar (Hidasi & Karatzoglou 2018, eq. 10)
    """
    # In logarithms all the way: a target far below would else lose its gradient where the sigmoid is a flat 0.
    log_above = (drawn.log_softmax(1) + F.logsigmoid(wanted[:, None] - drawn)).logsumexp(1)
    held = drawn.masked_fill(drawn == OUT_OF_REACH, 0)  # where nothing else was drawn, it would be all of the loss
    return (penalty * (drawn.softmax(1) * held**2).sum(1) - log_above).mean()


def top1_max(wanted: Tensor, drawn: Tensor) -> Tensor:
    """Push the drawn items that stand highest under the target and towards 0: Σⱼ sⱼ (σ(dⱼ - w) + σ(dⱼ²)), s = softmax(d).

    wanted: (M,) scores of targets    drawn: (M, S) scores of drawn items  ->  scalar (Hidasi & Karatzoglou 2018, eq. 8)
    """
    share = drawn.softmax(1)
    return (share * ((drawn - wanted[:, None]).sigmoid() + (drawn**2).sigmoid())).sum(1).mean()
