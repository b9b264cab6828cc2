"""Does the hybrid beat the best single model where time is real? One recipe on six tasks, three seeds, every choice made before the test.

python -m benchmarks.tasks                        # two hours; it goes on where it was stopped
python -m benchmarks.tasks "Online Retail" --minutes 2 --seeds 7

Four logs have a clock and are cut in time; Video Games has only an order, and is judged leave-one-out. The opponent of the hybrid
is whichever single model is best on the test itself, the Transformer included: the hardest that could be chosen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from recolab.benchmark import SIMPLE
from recolab.evaluation import compare, leaderboard
from recolab.folds import fold_cuts, leave_one_out_tasks, make_fold
from recolab.models.lineup import BASELINES, SPACES
from recolab.prepare import CleanRules, clean
from recolab.recipe import HYBRID, SEQUENCE, Moment, Simple, follow_recipe
from recolab.schema import TIME
from recolab.sources import impossible, load

SEEDS = (7, 8, 9)
MINUTES = 12.0  # for each seed, judging left out
SLOW = "SVD (Surprise)"  # learns star ratings, which these logs do not have; notebook 05 shows where it stands
WITH_CLOCK: Simple = {name: (make, SPACES[name]) for name, make in BASELINES.items() if name != SLOW}


@dataclass(frozen=True)
class Case:
    """A question about one log: moments to learn from and to be judged at, and the simple models that it is put to."""

    moments: list[Moment]
    tests: list[Moment]
    simple: Simple


def cut(
    source: str, shares: Sequence[float] | None, n_tests: int = 1, *, allow_repeats: bool, by_day: bool = False
) -> Case:
    """Cut a log in time: at the end of so large shares of its events, or, for a shop of the last months, as notebook 03 does.

    by_day: a day is one visit, for who rates thirty films in an evening has not come thirty times
    """
    tables = load(source)
    events, _ = clean(tables.events, tables.items, rules=CleanRules(extra=impossible(source)))
    if by_day:
        events = events.with_columns(pl.col(TIME).dt.truncate("1d"))
    cuts = fold_cuts(events) if shares is None else [at_share(events, share) for share in shares]
    folds = (make_fold(events, tables.items, *pair) for pair in zip(cuts, [*cuts[1:], None], strict=True))
    moments = [Moment(fold.histories, fold.task(allow_repeats=allow_repeats)) for fold in folds]
    return Case(moments[:-n_tests], moments[-n_tests:], WITH_CLOCK)


def at_share(events: pl.DataFrame, share: float) -> datetime:
    """Find the moment before which this share of the events lies, in whole seconds."""
    moment: datetime = events[TIME].quantile(share, interpolation="nearest")  # type: ignore[assignment]
    return moment.replace(microsecond=0)


def leave_out(source: str) -> Case:
    """Ask for the last items of histories that know no clock."""
    tables = load(source)
    loo = leave_one_out_tasks(tables.events, tables.items)
    return Case([Moment(loo.earlier, loo.validation)], [Moment(loo.training, loo.test)], SIMPLE)


# Reviews are rare: a tenth of the log asks enough users, a month would not. MovieLens-latest-small has a score of users beyond
# a cut, whatever the cut: it is judged at four, and its interval is wide all the same.
TENTHS = (0.7, 0.8, 0.9)
TWENTIETHS = tuple(part / 20 for part in range(10, 20))
CASES: dict[str, Callable[[], Case]] = {
    "Complete Journey, next visit": partial(cut, "complete_journey", None, allow_repeats=True),
    "Complete Journey, new items": partial(cut, "complete_journey", None, allow_repeats=False),
    "Online Retail, next invoice": partial(cut, "online_retail", None, allow_repeats=True),
    "Video Games, leave-one-out": partial(leave_out, "amazon_games"),
    "Amazon with days": partial(cut, "amazon_timed", TENTHS, allow_repeats=False),
    "MovieLens, latest small": partial(cut, "ml_latest_small", TWENTIETHS, 4, allow_repeats=False, by_day=True),
}


def measure(name: str, minutes: float, seed: int) -> pl.DataFrame:
    """Follow the recipe on one task with one seed  ->  a row a model, with what the hybrid and the Transformer add."""
    case = CASES[name]()
    verdict = follow_recipe(case.moments, case.tests, case.simple, minutes, seed)
    board = leaderboard(verdict.judged, np.random.default_rng(seed))
    ranked = [model for model in board["model"] if model != HYBRID]  # best first
    simple = next(model for model in ranked if model != SEQUENCE)
    lifts = {HYBRID: ("lift", ranked[0]), SEQUENCE: ("transformer_lift", simple)}
    empty = {f"{column}{bound}": None for column, _ in lifts.values() for bound in ("", "_low", "_high")}
    rows = []
    for row in board.iter_rows(named=True):
        added = {"best single": None} | empty
        if row["model"] in lifts:
            column, champion = lifts[row["model"]]
            found = compare(verdict.judged, row["model"], champion, np.random.default_rng(seed))
            added |= {column: found["lift"], f"{column}_low": found["low"], f"{column}_high": found["high"]}
            added |= {"best single": champion} if row["model"] == HYBRID else {"best simple": champion}
        scores = {"ndcg@10": row["ndcg@10"], "low": row["ndcg@10_low"], "high": row["ndcg@10_high"]}
        head = {"task": name, "seed": seed, "minutes": minutes, "model": row["model"], "users": row["users"]}
        worth = {
            "validation_ndcg@10": verdict.on_validation[row["model"]],
            "seconds": seconds_of(verdict.seconds, row["model"]),
            "settings": verdict.settings[row["model"]],
        }
        rows.append(head | scores | worth | {"best simple": None} | added)
    return pl.DataFrame(rows, infer_schema_length=None)


def seconds_of(seconds: dict[str, float], model: str) -> float:
    """Count all models for the hybrid."""
    return sum(seconds.values()) - seconds["judging"] if model == HYBRID else seconds[model]


def figures(rows: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Set the hybrid beside the best single model, and the Transformer beside the best simple one."""
    worth = dict(rows.select("model", "ndcg@10").iter_rows())
    for model, champion in ((HYBRID, "best single"), (SEQUENCE, "best simple")):
        [peer] = rows[champion].drop_nulls()
        line = {"benchmark": "tasks", "case": f"{rows['task'][0]}, seed {rows['seed'][0]}", "system": model}
        line |= {"value": round(worth[model], 4), "unit": "ndcg@10", "peer": peer}
        yield line | {"ratio": round(worth[model] / worth[peer], 3)}


def main(names: list[str], minutes: float, seeds: list[int]) -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 18 shows."""
    for name in names:
        tables = []
        for seed in seeds:
            run = partial(apart, measure, name, minutes, seed)
            tables.append(kept("tasks", f"{name}, {seed}, {minutes:g} min", run))
            for line in figures(tables[-1]):
                print(json.dumps(line), flush=True)
        write_table("tasks", pl.concat(tables, how="vertical_relaxed"), replacing="task")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("tasks", nargs="*", metavar="TASK", help="the beginning of its name; all by default")
    asked.add_argument("--minutes", type=float, default=MINUTES, help="for each seed")
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    told = asked.parse_args()
    chosen = [name for name in CASES if not told.tasks or name.startswith(tuple(told.tasks))]
    if strangers := [word for word in told.tasks if not any(name.startswith(word) for name in CASES)]:
        asked.error(f"{', '.join(strangers)}: no such task; there are {', '.join(CASES)}")
    main(chosen, told.minutes, told.seeds)
