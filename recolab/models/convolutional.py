"""Convolutions over visits: filters that see a few visits at a time, in a dilated tower or side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recolab.attention import Dropout
from recolab.models.network import SequenceConfig
from recolab.models.sequential import SequenceModel
from recolab.training import require


@dataclass(frozen=True)
class NextItNetConfig(SequenceConfig):
    """The shape of the tower: it reads 1 + (kernel - 1) (4ⁿ - 1) visits with n blocks, 31 as it stands."""

    n_blocks: int = 2
    kernel: int = 3  # visits that one filter sees

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, n_blocks=(self.n_blocks >= 0, "0 or more"), kernel=(self.kernel >= 1, "1 or more"))


@dataclass(frozen=True)
class CaserConfig(SequenceConfig):
    """What the filters see: how far back, and how many of each kind there are."""

    reach: int = 5  # visits that are read, L in the paper
    n_horizontal: int = 16  # filters of each height 1, ..., reach
    n_vertical: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self,
            reach=(self.reach >= 1, "1 or more"),
            n_horizontal=(self.n_horizontal >= 1, "1 or more"),
            n_vertical=(self.n_vertical >= 1, "1 or more"),
        )


class CausalConvolution(nn.Module):
    """Filters over a visit and those before it, `dilation` apart; before the first visit there are zeros.

    The visits are laid side by side for one linear map: on CPU twice as fast as Conv1d, which wants time last.
    """

    def __init__(self, dim: int, n_filters: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.filters = nn.Linear(kernel * dim, n_filters)

    def forward(self, x: Tensor) -> Tensor:
        """Filter x (W, T, D), zero where padded  ->  (W, T, n_filters)."""
        # A step longer than the history meets zeros only, so a tall tower need not lay out all that it could reach.
        step = min(self.dilation, x.size(1))
        seen = F.pad(x, (0, 0, (self.kernel - 1) * step, 0))
        oldest_first = [seen[:, k * step :][:, : x.size(1)] for k in range(self.kernel)]
        filtered: Tensor = self.filters(torch.cat(oldest_first, -1))
        return filtered


class DilatedBlock(nn.Module):
    """Two causal convolutions, the second twice as far apart, added to what was known (Yuan et al. 2019, fig. 3b)."""

    def __init__(self, dim: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.near, self.far = (CausalConvolution(dim, dim, kernel, dilation * step) for step in (1, 2))
        self.norm_near, self.norm_far = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, is_visit: Tensor) -> Tensor:
        """Pass x (W, T, D), zero where not is_visit (W, T, 1), through the block  ->  (W, T, D), zero where padded."""
        # Biases and norms would fill the padding, and the next filter would read it: it is emptied after each.
        new = self.norm_near(self.near(x)).relu() * is_visit
        new = self.norm_far(self.far(new)).relu() * is_visit
        added: Tensor = x + self.dropout(new)
        return added


class DilatedEncoder(nn.Module):
    """A tower of blocks whose dilations double, 1, 2, 4, 8, ..., so that its reach grows faster than its cost."""

    def __init__(self, config: NextItNetConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DilatedBlock(config.dim, config.kernel, 4**b, config.dropout) for b in range(config.n_blocks)
        )

    def forward(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:  # noqa: ARG002  order, not time
        """Read visits x (W, T, D) where is_visit (W, T) bool; ages (W, T) are not read  ->  (W, T, D), zero where padded."""
        real = is_visit[:, :, None]
        x = x * real
        for block in self.blocks:
            x = block(x, real)
        return x


class CaserEncoder(nn.Module):
    """Filters over the last visits as over a picture, reach by dim: some as wide as it, some as tall (Tang & Wang 2018).

    Left out is the vector of each user that the paper adds: one who came after training has none, and what a user
    likes would be stored beside the history instead of read from it. And the last visits of *each* position are read,
    so that a history of n visits teaches n - 1 times, not once.
    """

    def __init__(self, config: CaserConfig) -> None:
        super().__init__()
        self.reach = config.reach
        self.horizontal = nn.ModuleList(
            CausalConvolution(config.dim, config.n_horizontal, height) for height in range(1, config.reach + 1)
        )
        self.vertical = nn.Linear(config.reach, config.n_vertical, bias=False)
        found = config.reach * config.n_horizontal + config.dim * config.n_vertical
        self.join, self.dropout = nn.Linear(found, config.dim), Dropout(config.dropout)

    def forward(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:  # noqa: ARG002  order, not time
        """Read visits x (W, T, D) where is_visit (W, T) bool; ages (W, T) are not read  ->  (W, T, D)."""
        x = x * is_visit[:, :, None]
        found = [self._strongest(x, height) for height in range(1, self.reach + 1)]
        pictures = F.pad(x, (0, 0, self.reach - 1, 0)).unfold(1, self.reach, 1)  # (W, T, D, reach), oldest first
        found.append(self.vertical(pictures).flatten(2))
        joined: Tensor = self.join(self.dropout(torch.cat(found, -1))).relu()
        return joined

    def _strongest(self, x: Tensor, height: int) -> Tensor:
        """Tell how strongly each filter of one height answers anywhere in the picture: (W, T, n_horizontal)."""
        places = self.reach - height + 1
        answers = self.horizontal[height - 1](F.pad(x, (0, 0, places - 1, 0))).relu()
        return F.max_pool1d(answers.transpose(1, 2), places, stride=1).transpose(1, 2)


class NextItNet(SequenceModel):
    """NextItNet as a recommender (Yuan et al. 2019): a causal dilated tower, every position trained."""

    Config: ClassVar[type[NextItNetConfig]] = NextItNetConfig
    config: NextItNetConfig

    def encoder(self) -> nn.Module:
        """Make the tower, not trained yet."""
        return DilatedEncoder(self.config)


class Caser(SequenceModel):
    """Caser as a recommender (Tang & Wang 2018), without users."""

    Config: ClassVar[type[CaserConfig]] = CaserConfig
    config: CaserConfig

    def encoder(self) -> nn.Module:
        """Make the filters, not trained yet."""
        return CaserEncoder(self.config)
