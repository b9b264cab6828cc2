"""What several runs of the loop say together: curves by day, and differences between policies, with intervals over seeds."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import t

LEVEL = 0.95


def by_day(table: pl.DataFrame, metric: str, days: int = 1) -> pl.DataFrame:
    """Average one measure over seeds, in blocks of so many days: as `run_loop` gives, seeds joined -> policy, day, value, low, high.

    day: the last of a block, whose days count by their lists    low, high: Student's 95 % interval over seeds; of one seed, none is
    known: null
    """
    block = ((pl.col("day") + days - 1) // days * days).alias("day")
    mean = ((pl.col(metric) * pl.col("lists")).sum() / pl.col("lists").sum()).alias("value")
    each = table.group_by("policy", block, "seed", maintain_order=True).agg(mean)
    whole = each.group_by("policy", "day", maintain_order=True)
    return _bounded(whole.agg(pl.col("value").mean(), pl.col("value").std().alias("sd"), pl.len().alias("n")))


def lifts(table: pl.DataFrame, metric: str, champion: str, since: int = 1) -> pl.DataFrame:
    """Compare policies with one of them on the same seeds, in percent: -> policy, lift, low, high (Student's interval over seeds).

    since: the first day that counts
    Raises ValueError where the champion did not run, or fewer than two seeds did.
    """
    weighed = (pl.col(metric) * pl.col("lists")).sum() / pl.col("lists").sum()
    counted = table.filter(pl.col("day") >= since)
    each = counted.group_by("policy", "seed", maintain_order=True).agg(weighed.alias("value"))
    theirs = each.filter(pl.col("policy") == champion).select("seed", champion="value")
    if len(theirs) < 2:
        raise ValueError(f"{champion!r} ran with {len(theirs)} seeds; an interval needs 2 or more of the same policy")
    paired = each.join(theirs, on="seed").filter(pl.col("policy") != champion)
    lift = 100 * (pl.col("value") / pl.col("champion") - 1)
    whole = paired.group_by("policy", maintain_order=True)
    found = _bounded(whole.agg(lift.mean().alias("value"), lift.std().alias("sd"), pl.len().alias("n")))
    return found.rename({"value": "lift"})


def _bounded(means: pl.DataFrame) -> pl.DataFrame:
    """Put Student's interval around means of n seeds."""
    n = means["n"].to_numpy()
    reach = t.ppf((1 + LEVEL) / 2, np.maximum(n - 1, 1)) * pl.Series(means["sd"]) / np.sqrt(n)
    return means.with_columns(low=pl.col("value") - reach, high=pl.col("value") + reach).drop("sd", "n")
