"""How long does training take beside RecTools and RecBole, and how good is a model after so many minutes of it?

python -m benchmarks.training    # an hour and a quarter; --minutes 2 shortens it; it goes on where it was stopped

Beauty, leave-one-out, all items ranked, history masked, on two threads (or OMP_NUM_THREADS); SASRec of two blocks, two heads,
width 64, 50 items, dropout .5; the peers keep their own batches, optimizer and learning rate, recolab has
2,048 positions a batch, as RecBole, at 3e-3. A system runs in a process of
its own, the peers in environments of their own (`peers/`). The clock counts training alone: reading the log and, for recolab,
building the warm table are `prepare`, and lists are made with the clock stopped. RecTools ranks only items of its training
(33 of 12,101 are not) and learns from the newest 51 of each user; the others from all.

The peers' learning rate is constant, so one run serves every budget: it counts the newest epoch that was over by then. Recolab's
falls along a cosine that should end when the time does, so each budget is a run of its own, of as many epochs as fit. The test is
only reported: no epoch or setting is chosen by it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.grounds import Ground, beauty
from benchmarks.kept import kept
from benchmarks.peers.environments import python_of, run_peer
from benchmarks.peers.shared import peak_gb
from benchmarks.stamped import write_table
from recolab.evaluation import K, judge, slices
from recolab.lab import data_root
from recolab.metrics import hits_table
from recolab.models.objectives import Objective
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

THREADS = os.environ.get("OMP_NUM_THREADS", "2")
SEED = 7
MINUTES = (1.0, 2.0, 5.0, 10.0)
SPEED_EPOCHS = 3  # run first, to know how many fit
POSITIONS = 2048  # in a batch, as RecBole has; smaller ones learn more from an epoch, which takes longer (warm.csv)
MARGIN = 0.95  # of the time is planned for: a run that ends late counts for nothing
OURS = {"full cross-entropy": 0, "1,024 shared negatives": 1024, "256 shared negatives": 256}
BY_THE_CLOCK = ("full cross-entropy", "1,024 shared negatives")  # trained for every budget; the third is timed
PEERS = {
    "RecTools 0.19.0, softmax": ("rectools", "softmax"),
    "RecTools 0.19.0, 256 sampled negatives": ("rectools", "sampled_softmax"),
    "RecBole 1.2.1, cross-entropy": ("recbole", "CE"),
}
SOFTMAX, SAMPLED, RECBOLE = PEERS
BESIDE = {
    "full cross-entropy": (SOFTMAX, RECBOLE),
    "1,024 shared negatives": (SAMPLED,),
    "256 shared negatives": (SAMPLED,),
}
UNITS = {"seconds": "s an epoch", "targets": "targets/s", "prepare": "s to prepare", "peak_gb": "GB at most"}
SCORES = (f"ndcg@{K}", f"hr@{K}")


class Timed(Transformer):
    """A Transformer that notes when its first epoch begins: it says what it will ask once the warm table stands."""

    began = 0.0

    def objective(self) -> Objective:
        self.began = self.began or time.perf_counter()
        return super().objective()


def ours(negatives: int, epochs: int) -> pl.DataFrame:
    """Train recolab's model to the end of its cosine  ->  a row an epoch, the last one with its scores on the test."""
    started = time.perf_counter()
    ground, ends, peaks = beauty(), [], []
    shape = TransformerConfig(negatives=negatives, batch_positions=POSITIONS, max_len=50, dropout=0.5)
    model = Timed(shape, TrainConfig(epochs, 3e-3, patience=epochs, seed=SEED, progress=False))

    def look(_: Transformer) -> float:
        ends.append(time.perf_counter())
        peaks.append(peak_gb())
        return float(len(ends))  # the newest epoch is the one to keep

    model.fit(ground.past, ground.catalog, validate=look)
    judged = judge([model], ground.test)
    rows = pl.DataFrame(
        {
            "epoch": range(1, epochs + 1),
            "seconds": np.diff([model.began, *ends]),
            "targets": [round(row["targets_per_second"] * row["seconds"]) for row in model.log],
            "peak_gb": peaks,
            "prepare": [model.began - started] * epochs,
        }
    )
    newest = pl.col("epoch") == epochs
    return rows.with_columns(pl.when(newest).then(pl.lit(judged[score].mean())).alias(score) for score in SCORES)


def ours_within(negatives: int, minutes: float, epoch_seconds: float) -> pl.DataFrame:
    """Train as many epochs as fit, and fewer where they did not."""
    epochs = max(int(MARGIN * 60 * minutes / epoch_seconds), 1)
    while True:
        found = apart(ours, negatives, epochs)
        taken = float(found["seconds"].to_numpy().sum())
        if taken <= 60 * minutes or epochs == 1:
            return found
        epochs = max(int(epochs * MARGIN * 60 * minutes / taken), 1)


