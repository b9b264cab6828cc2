"""How does quality grow with width, depth, the length that is read, and data? One axis at a time, two seeds.

python -m benchmarks.scaling    # after `make report`; a quarter of an hour, on Complete Journey's validation cut
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from benchmarks.grounds import complete_journey
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from benchmarks.zoo import Entry, Ground, made
from recolab.evaluation import judge, leaderboard, validation_score
from recolab.models.transformer import Transformer

SEEDS = (7, 8)
EPOCHS = 5  # of all shoppers, at most; the best on validation is kept
AXES: dict[str, tuple[str, list[float]]] = {
    "width": ("dim", [8, 16, 32, 64, 128, 256]),
    "depth": ("n_blocks", [0, 1, 2, 4, 8]),
    "visits read": ("max_len", [1, 4, 16, 64, 128]),
    "share of shoppers": ("", [0.0625, 0.125, 0.25, 0.5, 1.0]),
}


def measure(ground: Ground, knobs: dict[str, Any], share: float, seed: int) -> pl.DataFrame:
    """Learn one size from a share of the shoppers, drawn anew for each seed, and ask the whole check.

    Of fewer shoppers more epochs may be made, as many steps in all: what is measured is the data, not the training.
    """
    drawn = np.random.default_rng(seed).permutation(len(ground.past))[: round(share * len(ground.past))]
    past, few = ground.past.take(np.sort(drawn)), ground.few(500)
    epochs = round(EPOCHS / share)
    # All epochs run: the first of many, in the warm-up, are no reason to stop.
    model = made(Entry(Transformer, {}, {}), knobs | {"patience": epochs}, epochs, seed)
    model.fit(past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
    [row] = leaderboard(judge([model], ground.check), np.random.default_rng(seed)).iter_rows(named=True)
    found = {
        "ndcg@10": row["ndcg@10"],
        "low": row["ndcg@10_low"],
        "high": row["ndcg@10_high"],
        "parameters": sum(p.numel() for p in model.module.parameters()),
        "shoppers": len(past),
        "epochs": max(model.log, key=lambda line: line["validation"])["epoch"],
        "epoch_seconds": float(np.median([line["seconds"] for line in model.log])),
    }
    return pl.DataFrame([found])


def main() -> None:
    """Measure, print one JSON line per size, and write the table that notebook 07 shows."""
    ground, rows = complete_journey(), []
    for axis, (knob, sizes) in AXES.items():
        for size in sizes:
            knobs, share = ({knob: int(size)}, 1.0) if knob else ({}, size)
            for seed in SEEDS:
                case = f"{axis} {size:g}, {seed}"
                found = kept("scaling", case, partial(measure, ground, knobs, share, seed))
                stamp = {"axis": pl.lit(axis), "size": pl.lit(float(size)), "seed": pl.lit(seed)}
                rows.append(found.select(**stamp).hstack(found))
            mean = pl.concat(rows[-len(SEEDS) :])["ndcg@10"].mean()
            figure = {"benchmark": "scaling", "case": f"{axis} {size:g}", "system": "Transformer"}
            figure |= {"value": round(mean, 4), "unit": "ndcg@10", "peer": None, "ratio": None}  # type: ignore[arg-type]
            print(json.dumps(figure), flush=True)
    write_table("scaling", pl.concat(rows))


if __name__ == "__main__":
    main()
