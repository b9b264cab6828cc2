"""RecTools' SASRec: python -m benchmarks.peers.rectools_sasrec LOG LOSS SECONDS, in the environment of rectools.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from benchmarks.peers.shared import K, Log, Peer, read_log, run

LENGTH = 50


def table(log: Log) -> Dataset:
    """Lay a log out as RecTools wants it; its clock is the position."""
    rows = [(user, item, at) for user, items in log.items() for at, item in enumerate(items)]
    events = pd.DataFrame(rows, columns=[Columns.User, Columns.Item, Columns.Datetime])
    events[Columns.Datetime] = pd.to_datetime(events[Columns.Datetime], unit="D")
    events[Columns.Weight] = 1.0
    return Dataset.construct(events)


def make(path: Path, loss: str) -> Peer:
    """Make a model with RecTools' own batch, optimizer and learning rate."""
    seed_everything(7)
    log = read_log(path)
    learn, known = (
        table({u: items[:-2] for u, items in log.items()}),
        table({u: items[:-1] for u, items in log.items()}),
    )
    model = SASRecModel(
        n_blocks=2,
        n_heads=2,
        n_factors=64,
        session_max_len=LENGTH,
        dropout_rate=0.5,
        loss=loss,
        n_negatives=256,
    )

    def one_epoch() -> None:
        model.fit_partial(learn, min_epochs=1, max_epochs=1)

    def lists() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        users = np.array(sorted(log))
        found = model.recommend(users, known, k=K, filter_viewed=True)
        items = np.zeros((len(users), K), np.int64)
        items[np.searchsorted(users, found[Columns.User]), found[Columns.Rank] - 1] = found[Columns.Item]
        return users, items

    return Peer(sum(min(len(items) - 3, LENGTH) for items in log.values()), one_epoch, lists)


if __name__ == "__main__":
    run(make)
