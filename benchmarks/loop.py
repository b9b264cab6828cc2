"""What becomes of a shop whose lists learn from what they caused? Thirty days of each policy, the truth known, several seeds.

python -m benchmarks.loop                 # about a minute for each seed on a free core
python -m benchmarks.loop --seeds 7 --part trying

Two parts, a table each: `loop.csv`, the policies of `recolab.loop.line_up` day by day; `loop_trying.csv`, what a live list gives up
for trying, and what that brings, by how much it tries. All values are expected ones, as the truth knows them: no luck is in them but
that of the course which a run took, and that is the same for all policies.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial

import polars as pl

from benchmarks.kept import kept
from benchmarks.stamped import write_table
from recolab.feedback import EpsilonGreedy, Policy, Softmax
from recolab.loop import Feedback, Live, LoopConfig, Shoppers, Thompson, gather_shoppers, line_up, run_loop
from recolab.loop.lineup import LIVE, TRY

SEEDS = (7, 8, 9, 10, 11)
SIZE = LoopConfig(n_users=600, n_items=500, pages_per_day=200)
LATE = 16  # the first day of the second half, by which lists have learned
TRIED: dict[tuple[str, float], Policy] = {
    **{("epsilon", share): EpsilonGreedy(share) for share in (0.05, 0.1, 0.2, 0.4)},
    **{("temperature", heat): Softmax(heat) for heat in (0.1, 0.2, 0.4, 0.8)},
}
# unit, and whether more is better; of a liking there is no ratio, for its zero means nothing
METRICS: dict[str, tuple[str, bool | None]] = {
    "purchases": ("expected purchases a list", True),
    "clicks": ("expected clicks a list", True),
    "regret": ("purchases a list below the best", False),
    "click_satisfaction": ("liking of a click", None),
    "top_share": ("exposure of the 1 % most shown", None),
    "alike": ("overlap of two visits", None),
}


def policies(seed: int) -> pl.DataFrame:
    """Run the line-up with one seed  ->  a row a policy and day."""
    shoppers = shoppers_of(seed)
    return run_loop(shoppers, line_up(shoppers))


def trying(seed: int) -> pl.DataFrame:
    """Run live lists that try more and more with one seed, and lists that learn from it  ->  a row each, means over all lists.

    way and tried are null where no way of trying is set.
    """
    shoppers = shoppers_of(seed)
    items, k = shoppers.shelf.items, shoppers.config.k
    lists = [Live(items, k, name=LIVE)]
    names = {f"{way} {much:g}": (way, much) for way, much in TRIED}
    lists += [Live(items, k, name=name, explore=TRIED[tried], seed=seed) for name, tried in names.items()]
    lists.append(Feedback(items, k, name="Feedback"))
    lists.append(Feedback(items, k, name="Feedback, epsilon 0.1", explore=TRY, seed=seed))
    lists.append(Thompson(items, k, name="Feedback, Thompson", explore=TRY, seed=seed))
    days = run_loop(shoppers, lists)
    ways = pl.DataFrame([(name, *tried) for name, tried in names.items()], ["policy", "way", "tried"], orient="row")
    weighed = [(pl.col(name) * pl.col("lists")).sum() / pl.col("lists").sum() for name in days.columns[4:]]
    whole = days.group_by("policy", "seed", maintain_order=True).agg(pl.col("lists").sum(), *weighed)
    return whole.join(ways, on="policy", how="left", maintain_order="left")


def shoppers_of(seed: int) -> Shoppers:
    """Gather the shoppers of a seed."""
    return gather_shoppers(LoopConfig(SIZE.n_users, SIZE.n_items, pages_per_day=SIZE.pages_per_day, seed=seed))


def policy_figures(table: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Say of each policy and measure the mean of the second half over seeds, beside the live list's."""
    late = table.filter(pl.col("day") >= LATE).group_by("policy", maintain_order=True).agg(pl.col(*METRICS).mean())
    worth = {row["policy"]: row for row in late.iter_rows(named=True)}
    for policy, row in worth.items():
        for metric, (unit, more_is_better) in METRICS.items():
            line = {
                "benchmark": "loop",
                "case": f"days from {LATE} on, {table['seed'].n_unique()} seeds",
                "system": policy,
            }
            line |= {"value": round(row[metric], 4), "unit": unit, "peer": None if policy == LIVE else LIVE}
            ratio = None
            if policy != LIVE and more_is_better is not None:
                ratio = round((row[metric] / worth[LIVE][metric]) ** (1 if more_is_better else -1), 3)
            yield line | {"ratio": ratio}


def trying_figures(table: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Say what each way of trying gives up, as a share of what its greedy lists would have sold."""
    means = table.group_by("policy", maintain_order=True).agg(pl.col("purchases", "given_up").mean())
    for row in means.iter_rows(named=True):
        share = row["given_up"] / (row["purchases"] + row["given_up"])
        line = {"benchmark": "loop", "case": "given up for trying", "system": row["policy"], "value": round(share, 4)}
        yield line | {"unit": "share of purchases", "peer": None, "ratio": None}


PARTS: dict[str, tuple[str, Callable[[int], pl.DataFrame], Callable[[pl.DataFrame], Iterator[dict[str, object]]]]] = {
    "policies": ("loop", policies, policy_figures),
    "trying": ("loop_trying", trying, trying_figures),
}


def main(part: str, seeds: list[int]) -> None:
    """Measure seed by seed, print one JSON line a figure, and write the table that notebook 11 shows."""
    name, measure, figures = PARTS[part]
    table = pl.concat([kept("loop", f"{part}, {seed}", partial(measure, seed)) for seed in seeds])
    write_table(name, table)
    for line in figures(table):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--part", choices=PARTS, action="append", help="both by default")
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    told = asked.parse_args()
    for one in told.part or PARTS:
        main(one, told.seeds)
