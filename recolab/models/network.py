"""The network of every sequence model: one item table, one encoder of visits, a state after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recolab.attention import Dropout
from recolab.histories import PAD, Rectangle
from recolab.losses import LossName
from recolab.models.objectives import Batch
from recolab.training import require, require_types

READ_POSITIONS = 4096  # visits that are read at once where nothing is learned
NOISE = 0.02  # standard deviation of a table that knows nothing yet, as BERT's (Devlin et al. 2019)


@dataclass(frozen=True)
class SequenceConfig:
    """What every architecture shares: the width, how much it reads, and what it is asked while it learns."""

    dim: int = 64
    max_len: int = 64  # visits read at most
    dropout: float = 0.2
    input_dropout: float | None = None  # of the item vectors that are read; None = as dropout
    negatives: int = 2048  # items sampled per batch; 0 asks the whole catalog
    sampled_share: float = 1.0  # of the run; after it the whole catalog is asked
    batch_positions: int = 512  # visits in a batch; more for a huge catalog: each step walks the whole table
    warm_start: bool = True  # begin from co-occurrence vectors instead of noise
    loss: LossName = "softmax"

    def __post_init__(self) -> None:
        require_types(self)
        require(
            self,
            dim=(self.dim >= 1, "1 or more"),
            max_len=(self.max_len >= 1, "1 or more"),
            dropout=(0 <= self.dropout < 1, "from 0 to below 1"),
            input_dropout=(self.input_dropout is None or 0 <= self.input_dropout < 1, "from 0 to below 1, or None"),
            negatives=(self.negatives >= 0, "0 or more"),
            sampled_share=(0 <= self.sampled_share <= 1, "from 0 to 1"),
            loss=(self.loss == "softmax" or self.sampled_share == 1, "softmax, if it is to end with the whole catalog"),
            batch_positions=(self.batch_positions >= 1, "1 or more"),
        )


class SequenceNetwork(nn.Module):
    """Say, after every visit, what the next one will hold.

    Input and output share one item table, so the model has a single answer to "what is this item?", whichever
    side is asking. Visits of one item and a causal Transformer make this SASRec (Kang & McAuley 2018) with a softmax.
    """

    def __init__(self, n_items: int, config: SequenceConfig, make_encoder: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.table = nn.Embedding(n_items, config.dim, padding_idx=PAD)
        nn.init.normal_(self.table.weight, std=NOISE)
        with torch.no_grad():
            self.table.weight[PAD] = 0
        self.blank = nn.Parameter(torch.zeros(config.dim))  # what stands where a visit is hidden
        self.dropout = Dropout(config.dropout if config.input_dropout is None else config.input_dropout)
        self.encoder = make_encoder()
        self.norm_in, self.norm_out = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)

    def forward(self, batch: Rectangle) -> Tensor:
        """Encode every visit with those it may read: W windows of at most T visits -> (W, T, D), nonsense where padded."""
        encoded: Tensor = self.norm_out(self.encoder(*self.read(batch)))
        return encoded

    def newest(self, batch: Rectangle) -> Tensor:
        """Encode the last column alone, as `forward` would: W windows -> (W, D)."""
        state: Tensor = self.norm_out(newest_state(self.encoder, *self.read(batch)))
        return state

    def read(self, batch: Rectangle) -> tuple[Tensor, Tensor, Tensor]:
        """Lay out what the encoder reads: vectors of visits (W, T, D), is_visit (W, T), ages (W, T) in days."""
        is_visit, ages = torch.from_numpy(batch.is_visit), torch.from_numpy(batch.ages)
        items, starts, cells = map(torch.from_numpy, (batch.items, batch.starts, batch.cells))
        size = torch.diff(starts, append=starts.new_tensor([len(items)]))[:, None]
        # The sum of a visit's items over the root of their number: a large basket says more, but not ten times more.
        bag = F.embedding_bag(items, self.table.weight, starts, mode="sum") / size.clamp(min=1).sqrt()
        bag = torch.where(size > 0, bag, self.blank)
        x = bag.new_zeros(is_visit.numel(), bag.size(1)).index_copy(0, cells, bag).view(*is_visit.shape, -1)
        return self.dropout(self.norm_in(x)), is_visit, ages

    def asked(self, batch: Batch) -> Tensor:
        """Give the state of every position that may be asked for targets: (P, D), the visits of the windows."""
        states: Tensor = self(batch.windows).flatten(0, 1)[torch.from_numpy(batch.windows.cells)]
        return states


def newest_state(encoder: nn.Module, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:
    """Read as the encoder does, for the last column alone; an encoder that can do so for less says how: (W, T, D) -> (W, D)."""
    ask: Callable[..., Tensor] | None = getattr(encoder, "newest", None)
    state: Tensor = encoder(x, is_visit, ages)[:, -1] if ask is None else ask(x, is_visit, ages)
    return state
