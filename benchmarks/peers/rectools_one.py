"""How long RecTools' SASRec takes for one user's list: python -m benchmarks.peers.rectools_one LOG LENGTH, in the environment of rectools.txt.

The model learns from a few batches only: what its weights say does not change how long it is asked. Leaves one.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from pytorch_lightning import Trainer
from rectools.models import SASRecModel

from benchmarks.peers.rectools_sasrec import table
from benchmarks.peers.shared import K, read_log

WARM, ASKED = 20, 200
BATCHES = 3


def brief() -> Trainer:
    """Train for a few batches, without a word and without files."""
    return Trainer(
        max_epochs=1,
        limit_train_batches=BATCHES,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )


def main(path: Path, length: int) -> None:
    """Ask for one user's list after another's."""
    log = read_log(path)
    dataset = table(log)
    model = SASRecModel(
        n_blocks=2, n_heads=2, n_factors=64, session_max_len=length, loss="softmax", get_trainer_func=brief
    )
    model.fit(dataset)
    users = np.random.default_rng(7).choice(sorted(log), WARM + ASKED)
    taken = []
    for user in users:
        started = time.perf_counter()
        model.recommend(users=[user], dataset=dataset, k=K, filter_viewed=True)
        taken.append(time.perf_counter() - started)
    Path("one.json").write_text(json.dumps(taken[WARM:]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
