"""The encoder–decoder: read a history, then write the list, every item knowing those already on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recolab.attention import DecoderBlock, RelativePosition
from recolab.histories import PAD, Catalog, Histories, Rectangle, bucketed_batches, lay_out, newest_window, visits
from recolab.models.network import READ_POSITIONS, SequenceNetwork
from recolab.models.objectives import Batch, Objective
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import TransformerConfig, TransformerEncoder
from recolab.models.writing import ListsBatch, WriteNext, write_best
from recolab.training import TrainConfig, require

LEAST = 16  # visits: what a list costs at least while it is written, mostly for the scores of the catalog


@dataclass(frozen=True)
class EncoderDecoderConfig(TransformerConfig):
    """The shape of the encoder, and of the decoder that writes after it."""

    n_decoder_blocks: int = 2
    list_len: int = 10  # items of a list while it learns; it may write longer ones
    list_share: float = 0.125  # of the visits, after which a list is begun, drawn anew every epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self,
            n_decoder_blocks=(self.n_decoder_blocks >= 0, "0 or more"),
            list_len=(self.list_len >= 1, "1 or more"),
            list_share=(0 <= self.list_share <= 1, "from 0 (one list a window) to 1"),
        )


class Reading(nn.Module):
    """Say how much each list likes to read of what: nothing, or a visit so many visits before its beginning."""

    def __init__(self, n_heads: int, max_len: int) -> None:
        super().__init__()
        self.back = RelativePosition(n_heads, max_len)

    def forward(self, is_visit: Tensor, newest: Tensor) -> Tensor:
        """Lay the biases out: is_visit (W, T), newest (W, C) column  ->  (W, n_heads, C, 1 + T), first that of nothing."""
        T = is_visit.size(1)
        may_read = is_visit[:, None, :] & (torch.arange(T) <= newest[:, :, None])
        bias = self.back(T)[:, newest.clamp(min=0)].transpose(0, 1)
        bias = bias.masked_fill(~may_read[:, None], -torch.inf)
        return torch.cat([bias.new_zeros(*bias.shape[:3], 1), bias], 3)


class WritingNetwork(SequenceNetwork):
    """Read visits as every sequence network does, then write lists after some of them.

    The encoder reads the past only, so that it reads a window once for all the lists that begin in it: one that reads
    both ways would have to read the window anew for every list, or would tell each what is to come.
    """

    def __init__(self, n_items: int, config: EncoderDecoderConfig, make_encoder: Callable[[], nn.Module]) -> None:
        super().__init__(n_items, config, make_encoder)
        self.start = nn.Parameter(torch.zeros(config.dim))  # added to what a list begins with
        self.nothing = nn.Parameter(torch.zeros(config.dim))  # what is read where there is no past
        self.norm_written = nn.LayerNorm(config.dim)
        self.order = RelativePosition(config.n_heads, config.list_len)
        self.reading = Reading(config.n_heads, config.max_len)
        self.writer = nn.ModuleList(
            DecoderBlock(config.dim, config.n_heads, config.dropout) for _ in range(config.n_decoder_blocks)
        )

    def write(self, encoded: Tensor, is_visit: Tensor, newest: Tensor, written: Tensor) -> Tensor:
        """Say after every step of C lists a window what comes next: the first state knows nothing that is written.

        encoded: (W, T, D)    is_visit: (W, T)    newest: (W, C) column of the last visit a list may read, -1 for none
        written: (W, C, t) rows  ->  (W, C, t + 1, D)
        """
        W, C, t = written.shape
        memory = torch.cat([self.nothing.expand(W, 1, -1), encoded], 1)
        # A list begins with what the encoder foresees: attention alone is slow to learn which visit is the newest.
        foreseen = memory.gather(1, (newest + 1)[:, :, None].expand(-1, -1, memory.size(2)))
        start = (self.start + foreseen)[:, :, None]
        x = self.dropout(self.norm_written(torch.cat([start, self.table(written)], 2))).flatten(1, 2)
        # The lists of a window stand side by side, so that what they read is projected once, not once a list.
        own, cross = self._own_bias(C, t + 1), self.reading(is_visit, newest).repeat_interleave(t + 1, 2)
        for block in self.writer:
            x = block(x, memory, own, cross)
        states: Tensor = self.norm_out(x).view(W, C, t + 1, -1)
        return states

    def asked(self, batch: Batch) -> Tensor:
        """Give the states of all steps that are asked: (P, D)."""
        assert isinstance(batch, ListsBatch)  # what WriteNext makes
        is_visit, newest, written = map(torch.from_numpy, (batch.windows.is_visit, batch.newest, batch.written))
        states = self.write(self(batch.windows), is_visit, newest, written[:, :, :-1])
        return states.flatten(0, 2)[torch.from_numpy(batch.steps)]

    def _own_bias(self, C: int, length: int) -> Tensor:
        """Let each step read its own list so far: (1, n_heads, C * length, C * length)."""
        which, step = torch.arange(C * length) // length, torch.arange(C * length) % length
        sees = (which[:, None] == which) & (step[:, None] >= step)
        order: Tensor = self.order(length)
        return order.repeat(1, C, C).masked_fill(~sees, -torch.inf)[None]


class EncoderDecoder(SequenceModel):
    """The encoder–decoder as a recommender: it scores the first item of its list, or writes the list."""

    Config: ClassVar[type[EncoderDecoderConfig]] = EncoderDecoderConfig
    config: EncoderDecoderConfig
    module: WritingNetwork

    def __init__(
        self, config: EncoderDecoderConfig | None = None, training: TrainConfig | None = None, name: str | None = None
    ) -> None:
        super().__init__(config, training, name)
        if self.config.hidden_share:
            raise ValueError("hidden_share makes the encoder read both ways, and then it reads what is to be written")

    def encoder(self) -> nn.Module:
        """Make the blocks that read, not trained yet."""
        return TransformerEncoder(self.config)

    def network(self, n_items: int) -> WritingNetwork:
        """Make reader and writer, not trained yet."""
        return WritingNetwork(n_items, self.config, self.encoder)

    def objective(self) -> Objective:
        """Ask for what follows, in lists."""
        return WriteNext(self.config.list_len, self.config.list_share)

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score the catalog as the first item of a list, in logits: B histories -> (B, N), PAD at -inf."""
        scores = np.empty((len(histories), self.n_items), np.float32)
        for chosen, next_scores in self._readers(histories, 1):
            scores[chosen] = next_scores(torch.zeros(len(chosen), 1, 0, dtype=torch.long))[:, 0].numpy()
        scores[:, PAD] = -np.inf
        return scores

    def write(
        self,
        histories: Histories,
        k: int,
        beam: int = 1,
        *,
        allow_repeats: bool = True,
        forbidden: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Write k different items for each history, the likeliest list that a search of `beam` beginnings finds.

        allow_repeats: whether what a user had already may be written, as a Task asks    forbidden: (B, N) bool, what
        else may not  ->  rows (B, k), and (B, k) log-probability of each item after those before it, among all that could
        still be written; their sum is that of the list
        Raises ValueError for a beam or a k below 1, and where somebody may be given fewer than k items.
        """
        if min(beam, k) < 1:
            raise ValueError(f"beam = {beam} and k = {k} must be 1 or more")
        rows, log_p = np.empty((len(histories), k), np.int64), np.empty((len(histories), k), np.float32)
        for chosen, next_scores in self._readers(histories, beam):
            closed = np.zeros((len(chosen), self.n_items), bool) if forbidden is None else forbidden[chosen]
            closed[:, PAD] = True
            if not allow_repeats:
                past = histories.take(chosen)
                closed[past.owners, past.items] = True
            if (fewest := self.n_items - int(closed.sum(1).max())) < k:
                raise ValueError(f"a list of {k} is asked for, but somebody may be given {fewest} items only")
            with torch.inference_mode():
                found = write_best(next_scores, torch.from_numpy(closed), k, beam)
            rows[chosen], log_p[chosen] = (part.numpy() for part in found)
        return rows, log_p

    def _readers(
        self, histories: Histories, n_lists: int
    ) -> Iterator[tuple[NDArray[np.int64], Callable[[Tensor], Tensor]]]:
        """Read histories of like length together: their places (b,), and written (b, C, t) -> what follows (b, C, N)."""
        visited = visits(histories)
        windows = newest_window(visited, self.config.max_len)
        costs = np.maximum(windows[:, 1] - windows[:, 0], LEAST) * n_lists
        self.module.eval()
        for chosen in bucketed_batches(costs, READ_POSITIONS):
            yield chosen, self._reader(lay_out(histories, visited, windows[chosen]))

    def _reader(self, window: Rectangle) -> Callable[[Tensor], Tensor]:
        with torch.inference_mode():
            encoded, is_visit = self.module(window), torch.from_numpy(window.is_visit)
        newest = torch.where(is_visit.any(1), is_visit.size(1) - 1, -1)[:, None]

        @torch.inference_mode()
        def next_scores(written: Tensor) -> Tensor:
            states = self.module.write(encoded, is_visit, newest.expand(-1, written.size(1)), written)
            return states[:, :, -1] @ self.module.table.weight.T

        return next_scores


@dataclass
class Written:
    """The lists of an encoder–decoder as scores, so that whoever judges scores judges lists: the written items first.

    Below them stands the rest of the catalog by its chance to be the first item. allow_repeats: as the task has it
    """

    model: EncoderDecoder
    k: int = 10
    beam: int = 1
    allow_repeats: bool = True
    name: str = "EncoderDecoder, written"

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Train the writer."""
        self.model.fit(histories, catalog)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Rank what is written above all else: B histories -> (B, N), PAD at -inf."""
        scores = self.model.score(histories)
        rows, _ = self.model.write(histories, self.k, self.beam, allow_repeats=self.allow_repeats)
        top = scores.max(1, initial=-np.inf, keepdims=True)
        np.put_along_axis(scores, rows, top + np.arange(self.k, 0, -1, dtype=np.float32), 1)
        return scores
