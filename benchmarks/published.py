"""Do the sequence models reach published numbers? On Beauty, leave-one-out, all items ranked, as the papers did it.

python -m benchmarks.published    # twenty minutes; name one of CASES to measure that one alone
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from benchmarks.grounds import Ground, beauty
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from recolab.evaluation import judge, validation_score
from recolab.metrics import bootstrap_interval
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
EPOCHS = 30  # all of them run, down to the end of the cosine; the best on validation is kept
LOOK_USERS = 3000  # asked after every epoch


@dataclass(frozen=True)
class Case:
    """Our model, and the published one that it is set beside."""

    shape: TransformerConfig
    beside: str
    published: float


# The settings of a sketch that was made on validation before this: strong dropout, and one block where all items are asked.
CASES = {
    "full": Case(
        TransformerConfig(n_blocks=1, dropout=0.5, negatives=0, max_len=50),
        "SASRec, full cross-entropy, tuned on 108 settings (time-to-split)",
        0.0588,
    ),
    "gated": Case(
        TransformerConfig(dropout=0.5, negatives=256, max_len=50, gated=True, feed_forward="swiglu"),
        "eSASRec, LiGR blocks, 256 negatives",
        0.0523,
    ),
}


def measure(ground: Ground, case: Case, seed: int) -> pl.DataFrame:
    """Learn with one seed, and ask the test once: a row for each user."""
    few = ground.few(LOOK_USERS)
    model = Transformer(case.shape, TrainConfig(EPOCHS, patience=EPOCHS, seed=seed, progress=False))
    model.fit(ground.past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
    seconds = sum(row["seconds"] for row in model.log)
    return judge([model], ground.test).with_columns(seed=pl.lit(seed), seconds=pl.lit(seconds))


def main(names: list[str]) -> None:
    """Measure, print one JSON line per seed, and write the table that notebook 07 shows."""
    ground, rows = beauty(), []
    for name in names:
        case, tables = CASES[name], []
        for seed in SEEDS:
            tables.append(kept("published", f"{name}, {seed}", partial(measure, ground, case, seed)))
            figure = {"benchmark": "published", "case": f"Beauty, {name}, seed {seed}", "system": "recolab Transformer"}
            value = float(tables[-1]["ndcg@10"].to_numpy().mean())
            figure |= {"value": round(value, 4), "unit": "ndcg@10", "peer": case.beside}
            print(json.dumps(figure | {"ratio": round(value / case.published, 3)}), flush=True)
        users = pl.concat(tables).group_by("user").agg(pl.col("ndcg@10", "hr@10").mean())
        low, high = bootstrap_interval(users["ndcg@10"].to_numpy(), np.random.default_rng(0))
        row = {
            "case": name,
            "ndcg@10": users["ndcg@10"].mean(),
            "low": low,
            "high": high,
            "hr@10": users["hr@10"].mean(),
        }
        seconds = float(np.median([table["seconds"][0] for table in tables]))
        rows.append(row | {"training, seconds": seconds, "beside": case.beside, "published": case.published})
    write_table("published", pl.DataFrame(rows), replacing="case")


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
