"""The next-visit Transformer: read a history visit by visit, score the shelf after each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from recolab.attention import Block, RelativePosition, visible_history
from recolab.histories import (
    PAD,
    Catalog,
    Histories,
    Rectangle,
    all_windows,
    bucketed_batches,
    lay_out,
    newest_window,
    next_visits,
    visits,
)
from recolab.lab import write_atomically
from recolab.losses import full_cross_entropy, sampled_cross_entropy
from recolab.models.item_vectors import cooccurrence_vectors
from recolab.training import TrainConfig, fit


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of the model, and the length and number of what it reads."""

    dim: int = 64
    n_heads: int = 2
    n_blocks: int = 2
    max_len: int = 64  # visits read at most
    dropout: float = 0.2
    negatives: int = 2048  # items sampled per batch; 0 asks the whole catalog
    batch_positions: int = 2048  # visits in a batch
    warm_start: bool = True  # begin from co-occurrence vectors instead of noise


class NextVisitTransformer(nn.Module):
    """Say, after every visit, what the next one will hold.

    Input and output share one item table, so the model has a single answer to "what is this item?", whichever
    side is asking. A visit of one item makes this SASRec (Kang & McAuley 2018) with a softmax.
    """

    def __init__(self, n_items: int, config: TransformerConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(n_items, config.dim, padding_idx=PAD)
        nn.init.normal_(self.table.weight, std=config.dim**-0.5)
        with torch.no_grad():
            self.table.weight[PAD] = 0
        self.dropout = nn.Dropout(config.dropout)
        self.position = RelativePosition(config.n_heads, config.max_len)
        self.blocks = nn.ModuleList(Block(config.dim, config.n_heads, config.dropout) for _ in range(config.n_blocks))
        self.norm_in, self.norm_out = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)

    def forward(self, batch: Rectangle) -> Tensor:
        """Encode every visit with all before it: W windows of at most T visits -> (W, T, D), nonsense where padded."""
        is_visit = torch.from_numpy(batch.is_visit)
        items, starts, cells = map(torch.from_numpy, (batch.items, batch.starts, batch.cells))
        size = torch.diff(starts, append=starts.new_tensor([len(items)]))
        # The sum of a visit's items over the root of their number: a large basket says more, but not ten times more.
        bag = F.embedding_bag(items, self.table.weight, starts, mode="sum") / size.sqrt()[:, None]
        x = bag.new_zeros(is_visit.numel(), bag.size(1)).index_copy(0, cells, bag).view(*is_visit.shape, -1)
        x = self.dropout(self.norm_in(x))
        visible = visible_history(is_visit)[:, None]  # (W, 1, T, T)
        bias = self.position(is_visit.size(1)).masked_fill(~visible, -torch.inf)
        for block in self.blocks:
            x = block(x, bias)
        encoded: Tensor = self.norm_out(x)
        return encoded


