"""Does the hybrid beat the best single model? Several seeds and several cuts of the test month, households resampled.

python -m benchmarks.complete_journey    # after `make report`, whose cleaned log and settings it reads; half an hour
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.stamped import write_table
from recolab import rerank
from recolab.evaluation import Task, compare, judge
from recolab.folds import Fold, fold_cuts, make_fold
from recolab.lab import DEFAULT_RUN, open_lab
from recolab.models.lineup import baselines, hybrid_members
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
TEST_WEEKS = 3  # cuts a week apart, from the test cut on: a shop that refits every week
EPOCHS = 6


def folds_of(lab) -> Iterator[Fold]:
    """Cut the log at the two moments to learn from, then at every week of the test month."""
    events, items = lab.load("clean.parquet"), lab.load("items.parquet")
    learn, check, test = fold_cuts(events)
    weeks = [test + timedelta(days=7 * week) for week in range(TEST_WEEKS)]
    for cut, end in zip((learn, check, *weeks), (check, test, *[None] * TEST_WEEKS), strict=True):
        yield make_fold(events, items, cut, end)


def asked(fold: Fold) -> list[Task]:
    """Both questions."""
    return [fold.task(allow_repeats=repeats) for repeats in (True, False)]


def by_household(judged: pl.DataFrame, task: Task, fold: Fold, seed: int | None) -> pl.DataFrame:
    """Replace the place in the task by the household, and say which cut, question and seed this was."""
    households = pl.Series([str(user) for user in task.histories.users])
    stamp = {"task": pl.lit(task.name), "cut": pl.lit(fold.cut), "seed": pl.lit(seed, pl.Int64)}
    return judged.with_columns(user=households.gather(judged["user"]), **stamp)


def measure(lab) -> pl.DataFrame:
    """Judge every single model and both rankers, for every seed, on every test cut."""
    settings = lab.load("settings.json")
    known: dict[tuple[int, str], list[rerank.Candidates]] = {}
    results = []
    for number, fold in enumerate(folds_of(lab)):
        print(f"cut {fold.cut:%Y-%m-%d}", file=sys.stderr, flush=True)
        members = [model.fit(fold.histories, fold.catalog) for model in hybrid_members(settings)]
        if number >= 2:
            for task in asked(fold):
                singles = [model.fit(fold.histories, fold.catalog) for model in baselines(settings[task.name])]
                results.append(by_household(judge(singles, task), task, fold, None))
        facts = rerank.item_features(fold.histories, fold.catalog)
        for seed in SEEDS:
            training = TrainConfig(epochs=EPOCHS, seed=seed, progress=False)
            transformer = Transformer(TransformerConfig(), training).fit(fold.histories, fold.catalog)
            for task in asked(fold):
                found = rerank.propose([*members, transformer], task, facts)
                if number < 2:
                    known.setdefault((seed, task.name), []).append(found)
                    continue
                before = rerank.join_candidates(known[seed, task.name])
                rankers = [rerank.LinearBlend().fit(before), rerank.BoostedRanker(seed=seed).fit(before)]
                tables = [judge([transformer], task), *(rerank.judge_ranker(r, found, task) for r in rankers)]
                results.append(by_household(pl.concat(tables), task, fold, seed))
    return pl.concat(results)


def lifts(judged: pl.DataFrame) -> pl.DataFrame:
    """Compare each seed's rankers with the best of all single models, the seed's own Transformer included."""
    rows = []
    for task in judged["task"].unique(maintain_order=True):
        for seed in SEEDS:
            one = judged.filter((pl.col("task") == task) & (pl.col("seed").is_null() | (pl.col("seed") == seed)))
            means = one.group_by("model").agg(pl.col("ndcg@10").mean()).sort("ndcg@10", descending=True)
            score = dict(means.iter_rows())
            best = next(model for model in score if model not in ("Blend", "Hybrid"))
            for model in ("Blend", "Hybrid"):
                lift = compare(one, model, best, np.random.default_rng(0))
                row = {"task": task, "model": model, "seed": seed, "over": best}
                rows.append(row | {"ndcg@10": score[model], "ndcg@10 of it": score[best]} | lift)
    return pl.DataFrame(rows)


def main() -> None:
    """Measure, print one JSON line per lift, and write the table that notebook 09 shows."""
    lab = open_lab(SEEDS[0], DEFAULT_RUN)
    judged = measure(lab)
    table = lifts(judged)
    for row in table.iter_rows(named=True):
        figure = {"benchmark": "complete_journey", "case": f"{row['task']}, seed {row['seed']}", "system": row["model"]}
        figure |= {"value": round(row["lift"], 2), "low": round(row["low"], 2), "high": round(row["high"], 2)}
        print(json.dumps(figure | {"unit": "% of ndcg@10", "peer": row["over"], "ratio": None}))
    size = {"cuts": pl.lit(judged["cut"].n_unique()), "households": pl.lit(judged["user"].n_unique())}
    write_table("complete_journey", table.with_columns(**size))
    scores = judged.group_by("task", "cut", "seed", "model").agg(pl.col("ndcg@10").mean(), pl.len().alias("users"))
    write_table("complete_journey_cuts", scores.sort("task", "cut", "model", "seed"))


if __name__ == "__main__":
    main()
