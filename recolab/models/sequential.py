"""Sequence models of every architecture: one network, one way to learn and one to score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from recolab.histories import PAD, Catalog, Histories, bucketed_batches, lay_out, newest_window, visits
from recolab.lab import write_atomically
from recolab.losses import catalog_loss, full_cross_entropy
from recolab.losses.one_pass import fill_with_products
from recolab.models.item_vectors import cooccurrence_vectors
from recolab.models.network import READ_POSITIONS, SequenceConfig, SequenceNetwork
from recolab.models.objectives import Batch, Batches, NextVisit, Objective
from recolab.training import Loss, TrainConfig, fit

START_NORM = 0.5  # mean length of a warm start's vectors: longer ones begin surer than neighbours can be


class SequenceModel:
    """A sequence model as a recommender: packed histories in, scores of the catalog out.

    An architecture gives a name, a config and an encoder: (W, T, D) visits, (W, T) is_visit and (W, T) ages in days -> (W, T, D).
    """

    name: str
    Config: ClassVar[type[SequenceConfig]]

    def __init__(
        self, config: SequenceConfig | None = None, training: TrainConfig | None = None, name: str | None = None
    ) -> None:
        self.config, self.training = config or self.Config(), training or TrainConfig()
        self.name = name or type(self).__name__
        self.log: list[dict[str, float]] = []

    @property
    def n_items(self) -> int:
        """Count the rows of the item table, PAD included; raises ValueError where there is none before `fit` or `begin`."""
        if not hasattr(self, "module"):
            raise ValueError(f"{self.name} has no item table yet: fit it first")
        return self.module.table.num_embeddings

    def encoder(self) -> nn.Module:
        """Make the part that reads a history, not trained yet."""
        raise NotImplementedError

    def network(self, n_items: int) -> SequenceNetwork:
        """Make the whole network, not trained yet."""
        return SequenceNetwork(n_items, self.config, self.encoder)

    def objective(self) -> Objective:
        """Say what the model is asked while it learns."""
        return NextVisit()

    def fit(
        self,
        histories: Histories,
        catalog: Catalog,
        validate: Callable[[Self], float] | None = None,
        checkpoint: Path | None = None,
    ) -> Self:
        """Learn to foresee each visit from those that may be read.

        validate: model -> score, for an early stop; without it all epochs run    checkpoint: where to resume from
        """
        self.begin(histories, catalog)
        batches = Batches(histories, self.objective(), self.config.max_len, self.config.batch_positions)
        return self.learn(histories, batches.epoch, self.training, validate, checkpoint)

    def begin(self, histories: Histories, catalog: Catalog) -> Self:
        """Make the network that knows nothing yet but, with a warm start, which items stand near each other."""
        torch.manual_seed(self.training.seed)
        self.module = self.network(len(catalog))
        self._count_sales(histories)
        if self.config.warm_start:
            vectors = cooccurrence_vectors(histories, len(catalog), self.config.dim, self.training.seed)
            with torch.no_grad():
                self.module.table.weight[1:] = START_NORM * torch.from_numpy(vectors[1:])
        return self

    def grown(self, vectors: NDArray[np.float32]) -> Self:
        """Copy what was learned to a network of more items, whose first vectors are these: (M, D) of the M new rows."""
        weights = self.module.state_dict()
        table = torch.cat([weights["table.weight"], torch.from_numpy(vectors)])
        larger = type(self)(self.config, self.training, self.name)
        larger.module = larger.network(len(table))
        larger.module.load_state_dict(weights | {"table.weight": table})
        larger._popularity = np.pad(self._popularity, (0, len(vectors)))
        return larger

    def learn(
        self,
        histories: Histories,
        batches_of: Callable[[np.random.Generator], Iterable[Batch]],
        config: TrainConfig,
        validate: Callable[[Self], float] | None = None,
        checkpoint: Path | None = None,
        loss_of: Loss | None = None,
    ) -> Self:
        """Go on from the weights there are, with the batches of each epoch.

        histories: all that is known, for what sells: who has no past gets it, and sampled items are drawn by it
        validate, checkpoint: as in `fit`    loss_of: what is asked of a batch; by default, what the config says
        """
        sold = self._count_sales(histories)
        check = None if validate is None else (lambda: validate(self))
        self.log = fit(self.module, loss_of or self._asking(sold), batches_of, config, check, checkpoint)
        return self

    def _count_sales(self, histories: Histories) -> NDArray[np.int64]:
        """Count how often each item was had, (N,), and keep it for who has no past."""
        sold = np.bincount(histories.items, minlength=self.n_items)
        self._popularity = np.log1p(sold.astype(np.float32))
        return sold

    def _asking(self, sold: NDArray[np.int64]) -> Loss:
        """Ask for what came next, of the whole catalog or of items drawn by what sold (N,)."""
        sampled = catalog_loss(self.config.loss, torch.from_numpy(sold), self.config.negatives)

        def loss_of(batch: Batch, done: float) -> tuple[Tensor, int]:
            ask = sampled if done < self.config.sampled_share else full_cross_entropy
            asked, owners = np.unique(batch.owners, return_inverse=True)  # what is asked nothing meets no catalog
            hidden = self.module.asked(batch)[torch.from_numpy(asked)]
            closed = None if batch.closed is None else torch.from_numpy(batch.closed[asked])
            targets = torch.from_numpy(batch.targets)
            return ask(hidden, self.module.table.weight, torch.from_numpy(owners), targets, closed), len(targets)

        return loss_of

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score the catalog as what the next visit holds: B histories -> (B, N), PAD at -inf; no past, what sells most.

        Raises ValueError before `fit`.
        """
        scored = torch.empty(len(histories), self.n_items)
        visited, objective = visits(histories), self.objective()
        windows = newest_window(visited, self.config.max_len - objective.n_blanks)
        lengths = windows[:, 1] - windows[:, 0]
        some = np.flatnonzero(lengths > 0)
        hidden = torch.zeros(len(histories), self.config.dim)
        self.module.eval()
        with torch.inference_mode():
            for chosen in bucketed_batches(lengths[some], READ_POSITIONS):
                window = lay_out(histories, visited, windows[some[chosen]])
                hidden[some[chosen]] = self.module.newest(objective.question(window))
            fill_with_products(scored, hidden, self.module.table.weight)
        scores: NDArray[np.float32] = scored.numpy()
        scores[lengths == 0] = self._popularity
        scores[:, PAD] = -np.inf
        return scores

    def item_vectors(self) -> NDArray[np.float32]:
        """Give each item's direction in the table: (N, D), of length 1, PAD of length 0."""
        vectors: NDArray[np.float32] = F.normalize(self.module.table.weight.detach(), dim=1).numpy()
        return vectors

    def save(self, path: Path) -> None:
        """Write the weights and the settings in one safetensors file, to a temporary name first."""
        weights = self.module.state_dict() | {"popularity": torch.from_numpy(self._popularity)}
        note = {"config": asdict(self.config), "training": asdict(self.training), "name": self.name}
        with write_atomically(path) as temporary:
            save_file(weights, temporary, {"architecture": type(self).__name__, "settings": json.dumps(note)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises ValueError where it is damaged, or another architecture or version wrote it."""
        try:
            with safe_open(path, framework="pt") as file:
                note, weights = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged or holds no model ({error}): train it again") from error
        if (found := (note or {}).get("architecture", "file that no model here wrote")) != cls.__name__:
            raise ValueError(f"{path} holds a {found}, not a {cls.__name__}: load it as what it is, or train it again")
        try:
            settings = json.loads(note["settings"])
            model = cls(cls.Config(**settings["config"]), TrainConfig(**settings["training"]), settings["name"])
            model._popularity = weights.pop("popularity").numpy()
            model.module = model.network(len(model._popularity))
            model.module.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError) as error:  # a field or a weight that only one of the versions knows
            raise ValueError(f"{path} was written by another version of recolab ({error}): train it again") from error
        model.module.eval()
        return model
