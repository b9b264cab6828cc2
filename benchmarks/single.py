"""How good is one sequence model of ids alone in so many minutes? Beauty and Sports, three seeds, as the recipe grows it.

python -m benchmarks.single                          # Beauty and Sports: two hours
python -m benchmarks.single sports --minutes 10 --seeds 7

Leave-one-out, all items ranked, history masked. The recipe (`growing`) chooses width, epochs and dropout on 3,000 users of the
validation; the test is asked once. A set's rows are replaced by those of the newest run, so name all its seeds.
"""

from __future__ import annotations

import json
import time
from functools import partial

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.kept import kept
from benchmarks.peers.shared import peak_gb
from benchmarks.sequences import SETS, asked_for
from benchmarks.stamped import write_table
from recolab.evaluation import judge, leaderboard
from recolab.folds import leave_one_out_tasks
from recolab.growing import best_epoch, grow_transformer
from recolab.sources.amazon import find_sequences
from recolab.sources.sequences import read_sequences

MINUTES = 20.0
LOOK_USERS = 3000


def measure(folder: str, minutes: float, seed: int) -> pl.DataFrame:
    """Grow one model from the raw file, then judge it  ->  one row; the judging has no part in the minutes."""
    started = time.perf_counter()
    tables = read_sequences(folder)
    loo = leave_one_out_tasks(tables.events, tables.items)
    few = loo.validation.sample(LOOK_USERS, np.random.default_rng(seed))
    model = grow_transformer(loo.training, few, 60 * minutes - (time.perf_counter() - started), seed)
    seconds, peak = time.perf_counter() - started, peak_gb()
    board = leaderboard(judge([model], loo.test), np.random.default_rng(seed))
    scores = [bound for score in ("hr@10", "ndcg@10") for bound in (score, f"{score}_low", f"{score}_high")]
    epoch, validation = best_epoch(model)
    known = {"validation_ndcg@10": validation, "seconds": seconds, "peak_gb": peak, "dim": model.config.dim}
    known |= {"dropout": model.config.dropout, "negatives": model.config.negatives, "epochs": epoch}
    return board.select("users", *scores).with_columns(**{name: pl.lit(value) for name, value in known.items()})


def main(names: list[str], minutes: float, seeds: list[int]) -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 18 shows."""
    for name in names:
        shown, folder = SETS[name]
        rows = []
        for seed in seeds:
            run = partial(apart, measure, str(find_sequences(folder)), minutes, seed)
            found = kept("single", f"{name}, {seed}, {minutes:g} min", run)
            head = {"set": shown, "seed": seed, "minutes": minutes}
            rows.append(found.select(**{name: pl.lit(value) for name, value in head.items()}).hstack(found))
            for score in ("hr@10", "ndcg@10"):
                line = {"benchmark": "single", "case": f"{shown}, seed {seed}", "system": "recolab Transformer"}
                print(
                    json.dumps(line | {"value": round(found[score][0], 4), "unit": score, "peer": None, "ratio": None}),
                    flush=True,
                )
        write_table("single", pl.concat(rows), replacing="set")


if __name__ == "__main__":
    main(*asked_for(__doc__, MINUTES))
