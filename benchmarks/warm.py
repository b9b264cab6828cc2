"""How many epochs does an item table save that starts from co-occurrence, for a Transformer, a GRU and a CNN?

python -m benchmarks.warm            # both recipes: an hour and a half; it goes on where it was stopped
python -m benchmarks.warm SASRec     # one of them; the rows of the other stay

Beauty's validation (10,000 of its users) at the end of trainings of so many epochs, each with a cosine of its own, so that no short
one is a long one cut off: width 64, three seeds. Warm: the truncated SVD of the positive PMI of items near each other in the training
histories; its seconds count. Cold: noise. Our recipe's dropout and rate were chosen with the warm table, for four epochs; the other is
loss, batch, rate and dropout of Kang & McAuley (2018): one drawn item a target, judged as yes or no, 128 histories a batch (some 1,000
visits). Networks, loop (AdamW, cosine) and draws (by the root of sales) are ours in both.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.apart import apart
from benchmarks.grounds import beauty
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from benchmarks.zoo import SEEDS, Knobs
from recolab.evaluation import K, validation_score
from recolab.models.convolutional import NextItNet
from recolab.models.recurrent import Gru4Rec
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig

LOOK_USERS = 10_000
SCORE = f"ndcg@{K}"
MODELS: dict[str, type[SequenceModel]] = {"Transformer": Transformer, "GRU4Rec": Gru4Rec, "NextItNet": NextItNet}
STARTS = {"warm": True, "cold": False}


@dataclass(frozen=True)
class Recipe:
    """How to train, and for how many epochs from either start."""

    knobs: Knobs
    learning_rate: float
    epochs: dict[str, tuple[int, ...]]


RECIPES = {
    "recolab": Recipe(
        {"negatives": 1024, "dropout": 0.3, "batch_positions": 512},
        5e-3,
        {"warm": (1, 2, 4, 8), "cold": (2, 4, 8, 16)},
    ),
    "SASRec": Recipe(  # to each target of a batch one of the items that were drawn for it
        {"loss": "bce", "negatives": 1024, "dropout": 0.5, "batch_positions": 1024},
        1e-3,
        {"warm": (1, 2, 4), "cold": (8, 16, 32)},
    ),
}


def measure(recipe: str, name: str, start: str, epochs: int, seed: int) -> pl.DataFrame:
    """Train one model to the end of its cosine  ->  one row."""
    ground = beauty()
    how = RECIPES[recipe]
    shape = MODELS[name].Config(max_len=50, warm_start=STARTS[start], **how.knobs)
    training = TrainConfig(epochs, how.learning_rate, seed=seed, progress=False)
    began = time.perf_counter()
    model = MODELS[name](shape, training).fit(ground.past, ground.catalog)
    seconds = time.perf_counter() - began
    row = {"recipe": recipe, "model": name, "start": start, "epochs": epochs, "seed": seed, "seconds": seconds}
    return pl.DataFrame([row | {SCORE: validation_score(model, ground.few(LOOK_USERS))}])


def needed(curve: pl.DataFrame, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say how many epochs reach each score, between two lengths on a log scale.

    curve: epochs and SCORE of trainings, the shortest first; a longer one that is no better does not count
    ->  nan below the shortest one's score, inf above the best
    """
    best = curve.filter(pl.col(SCORE) > pl.col(SCORE).cum_max().shift(fill_value=-np.inf))
    lengths, reached = np.log(best["epochs"].to_numpy()), best[SCORE].to_numpy()
    epochs: NDArray[np.float64] = np.exp(np.interp(scores, reached, lengths, left=np.nan, right=np.inf))
    return epochs


def figures(case: str, rows: pl.DataFrame) -> list[dict[str, object]]:
    """Ask how long a cold training stands where a warm one does, and where each start is at its best, on the mean of the seeds."""
    means = rows.group_by("start", "epochs").agg(pl.col(SCORE).mean()).sort("epochs")
    warm, head = means.filter(start="warm"), {"benchmark": "warm", "case": f"Beauty, {case}"}
    lines: list[dict[str, object]] = []
    peers = needed(means.filter(start="cold"), warm[SCORE].to_numpy())
    for epochs, score, peer in zip(warm["epochs"], warm[SCORE], peers, strict=True):
        values = {"value": epochs, "unit": f"epochs to {score:.4f}", "peer": "cold", "peer_value": None, "ratio": None}
        if np.isfinite(peer):
            values |= {"peer_value": round(float(peer), 1), "ratio": round(float(peer) / epochs, 2)}
        lines.append(head | {"system": "warm"} | values)
    for best in means.sort(SCORE, descending=True).unique("start", keep="first", maintain_order=True).to_dicts():
        values = {"value": round(best[SCORE], 4), "unit": f"{SCORE} after {best['epochs']} epochs"}
        lines.append(head | {"system": best["start"]} | values | {"peer": None, "peer_value": None, "ratio": None})
    return lines


def main(recipes: list[str]) -> None:
    """Measure, print a JSON line per figure, and write the table that notebook 18 shows."""
    if strangers := set(recipes) - set(RECIPES):
        raise SystemExit(f"{', '.join(sorted(strangers))}: no such recipe; there are {', '.join(RECIPES)}")
    tables = []
    for recipe, name in product(recipes, MODELS):
        runs = [
            (recipe, name, start, n, seed) for start in STARTS for n in RECIPES[recipe].epochs[start] for seed in SEEDS
        ]
        rows = pl.concat(kept("warm", ", ".join(map(str, run)), partial(apart, measure, *run)) for run in runs)
        for line in figures(f"{name}, {recipe}'s recipe", rows):
            print(json.dumps(line), flush=True)
        tables.append(rows)
    write_table("warm", pl.concat(tables), replacing="recipe")


if __name__ == "__main__":
    main(sys.argv[1:] or list(RECIPES))
