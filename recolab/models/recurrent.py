"""The recurrent network over visits: one state that every visit rewrites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from recolab.models.network import SequenceConfig
from recolab.models.sequential import SequenceModel
from recolab.training import require


@dataclass(frozen=True)
class RecurrentConfig(SequenceConfig):
    """The depth of the network; its losses of 2018 are `loss`: bpr_max and top1_max, with some hundreds of negatives."""

    n_layers: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, n_layers=(self.n_layers >= 1, "1 or more"))


class RecurrentEncoder(nn.Module):
    """A GRU that begins at the first real visit, so that a history means the same however it is padded."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        between = config.dropout if config.n_layers > 1 else 0.0  # PyTorch warns of a dropout that has no place
        self.gru = nn.GRU(config.dim, config.dim, config.n_layers, batch_first=True, dropout=between)

    def forward(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:  # noqa: ARG002  a GRU knows order, not time
        """Read visits x (W, T, D) where is_visit (W, T) bool; ages (W, T) are not read  ->  (W, T, D)."""
        padded = (~is_visit).sum(1)
        states: Tensor = self.gru(turned(x, -padded))[0]
        return turned(states, padded)


class Gru4Rec(SequenceModel):
    """GRU4Rec as a recommender (Hidasi et al. 2016), with whole windows trained at once instead of parallel sessions."""

    Config: ClassVar[type[RecurrentConfig]] = RecurrentConfig
    config: RecurrentConfig

    def encoder(self) -> nn.Module:
        """Make the GRU, not trained yet."""
        return RecurrentEncoder(self.config)


def turned(x: Tensor, steps: Tensor) -> Tensor:
    """Roll each row by its own number of steps to the right: x (W, T, D), steps (W,), negative to the left  ->  (W, T, D).

    Rolled to the left by its padding, a history begins in column 0 and its padding trails behind, where no state passes
    through it any more. One GRU over that rectangle is faster here than packed sequences, whose every step is a batch.
    """
    source = (torch.arange(x.size(1), device=x.device) - steps[:, None]) % x.size(1)
    return x.take_along_dim(source[:, :, None], 1)
