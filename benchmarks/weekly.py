"""Must a shop train anew every week? Complete Journey's last quarter week by week: frozen, fine-tuned, with replay, full retrain.

python -m benchmarks.weekly --seeds 7 8 9    # an hour and a half on one free core; it goes on where it was stopped

Every Monday each model takes in the week that has passed, and is asked for every household's next visit in the week to come. How long a
full training is, and how an update learns, is chosen on weeks before the walk. Seconds are of the processor, so that other work on the
machine does not count: one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise, product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.complete_journey import by_household
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from recolab.evaluation import compare, judge, leaderboard, validation_score
from recolab.feedback.updating import UpdateConfig, update
from recolab.folds import Fold, make_fold
from recolab.histories import Catalog, Histories
from recolab.models import Recommender
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.prepare import CleanRules, clean
from recolab.sources import impossible, load
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
WEEK = timedelta(days=7)
FIRST = datetime(2017, 9, 25)  # the first training; the first update is a week later
WEEKS = 13
CHOSEN_FROM, CHOSEN_ON = datetime(2017, 8, 21), 4  # a first training and weeks of updates that end before the walk
TRAINING = TrainConfig(progress=False)
LENGTHS = (4, 8, 12, 16)  # epochs of the first training and of each full retrain
FROZEN, TUNED, REPLAYED, RETRAINED = "frozen", "fine-tuned", "fine-tuned with replay", "full retrain"
KNOBS = ("learning_rate", "epochs", "replay", "context")
TRIED = [
    *product((5e-4, 1e-3, 2e-3, 4e-3), (2, 4), (0.0, 0.1), (24,)),
    *product((1e-3, 2e-3), (3,), (0.0, 0.1), (16,)),
]
LONGEST = 0.1  # of a full retrain's seconds, that an update may take
MARGIN = 1.0  # percent of a full retrain's ndcg@10, that an update may lose


def setting(learning_rate: float, epochs: int, replay: float, context: int) -> UpdateConfig:
    """Say how an update learns."""
    return UpdateConfig(replace(TRAINING, learning_rate=learning_rate, epochs=epochs), replay, context)


def taken_in(model: Transformer, before: Fold, now: Fold, how: UpdateConfig, seed: int) -> Transformer:
    """Update a model with what came between two cuts."""
    how = replace(how, training=replace(how.training, seed=seed))
    return update(model, now.histories, now.catalog, before.histories.as_of, how)


@dataclass
class Frozen:
    """A model that is never updated: it neither reads nor lists an item that came after it."""

    model: Transformer
    n_items: int
    name: str = FROZEN

    def score(self, histories: Histories) -> NDArray[np.float32]:
        n_known = self.model.module.table.num_embeddings
        scores = self.model.score(histories.where(histories.items < n_known))
        return np.pad(scores, ((0, 0), (0, self.n_items - n_known)), constant_values=-np.inf)


def folds_of(first: datetime, weeks: int) -> Iterator[Fold]:
    """Cut the log at the first moment and at every Monday after it, each with the week to come; the catalog grows."""
    tables = load("complete_journey")
    events, _ = clean(tables.events, tables.items, rules=CleanRules(extra=impossible("complete_journey")))
    catalog: Catalog | None = None
    for cut in (first + WEEK * week for week in range(weeks + 1)):
        fold = make_fold(events, tables.items, cut, cut + WEEK, before=catalog)
        catalog = fold.catalog
        yield fold


def trained(fold: Fold, epochs: int, seed: int) -> Transformer:
    return Transformer(TransformerConfig(), replace(TRAINING, epochs=epochs, seed=seed)).fit(
        fold.histories, fold.catalog
    )


def timed(work: Callable[[], Transformer]) -> tuple[Transformer, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def choose_length(seed: int = SEEDS[0]) -> pl.DataFrame:
    """Retrain for each of the weeks before the walk, so long or so long  ->  a row each: epochs, mean ndcg@10 and mean seconds."""
    _, *folds = folds_of(CHOSEN_FROM, CHOSEN_ON)
    rows = []
    for epochs in LENGTHS:
        models = [timed(partial(trained, fold, epochs, seed)) for fold in folds]
        scores = [
            validation_score(model, fold.task(allow_repeats=True))
            for (model, _), fold in zip(models, folds, strict=True)
        ]
        seconds = float(np.mean([taken for _, taken in models]))
        rows.append({"training_epochs": epochs, "ndcg@10": float(np.mean(scores)), "seconds": seconds})
        print(rows[-1], file=sys.stderr, flush=True)
    return pl.DataFrame(rows)


def choose(training_epochs: int, seed: int = SEEDS[0]) -> pl.DataFrame:
    """Walk the weeks before the walk with each setting  ->  a row each: its knobs, mean ndcg@10 and share of a full training's time."""
    folds = list(folds_of(CHOSEN_FROM, CHOSEN_ON))
    tasks = [fold.task(allow_repeats=True) for fold in folds]
    first, whole = timed(partial(trained, folds[0], training_epochs, seed))
    rows = []
    for tried in TRIED:
        model, scores, seconds = first, [], 0.0
        for (before, now), task in zip(pairwise(folds), tasks[1:], strict=True):
            model, taken = timed(partial(taken_in, model, before, now, setting(*tried), seed))
            scores.append(validation_score(model, task))
            seconds += taken
        found = {"ndcg@10": float(np.mean(scores)), "time_share": seconds / CHOSEN_ON / whole}
        rows.append(dict(zip(KNOBS, tried, strict=True)) | found)
        print(rows[-1], file=sys.stderr, flush=True)
    return pl.DataFrame(rows)


