"""How good is one sequence model of ids alone after four minutes, everything counted from the raw file on?

python -m benchmarks.quick    # three minutes

Beauty, leave-one-out, all items ranked, history masked; the settings were found on the validation (README.md says what else was
tried, and what was known of the test by then); the epoch is chosen on 3,000 of its users. Three seeds, each in a process of its
own. The clock counts reading, cutting, the warm table, training and every look at the validation; a full evaluation of the test has
a clock of its own.
"""

from __future__ import annotations

import json
import time
from functools import partial

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.grounds import beauty
from benchmarks.kept import kept
from benchmarks.peers.shared import peak_gb
from benchmarks.stamped import write_table
from recolab.evaluation import judge, leaderboard, validation_score
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
LOOK_USERS = 3000
SHAPE = TransformerConfig(dim=128, dropout=0.3, input_dropout=0.2, negatives=0, max_len=50)
EPOCHS = 4
PUBLISHED, PEER = 0.0588, "SASRec, full cross-entropy, tuned on 108 settings (time-to-split)"


def measure(seed: int) -> pl.DataFrame:
    """Train from the raw file, then judge  ->  one row."""
    started = time.perf_counter()
    ground = beauty()
    few = ground.few(LOOK_USERS)
    model = Transformer(SHAPE, TrainConfig(EPOCHS, patience=EPOCHS, seed=seed, progress=False))
    model.fit(ground.past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
    trained, peak = time.perf_counter(), peak_gb()
    judged = judge([model], ground.test)
    ended = time.perf_counter()
    seconds = {"seconds": trained - started, "evaluation_seconds": ended - trained, "peak_gb": peak}
    row = leaderboard(judged, np.random.default_rng(seed)).select(
        "users", "ndcg@10", "ndcg@10_low", "ndcg@10_high", "hr@10"
    )
    return row.select(pl.lit(seed).alias("seed"), pl.all()).with_columns(**{n: pl.lit(v) for n, v in seconds.items()})


def main() -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 18 shows."""
    rows = pl.concat([kept("quick", f"{seed}", partial(apart, measure, seed)) for seed in SEEDS])
    for row in rows.iter_rows(named=True):
        for unit, value in row.items():
            if unit not in ("seed", "users"):
                beside = (PEER, round(value / PUBLISHED, 3)) if unit == "ndcg@10" else (None, None)
                line = {"benchmark": "quick", "case": f"Beauty, seed {row['seed']}", "system": "recolab Transformer"}
                line |= {"value": round(value, 4), "unit": unit, "peer": beside[0], "ratio": beside[1]}
                print(json.dumps(line), flush=True)
    write_table("quick", rows)


if __name__ == "__main__":
    main()
