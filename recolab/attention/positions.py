"""Where and when: four ways to tell attention how far back something stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AbsolutePosition(nn.Module):
    """A learned vector for the first event, the second, ... added to what was read (Vaswani et al. 2017, sec. 3.5).

    Counted from the first real event, so padding moves nothing; cutting off the oldest event moves everything.
    """

    def __init__(self, dim: int, max_len: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(max_len, dim)
        nn.init.normal_(self.vectors.weight, std=0.02)

    def forward(self, is_event: Tensor) -> Tensor:
        """Look up the vector of every position: is_event (B, T) bool -> (B, T, D)."""
        place = (is_event.cumsum(1) - 1).clamp(0, self.vectors.num_embeddings - 1)
        vectors: Tensor = self.vectors(place)
        return vectors


class RelativePosition(nn.Module):
    """A learned preference of each head for how far back it reads (after Shaw et al. 2018, in the additive form of T5).

    Distances count back from the reader's own now, so neither padding nor a longer past moves them.
    ahead: how many steps forward are told apart, for a reader of both ways
    """

    def __init__(self, n_heads: int, max_len: int, ahead: int = 0) -> None:
        super().__init__()
        self.ahead = ahead
        self.bias = nn.Parameter(torch.zeros(n_heads, ahead + max_len))

    def forward(self, length: int) -> Tensor:
        """Lay the biases out: (n_heads, T, T), entry [h, t, s] for reading t - s steps back."""
        steps = torch.arange(length, device=self.bias.device)
        back = (steps[:, None] - steps[None, :] + self.ahead).clamp(0, self.bias.size(1) - 1)
        laid_out: Tensor = self.bias[:, back]
        return laid_out

    def newest(self, length: int) -> Tensor:
        """Lay out the last reader's row alone, of at most max_len steps: (n_heads, 1, T)."""
        return self.bias[:, self.ahead : self.ahead + length].flip(-1)[:, None]


class RotaryPosition(nn.Module):
    """Turn queries and keys by an angle that grows with their place: their fit then knows only the distance (Su et al. 2021)."""

    def __init__(self, head_dim: int, base: float = 10_000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise ValueError(f"a head of width {head_dim} has no pairs to turn: make dim / n_heads even")
        speeds = base ** -(torch.arange(0, head_dim, 2) / head_dim)
        self.register_buffer("speeds", speeds, persistent=False)
        self.speeds: Tensor

    def forward(self, x: Tensor, place: int = 0) -> Tensor:
        """Turn each pair of numbers by its own speed times the place, the first standing at `place`: (..., T, d) -> (..., T, d)."""
        places = torch.arange(place, place + x.size(-2), device=x.device)
        angle = places[:, None] * self.speeds.to(x.dtype)  # (T, d/2)
        cos, sin = angle.cos(), angle.sin()
        first, second = x[..., 0::2], x[..., 1::2]
        return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)


class TimeBias(nn.Module):
    """A learned preference of each head for how long ago it reads, in doubling steps (after HSTU, Zhai et al. 2024).

    The steps begin at 0, 1, 2, 4, 8, ... days, each half a day early: one who comes daily is never a minute too soon.
    """

    def __init__(self, n_heads: int, n_steps: int = 12) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_heads, n_steps))

    def forward(self, ages: Tensor, readers: Tensor | None = None) -> Tensor:
        """Lay the biases out: ages (B, T) in days, those of S readers (all by default) -> (B, n_heads, S, T)."""
        readers = ages if readers is None else readers
        apart = (readers[:, :, None] - ages[:, None, :]).abs()
        step = (2 * apart + 1).log2().floor().long().clamp(max=self.bias.size(1) - 1)
        laid_out: Tensor = self.bias[:, step].transpose(0, 1)
        return laid_out