def best_of(choice: pl.DataFrame, *, replay: bool) -> UpdateConfig:
    """Take the best setting with or without replay among those that are fast enough; raises ValueError where none is."""
    alike = choice.filter((pl.col("replay") > 0) == replay)
    fast = alike.filter(pl.col("time_share") <= LONGEST)
    if fast.is_empty():
        with_it, least = "with" if replay else "without", alike["time_share"].min()
        raise ValueError(
            f"no setting {with_it} replay is fast enough: the fastest takes {least:.0%} of a full training"
        )
    return setting(*fast.sort("ndcg@10", descending=True).select(KNOBS).row(0))


def walk(chosen: dict[str, UpdateConfig], training_epochs: int, seed: int) -> pl.DataFrame:
    """Update and ask every week  ->  a row for each model, week and household, with the seconds that the model's update took."""
    folds = folds_of(FIRST, WEEKS)
    before = next(folds)
    first = trained(before, training_epochs, seed)
    updated, results = dict.fromkeys(chosen, first), []
    for now in folds:
        seconds = {FROZEN: 0.0}
        for name, how in chosen.items():
            work = partial(taken_in, updated[name], before, now, how, seed)
            updated[name], seconds[name] = timed(work)
            updated[name].name = name
        anew, seconds[RETRAINED] = timed(partial(trained, now, training_epochs, seed))
        anew.name = RETRAINED
        task = now.task(allow_repeats=True)
        models: list[Recommender] = [Frozen(first, len(now.catalog)), *updated.values(), anew]
        judged = by_household(judge(models, task), task, now, seed)
        results.append(judged.with_columns(seconds=pl.col("model").replace_strict(seconds, return_dtype=pl.Float64)))
        print(
            f"{now.cut:%Y-%m-%d}", judged.group_by("model").agg(pl.mean("ndcg@10")).rows(), file=sys.stderr, flush=True
        )
        before = now
    return pl.concat(results)


def by_week(judged: pl.DataFrame) -> pl.DataFrame:
    """Average each week: a row for each seed, cut and model, with 95 % intervals over households; seed null is all of them."""
    rows = []
    together = judged.with_columns(seed=pl.lit(None, pl.Int64))
    for (seed, cut), one in pl.concat([judged, together]).group_by("seed", "cut", maintain_order=True):
        board = leaderboard(one, np.random.default_rng(0), ["ndcg@10"])
        seconds = one.group_by("model").agg(pl.mean("seconds"))
        head = {"seed": pl.lit(seed, pl.Int64), "week": pl.lit(f"{cut:%Y-%m-%d}")}
        rows.append(board.join(seconds, on="model", maintain_order="left").with_columns(**head))
    return pl.concat(rows)


def against_retrain(judged: pl.DataFrame) -> pl.DataFrame:
    """Compare each model with the full retrain over all weeks, households resampled whole; the seeds alone, then together (seed null)."""
    rows = []
    seeds = judged["seed"].unique().sort().to_list()
    for seed in [*seeds, None]:
        one = judged if seed is None else judged.filter(pl.col("seed") == seed)
        spent = dict(one.unique(["seed", "cut", "model"]).group_by("model").agg(pl.sum("seconds")).iter_rows())
        for name in (FROZEN, TUNED, REPLAYED):
            found = compare(one, name, RETRAINED, np.random.default_rng(0))
            head = {"seed": seed, "model": name, "ndcg@10": one.filter(pl.col("model") == name)["ndcg@10"].mean()}
            beside = {"time_share": spent[name] / spent[RETRAINED], "within_margin": found["low"] > -MARGIN}
            rows.append(head | found | beside)
    return pl.DataFrame(rows, schema_overrides={"seed": pl.Int64})


def main(seeds: list[int]) -> None:
    """Choose, walk, print one JSON line per comparison, and write the tables that notebook 11 shows."""
    lengths = kept("weekly", "lengths", choose_length)
    write_table("weekly_lengths", lengths)
    [long] = lengths.sort("ndcg@10")["training_epochs"].tail(1)
    choice = kept("weekly", f"choice, {long} epochs", partial(choose, long))
    write_table("weekly_choice", choice)
    chosen = {TUNED: best_of(choice, replay=False), REPLAYED: best_of(choice, replay=True)}
    print(chosen, file=sys.stderr, flush=True)
    walks = []
    for seed in seeds:
        walks.append(kept("weekly", f"walk, {long} epochs, {seed}", partial(walk, chosen, long, seed)))
        write_table("weekly", by_week(pl.concat(walks)))
        lifts = against_retrain(pl.concat(walks)).with_columns(training_epochs=pl.lit(long))
        write_table("weekly_lifts", lifts)
    for row in lifts.iter_rows(named=True):
        case = "all seeds" if row["seed"] is None else f"seed {row['seed']}"
        figure = {"benchmark": "weekly", "case": f"{long} epochs, {case}", "system": row["model"]}
        figure |= {"value": round(row["lift"], 2), "low": round(row["low"], 2), "high": round(row["high"], 2)}
        figure |= {"time_share": round(row["time_share"], 3), "within_margin": row["within_margin"]}
        print(json.dumps(figure | {"unit": "% of ndcg@10", "peer": RETRAINED, "ratio": None}), flush=True)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    main(asked.parse_args().seeds)
