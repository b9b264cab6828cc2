"""The Transformer over visits, and its variants that matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from recolab.attention import (
    AbsolutePosition,
    Block,
    RelativePosition,
    RotaryPosition,
    SelfAttention,
    TimeBias,
    visible_all,
    visible_history,
)
from recolab.histories import Histories, Rectangle, lay_out, newest_window, visits
from recolab.models.network import SequenceConfig
from recolab.models.objectives import HiddenVisits, NextVisit, Objective
from recolab.models.sequential import SequenceModel
from recolab.training import require


@dataclass(frozen=True)
class TransformerConfig(SequenceConfig):
    """The shape of the Transformer; the fields after n_blocks are the variants that are worth comparing."""

    n_heads: int = 2
    n_blocks: int = 2
    positions: Literal["relative", "rotary", "absolute", "none"] = "relative"
    norm: Literal["pre", "post"] = "pre"
    feed_forward: Literal["gelu", "swiglu"] = "gelu"
    gated: bool = False  # each block decides how much it adds
    time_bias: bool = False  # each head prefers how many days back it reads
    hidden_share: float = 0.0  # above 0, BERT4Rec: read both ways, and foresee this share of the visits, hidden

    def __post_init__(self) -> None:
        super().__post_init__()
        both_ways = self.hidden_share > 0
        require(
            self,
            n_heads=(self.n_heads >= 1 and self.dim % self.n_heads == 0, f"a divisor of dim = {self.dim}"),
            n_blocks=(self.n_blocks >= 0, "0 or more"),
            hidden_share=(0 <= self.hidden_share < 1, "from 0 to below 1: who hides all reads nothing"),
            max_len=(self.max_len > both_ways, "2 or more with hidden visits: the blank that is asked takes a place"),
        )


class TransformerEncoder(nn.Module):
    """Blocks that read a history, each head with its own preference for how far back."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        both_ways = config.hidden_share > 0
        self.visible = visible_all if both_ways else visible_history
        self.absolute = AbsolutePosition(config.dim, config.max_len) if config.positions == "absolute" else None
        self.relative = (
            RelativePosition(config.n_heads, config.max_len, ahead=config.max_len * both_ways)
            if config.positions == "relative"
            else None
        )
        self.time = TimeBias(config.n_heads) if config.time_bias else None
        turn = RotaryPosition(config.dim // config.n_heads) if config.positions == "rotary" else None
        self.blocks = nn.ModuleList(
            Block(config.dim, config.n_heads, config.dropout, config.norm, config.feed_forward, config.gated, turn)
            for _ in range(config.n_blocks)
        )

    def forward(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:
        """Read visits x (W, T, D) where is_visit (W, T) bool, ages (W, T) in days  ->  (W, T, D)."""
        x, bias = self._placed(x, is_visit, ages)
        for block in self.blocks:
            x = block(x, bias)
        return x

    def newest(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:
        """Read as `forward`, for the newest visit's state alone: in the last block no other visit asks  ->  (W, D)."""
        x, bias = self._placed(x, is_visit, ages)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, bias if number < len(self.blocks) else bias[..., -1:, :])
        return x[:, -1]

    def keep(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> Tensor:
        """Read as `forward`, for what later visits will ask of these: keys and values (n_blocks, 2, W, n_heads, T, d)."""
        x, bias = self._placed(x, is_visit, ages)
        kept = []
        for block in cast("Iterable[Block]", self.blocks):
            _, key, value = block.attention.shares(block.reads(x))
            kept.append(torch.stack([key, value]))
            x = block(x, bias)
        return torch.stack(kept)

    def step(self, x: Tensor, ages: Tensor | None, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Read one visit more than the P of which keys and values are kept, causally: x (W, 1, D).

        ages: (W, P + 1) of all in days, where there is a time bias
        ->  its state (W, D), and its own keys and values (n_blocks, 2, W, n_heads, 1, d)
        """
        place, found = kept.size(-2), []
        bias = x.new_zeros(1, 1, 1, place + 1) if self.relative is None else self.relative.newest(place + 1)
        if self.time is not None:
            assert ages is not None
            bias = bias + self.time(ages, ages[:, -1:])
        if self.absolute is not None:
            x = x + self.absolute.vectors.weight[place : place + 1]
        for block, before in zip(cast("Iterable[Block]", self.blocks), kept.unbind(), strict=True):
            query, *own = block.attention.shares(block.reads(x), place)
            keys, values = (torch.cat(both, -2) for both in zip(before.unbind(), own, strict=True))
            x = block.after(x, block.attention.mix(query, keys, values, bias))
            found.append(torch.stack(own))
        return x[:, -1], torch.stack(found)

    def _placed(self, x: Tensor, is_visit: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        """Give visits their places, and say what may be read: (W, T, D), (W, n_heads or 1, T, T)."""
        bias = x.new_zeros(()).masked_fill(~self.visible(is_visit)[:, None], -torch.inf)  # (W, 1, T, T)
        if self.relative is not None:
            bias = bias + self.relative(x.size(1))
        if self.time is not None:
            bias = bias + self.time(ages)
        if self.absolute is not None:
            x = x + self.absolute(is_visit)
        return x, bias


class Transformer(SequenceModel):
    """The Transformer as a recommender: causal, or reading both ways where visits are hidden."""

    Config: ClassVar[type[TransformerConfig]] = TransformerConfig
    config: TransformerConfig

    def objective(self) -> Objective:
        """Say what the model is asked while it learns."""
        return HiddenVisits(self.config.hidden_share) if self.config.hidden_share else NextVisit()

    def encoder(self) -> nn.Module:
        """Make the blocks, not trained yet."""
        return TransformerEncoder(self.config)


def attention_weights(model: Transformer, histories: Histories) -> tuple[Rectangle, list[Tensor]]:
    """Show where a trained Transformer reads: the newest visits of B histories, and the weights that each block gave them.

    ->  the rectangle of T visits, and for every block (B, n_heads, T, T), each row summing to 1
    """
    visited, objective = visits(histories), model.objective()
    read = newest_window(visited, model.config.max_len - objective.n_blanks)
    window = objective.question(lay_out(histories, visited, read))
    found: list[Tensor] = []

    def listen(attention: SelfAttention, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
        found.append(attention.weights(*inputs))

    readers = [part for part in model.module.modules() if isinstance(part, SelfAttention)]
    handles = [reader.register_forward_hook(listen) for reader in readers]
    model.module.eval()
    try:
        with torch.no_grad():
            model.module(window)
    finally:
        for handle in handles:
            handle.remove()
    return window, found
