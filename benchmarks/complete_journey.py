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


def by_household(judged: pl.DataFrame, task: Task, fold: Fold, seed: int | None) -> pl.DataFrame:
    """Replace the place in the task by the household, and say which cut, question and seed this was."""
    households = pl.Series([str(user) for user in task.histories.users])
    stamp = {"task": pl.lit(task.name), "cut": pl.lit(fold.cut), "seed": pl.lit(seed, pl.Int64)}
    return judged.with_columns(user=households.gather(judged["user"]), **stamp)


def measure(lab) -> pl.DataFrame:
    """Judge every single model, and each seed's hybrid, on every test cut: it is chosen and learned before the first."""
    settings = lab.load("settings.json")
    learned: dict[tuple[int, str], list[rerank.Candidates]] = {}
    hybrids: dict[tuple[int, str], rerank.Ranker] = {}
    results = []
    for number, fold in enumerate(folds_of(lab)):
        print(f"cut {fold.cut:%Y-%m-%d}", file=sys.stderr, flush=True)
        members = [model.fit(fold.histories, fold.catalog) for model in hybrid_members(settings)]
        facts = rerank.item_features(fold.histories, fold.catalog)
        tasks = [fold.task(allow_repeats=repeats) for repeats in (True, False)]
        for task in tasks if number >= 2 else []:
            singles = [model.fit(fold.histories, fold.catalog) for model in baselines(settings[task.name])]
            results.append(by_household(judge(singles, task), task, fold, None))
        for seed in SEEDS:
            training = TrainConfig(epochs=EPOCHS, seed=seed, progress=False)
            transformer = Transformer(TransformerConfig(), training).fit(fold.histories, fold.catalog)
            for task in tasks:
                found, case = rerank.propose([*members, transformer], task, facts), (seed, task.name)
                if number < 2:
                    learned.setdefault(case, []).append(found)
                if number == 1:
                    hybrids[case] = settled(learned.pop(case), task, seed)
                if number >= 2:
                    both = [judge([transformer], task), rerank.judge_ranker(hybrids[case], found, task)]
                    results.append(by_household(pl.concat(both), task, fold, seed))
    return pl.concat(results)


def settled(cuts: list[rerank.Candidates], check: Task, seed: int) -> rerank.Ranker:
    """Choose the ranker by learning at the first cut and looking at the second, then learn it again from both."""
    ranker, scores = rerank.choose_ranker(rerank.contenders(seed=seed), *cuts, check)
    print(f"{check.name}, seed {seed}: {ranker.name} of {scores}", file=sys.stderr, flush=True)
    ranker.name = "Hybrid"
    return ranker.fit(rerank.join_candidates(cuts))


def lifts(judged: pl.DataFrame) -> pl.DataFrame:
    """Compare each seed's hybrid with the best of all single models, the seed's own Transformer included."""
    rows = []
    for task in judged["task"].unique(maintain_order=True):
        for seed in SEEDS:
            one = judged.filter((pl.col("task") == task) & (pl.col("seed").is_null() | (pl.col("seed") == seed)))
            means = one.group_by("model").agg(pl.col("ndcg@10").mean()).sort("ndcg@10", descending=True)
            score = dict(means.iter_rows())
            best = next(model for model in score if model != "Hybrid")
            lift = compare(one, "Hybrid", best, np.random.default_rng(0))
            row = {"task": task, "model": "Hybrid", "seed": seed, "over": best}
            rows.append(row | {"ndcg@10": score["Hybrid"], "ndcg@10 of it": score[best]} | lift)
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
