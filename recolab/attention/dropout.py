"""Dropout whose mask costs less than the product beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 2**16  # a draw is 16 bits: a share is met to 1 in 65,536


class Dropout(nn.Module):
    """Forget each number with chance `share` and enlarge the others to match (Srivastava et al. 2014): torch's, with quick draws.

    On a processor torch draws the mask number by number in one thread, a sixth of a whole training step; here four
    numbers share a draw of 64 bits. Raises ValueError for a share that is not from 0 to below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"a dropout of {share} must be from 0 to below 1: who forgets all learns nothing")
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Forget while it trains: x of any shape -> the same shape; nothing is forgotten after training."""
        if not self.training or not self.share:
            return x
        if x.device.type != "cpu":  # there torch does all of it in one kernel
            return F.dropout(x, self.share)
        forgotten = min(round(self.share * LEVELS), LEVELS - 1)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        levels = draws.view(torch.int16)[: x.numel()].view(x.shape)
        # A comparison written as numbers is the mask itself: no pass that turns truth into numbers.
        kept = torch.ge(levels, forgotten - LEVELS // 2, out=torch.empty(x.shape, dtype=x.dtype))
        return x * kept.mul_(LEVELS / (LEVELS - forgotten))

    def extra_repr(self) -> str:
        """Show the share where a module is printed."""
        return f"share={self.share}"
