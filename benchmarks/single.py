"""How good are sequence models of ids alone in so many minutes: one network, several, and one that these have taught?

python -m benchmarks.single                          # Beauty and Sports, three seeds: two hours
python -m benchmarks.single beauty --minutes 10      # as Beauty's rows in single.csv

Leave-one-out, all items ranked, history masked. The recipe (`growing`) chooses width, epochs, dropout and which networks answer
together on 10,000 users of the validation. What they say together is taught to one network twice as wide; `remember` gives it a
table of followers besides.

The test is asked once. "Transformer" is the one of the ensemble that validation likes best. A set's rows are replaced by those of
the newest run, so name all its seeds.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.kept import kept
from benchmarks.peers.shared import peak_gb
from benchmarks.sequences import SETS, asked_for
from benchmarks.stamped import write_table
from recolab.evaluation import Task, judge, leaderboard, validation_score
from recolab.folds import leave_one_out_tasks
from recolab.growing import best_epoch, grow_ensemble, remember, taught
from recolab.models.ensemble import Ensemble
from recolab.sources.amazon import find_sequences
from recolab.sources.sequences import read_sequences

MINUTES = 20.0
GROWN, TAUGHT, REMEMBERED = 0.75, 0.96, 0.98  # of the minutes, when each has to be over, but for what is under way then
LOOK_USERS = 10_000  # some hundred hits: fewer hardly tell one epoch from the next


def measure(folder: str, minutes: float, seed: int) -> pl.DataFrame:
    """Make all models from the raw file, and judge them  ->  a row a model; the judging has no part in the minutes."""
    whole, started = 60 * minutes, time.perf_counter()
    tables = read_sequences(folder)
    loo = leave_one_out_tasks(tables.events, tables.items)
    few = loo.validation.sample(LOOK_USERS, np.random.default_rng(seed))
    lesson = loo.training, few

    def passed() -> float:
        return time.perf_counter() - started

    ensemble = grow_ensemble(*lesson, GROWN * whole - passed(), seed)
    grown = passed()
    made: list[tuple[Any, float]] = [(ensemble.models[0], grown), (ensemble, grown)]
    student = taught(ensemble, *lesson, TAUGHT * whole - passed(), seed)
    made.append((student, passed()))
    made.append((remember(student, *lesson, REMEMBERED * whole - passed(), seed), passed()))
    return _rows(made, loo.test, few, seed)


def _rows(made: list[tuple[Any, float]], test: Task, few: Task, seed: int) -> pl.DataFrame:
    """Ask the test, and say beside each answer what was chosen on the validation: models, and the seconds until each was there."""
    peak, (models, seconds) = peak_gb(), zip(*made, strict=True)
    board = leaderboard(judge(models, test), np.random.default_rng(seed))
    scores = [bound for score in ("hr@10", "ndcg@10") for bound in (score, f"{score}_low", f"{score}_high")]
    networks = [None if isinstance(model, Ensemble) else getattr(model, "model", model) for model in models]
    chosen: dict[str, list[object]] = {
        "model": [model.name for model in models],
        "validation_ndcg@10": [validation_score(model, few) for model in models],
        "seconds": list(seconds),
        "trust": [getattr(model, "trust", 0.0) for model in models],
        "networks": [len(model.models) if isinstance(model, Ensemble) else 1 for model in models],
        "epochs": [network and best_epoch(network)[0] for network in networks],
        "planned": [network and network.training.epochs for network in networks],
    }
    chosen |= {
        name: [network and getattr(network.config, name) for network in networks]
        for name in ("dim", "dropout", "negatives")
    }
    judged = board.select("model", "users", *scores).join(pl.DataFrame(chosen), on="model", maintain_order="right")
    return judged.with_columns(peak_gb=pl.lit(peak))


def main(names: list[str], minutes: float, seeds: list[int]) -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 18 shows."""
    for name in names:
        shown, folder = SETS[name]
        rows = []
        for seed in seeds:
            run = partial(apart, measure, str(find_sequences(folder)), minutes, seed)
            found = kept("single", f"{name}, {seed}, {minutes:g} min", run)
            head = {"set": shown, "seed": seed, "minutes": minutes}
            rows.append(found.select(*(pl.lit(value).alias(name) for name, value in head.items()), pl.all()))
            for row in found.to_dicts():
                for score in ("hr@10", "ndcg@10"):
                    line = {"benchmark": "single", "case": f"{shown}, seed {seed}", "system": f"recolab {row['model']}"}
                    value = {"value": round(row[score], 4), "unit": score, "peer": None, "ratio": None}
                    print(json.dumps(line | value), flush=True)
        write_table("single", pl.concat(rows), replacing="set")


if __name__ == "__main__":
    main(*asked_for(__doc__, MINUTES))
