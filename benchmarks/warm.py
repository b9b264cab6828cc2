"""How many epochs does an item table save that starts from co-occurrence, and does it help a GRU and a CNN as well?

python -m benchmarks.warm    # half an hour; it goes on where it was stopped

Beauty's validation (3,000 of its users) after every epoch: width 64, 1,024 shared negatives, dropout .5, three seeds. Warm: the
truncated SVD of the positive PMI of items near each other in the training histories; its seconds count. Cold: noise. The
learning rate falls along the same cosine for both, so neither has the better schedule.
"""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.grounds import beauty
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from benchmarks.zoo import SEEDS
from recolab.evaluation import K, validation_score
from recolab.models.convolutional import NextItNet
from recolab.models.recurrent import Gru4Rec
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig

EPOCHS = 15
LOOK_USERS = 3000
SCORE = f"ndcg@{K}"
MODELS: dict[str, type[SequenceModel]] = {"Transformer": Transformer, "GRU4Rec": Gru4Rec, "NextItNet": NextItNet}
STARTS = {"warm": True, "cold": False}


def measure(name: str, start: str, seed: int) -> pl.DataFrame:
    """Train one model to the end of its cosine  ->  a row an epoch."""
    ground = beauty()
    few = ground.few(LOOK_USERS)
    shape = MODELS[name].Config(dropout=0.5, negatives=1024, max_len=50, warm_start=STARTS[start])
    model = MODELS[name](shape, TrainConfig(EPOCHS, patience=EPOCHS, seed=seed, progress=False))
    model.fit(ground.past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
    log = pl.DataFrame(model.log).select("epoch", "seconds", pl.col("validation").alias(SCORE))
    return log.select(pl.lit(name).alias("model"), pl.lit(start).alias("start"), pl.lit(seed).alias("seed"), pl.all())


def reached(curve: pl.DataFrame, score: float) -> int | None:
    """Say after which epoch a curve stands so high; None where it never does."""
    epoch: int | None = curve.filter(pl.col(SCORE) >= score)["epoch"].min()  # type: ignore[assignment]
    return epoch


def figures(name: str, rows: pl.DataFrame) -> dict[str, object]:
    """Ask after how many epochs the warm table stands where the cold one ends at best, on the mean of the seeds."""
    means = rows.group_by("start", "epoch", maintain_order=True).agg(pl.col(SCORE).mean())
    cold, warm = (means.filter(start=start) for start in ("cold", "warm"))
    best = float(np.max(cold[SCORE].to_numpy()))
    needed, warmed = reached(cold, best), reached(warm, best)
    line = {"benchmark": "warm", "case": f"Beauty, {name}", "system": "warm item table", "value": warmed}
    line |= {"unit": f"epochs to {best:.4f}", "peer": "cold item table", "peer_value": needed}
    return line | {"ratio": None if needed is None or warmed is None else round(needed / warmed, 2)}


def main() -> None:
    """Measure, print one JSON line per model, and write the table that notebook 18 shows."""
    tables = []
    for name in MODELS:
        runs = [(name, start, seed) for start in STARTS for seed in SEEDS]
        rows = pl.concat(kept("warm", ", ".join(map(str, run)), partial(apart, measure, *run)) for run in runs)
        print(json.dumps(figures(name, rows)), flush=True)
        tables.append(rows)
    write_table("warm", pl.concat(tables))


if __name__ == "__main__":
    main()