def theirs(ground: Ground, peer: str, loss: str, minutes: float) -> pl.DataFrame:
    """Train a peer, and judge the lists that it made after each epoch  ->  a row an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        log = data_root() / "amazon_beauty" / "sequences.txt"
        run_peer(peer, Path(folder), str(log), loss, str(60 * minutes))
        rows = json.loads(Path(folder, "log.json").read_text())
        found = [np.load(Path(folder, f"{row['epoch']}.npz")) for row in rows]
        scores = [judge_lists(ground, lists["users"], lists["items"]) for lists in found]
    return pl.DataFrame([row | score for row, score in zip(rows, scores, strict=True)])


def judge_lists(ground: Ground, users: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """Measure lists of raw ids as `judge` does scores: users (U,), items (U, K), 0 for none -> the mean of each score."""
    task, place = ground.test, {int(user): u for u, user in enumerate(users)}
    rows = ground.catalog.rows(items.ravel()).reshape(items.shape)
    rows = rows[[place[user] for user in task.histories.users]]
    parts = []
    for which in slices(len(task), len(task.catalog)):
        scores = np.full((len(which), len(ground.catalog)), -np.inf, np.float32)
        np.put_along_axis(scores, rows[which], np.arange(K, 0, -1, dtype=np.float32)[None], 1)
        scores[:, 0] = -np.inf  # where a list was short
        parts.append(hits_table(scores, task.wanted[which], K))
    return {score: float(np.concatenate([part[score] for part in parts]).mean()) for score in SCORES}


def newest(rows: pl.DataFrame, minutes: float) -> dict[str, float | None]:
    """Read the scores of the newest epoch that was over after so many minutes; None before the first."""
    over = rows.filter(pl.col("seconds").cum_sum() <= 60 * minutes)
    return {score: over[score][-1] if len(over) else None for score in SCORES}


def measure_ours(case: str, budgets: list[float]) -> dict[str, Any]:
    """Time epochs of recolab's model, and train it once for every budget  ->  its row of the table."""
    negatives, budgets = OURS[case], budgets if case in BY_THE_CLOCK else []
    speed = kept("training", f"{case}, speed", partial(apart, ours, negatives, SPEED_EPOCHS))
    seconds = float(np.median(speed["seconds"]))
    runs = {m: kept("training", f"{case}, {m:g} min", partial(ours_within, negatives, m, seconds)) for m in budgets}
    return row_of(case, pl.concat([speed, *runs.values()]), runs) | {"epochs": [len(run) for run in runs.values()]}


def measure_peer(case: str, budgets: list[float]) -> dict[str, Any]:
    """Train a peer once, as long as the longest budget  ->  its row of the table."""
    rows = kept("training", f"{case}, {budgets[-1]:g} min", partial(theirs, beauty(), *PEERS[case], budgets[-1]))
    over = [int((rows["seconds"].cum_sum() <= 60 * minutes).sum()) for minutes in budgets]
    return row_of(case, rows, dict.fromkeys(budgets, rows)) | {"epochs": over}


def row_of(case: str, epochs: pl.DataFrame, runs: dict[float, pl.DataFrame]) -> dict[str, Any]:
    """Sum epochs up: their medians, the memory of training (lists come after the first epoch), and scores after each budget."""
    seconds = float(np.median(epochs["seconds"]))
    row: dict[str, Any] = {"case": case, "seconds": seconds, "targets": epochs["targets"][0] / seconds}
    row |= {"prepare": float(np.median(epochs["prepare"])), "peak_gb": epochs["peak_gb"][0]}
    for minutes, run in runs.items():
        row |= {f"{score}, {minutes:g} min": value for score, value in newest(run, minutes).items()}
    return row


def figures(mine: dict[str, Any], peers: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Set each figure of recolab beside the same one of its peers; a ratio above 1 is for recolab."""
    for beside in BESIDE[mine["case"]]:
        other = peers[beside]
        for name in (name for name in mine if name in UNITS or "min" in name):
            value, against = mine[name], other[name]
            ratio = None
            if value and against:
                ratio = round(against / value if name in ("seconds", "prepare", "peak_gb") else value / against, 3)
            unit = UNITS.get(name, name)
            line = {"benchmark": "training", "case": f"Beauty, {mine['case']}", "system": "recolab"}
            value, against = (None if number is None else round(number, 4) for number in (value, against))
            yield line | {"value": value, "unit": unit, "peer": beside, "peer_value": against, "ratio": ratio}


def main(minutes: float) -> None:
    """Measure all in one go, print one JSON line per figure, and write the table that notebook 07 may show."""
    os.environ["OMP_NUM_THREADS"] = THREADS
    # As `make` sets it, for busy machines, an epoch takes 1.6 times as long on this quiet one.
    os.environ.pop("OMP_WAIT_POLICY", None)
    for name, _ in PEERS.values():
        python_of(name)
    budgets = [budget for budget in MINUTES if budget <= minutes] or [minutes]
    mine = {case: measure_ours(case, budgets) for case in OURS}
    peers = {case: measure_peer(case, budgets) for case in PEERS}
    for row in mine.values():
        for line in figures(row, peers):
            print(json.dumps(line), flush=True)
    write_table("training", table_of(mine, peers))


def table_of(mine: dict[str, dict[str, Any]], peers: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """Lay all rows out: recolab's say how many times as long an epoch of each peer takes that learns by a like loss."""
    rows = []
    for case, row in mine.items():
        ratios = {p: peers[p]["seconds"] / row["seconds"] if p in BESIDE[case] else None for p in PEERS}
        rows.append({"system": "recolab"} | row | {f"{p}, times as long": ratio for p, ratio in ratios.items()})
    for case, row in peers.items():
        system, loss = case.split(", ")
        rows.append({"system": system} | row | {"case": loss})
    counts = pl.col("epochs").list.eval(pl.element().cast(pl.String)).list.join(" ")  # a csv has no lists
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(counts)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=MINUTES[-1], help="the longest training")
    main(asked.parse_args().minutes)