class Transformer:
    """The causal Transformer as a recommender: packed histories in, scores of the catalog out."""

    def __init__(
        self,
        config: TransformerConfig | None = None,
        training: TrainConfig | None = None,
        name: str = "Transformer",
    ) -> None:
        self.config, self.training = config or TransformerConfig(), training or TrainConfig()
        self.name = name
        self.log: list[dict[str, float]] = []

    def fit(
        self,
        histories: Histories,
        catalog: Catalog,
        validate: Callable[[Self], float] | None = None,
        checkpoint: Path | None = None,
    ) -> Self:
        """Learn to foresee each visit from those before it.

        validate: model -> score, for an early stop; without it all epochs run    checkpoint: where to resume from
        """
        torch.manual_seed(self.training.seed)
        self.module = NextVisitTransformer(len(catalog), self.config)
        if self.config.warm_start:
            vectors = cooccurrence_vectors(histories, len(catalog), self.config.dim, self.training.seed)
            with torch.no_grad():
                self.module.table.weight[1:] = torch.from_numpy(vectors[1:])
        self._popularity = np.log1p(np.bincount(histories.items, minlength=len(catalog)).astype(np.float32))
        batches = _Batches(histories, self.config)
        check = None if validate is None else (lambda: validate(self))
        loss = self._loss(torch.from_numpy(np.bincount(histories.items, minlength=len(catalog)) + 1.0))
        self.log = fit(self.module, loss, batches.epoch, self.training, check, checkpoint)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score the catalog as what the next visit holds: B histories -> (B, N), PAD at -inf; no past, what sells most."""
        visited = visits(histories)
        windows = newest_window(visited, self.config.max_len)
        lengths = windows[:, 1] - windows[:, 0]
        scores = np.tile(self._popularity, (len(histories), 1))
        some = np.flatnonzero(lengths > 0)
        self.module.eval()
        with torch.inference_mode():
            for chosen in bucketed_batches(lengths[some], self.config.batch_positions):
                hidden = self.module(lay_out(histories, visited, windows[some[chosen]]))[:, -1]
                scores[some[chosen]] = (hidden @ self.module.table.weight.T).numpy()
        scores[:, PAD] = -np.inf
        return scores

    def save(self, path: Path) -> None:
        """Write the weights and the settings in one safetensors file, to a temporary name first."""
        weights = self.module.state_dict() | {"popularity": torch.from_numpy(self._popularity)}
        note = {
            "config": json.dumps(asdict(self.config)),
            "training": json.dumps(asdict(self.training)),
            "name": self.name,
        }
        with write_atomically(path) as temporary:
            save_file(weights, temporary, note)

    def _loss(self, popularity: Tensor) -> Callable[[_Batch], tuple[Tensor, int]]:
        popularity[PAD] = 0
        # Draws follow the square root of popularity: between what sells and what there is.
        chance = popularity.sqrt() / popularity.sqrt().sum()
        n_drawn = self.config.negatives

        def loss_of(batch: _Batch) -> tuple[Tensor, int]:
            hidden = self.module(batch.windows).flatten(0, 1)[torch.from_numpy(batch.windows.cells)]
            owners, targets, table = (
                torch.from_numpy(batch.owners),
                torch.from_numpy(batch.targets),
                self.module.table.weight,
            )
            if not n_drawn:
                return full_cross_entropy(hidden, table, owners, targets), len(targets)
            drawn = torch.multinomial(chance, n_drawn, replacement=True)
            log_expected = (chance[drawn] * n_drawn).log().float()
            return sampled_cross_entropy(hidden, table, owners, targets, drawn, log_expected), len(targets)

        return loss_of


def load_transformer(path: Path) -> Transformer:
    """Read what `Transformer.save` wrote."""
    with safe_open(path, framework="pt") as file:
        note, weights = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    model = Transformer(
        TransformerConfig(**json.loads(note["config"])), TrainConfig(**json.loads(note["training"])), note["name"]
    )
    model._popularity = weights.pop("popularity").numpy()
    model.module = NextVisitTransformer(len(model._popularity), model.config)
    model.module.load_state_dict(weights)
    model.module.eval()
    return model


@dataclass(frozen=True)
class _Batch:
    windows: Rectangle
    owners: NDArray[np.int64]
    targets: NDArray[np.int64]


class _Batches:
    """Every visit that has a successor, once an epoch, in batches of like length."""

    def __init__(self, histories: Histories, config: TransformerConfig) -> None:
        self.histories, self.visited, self.positions = histories, visits(histories), config.batch_positions
        self.windows = all_windows(self.visited, config.max_len)

    def epoch(self, rng: np.random.Generator) -> Iterator[_Batch]:
        """Draw the batches of one epoch."""
        for chosen in bucketed_batches(self.windows[:, 1] - self.windows[:, 0], self.positions, rng):
            windows = self.windows[chosen]
            owners, targets = next_visits(self.histories, self.visited, windows)
            if len(targets):
                yield _Batch(lay_out(self.histories, self.visited, windows), owners, targets)
