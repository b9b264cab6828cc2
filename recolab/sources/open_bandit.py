"""Lists a real shop showed by chance, and by a bandit, with the odds of each: ZOZOTOWN's logs, out of the obp package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from recolab.schema import CLICK, ITEM, POSITION, PROPENSITY, TIME

Floats = NDArray[np.float64]
CAMPAIGNS = ("all", "men", "women")
RANDOM, BERNOULLI_TS = "random", "bts"
POLICIES = (RANDOM, BERNOULLI_TS)
PLACES = 3  # left, middle, right

NOTE = (
    "Open Bandit Dataset by ZOZO, Inc. (Saito et al. 2020, CC BY 4.0), the small logs that come with the package obp (Apache-2.0): "
    "10,000 impressions for each of two policies in each of three campaigns, a week of November 2019. A row is one item at one "
    "of three places; which rows were one list is not told, so nothing of theirs can be said about lists as a whole."
)


def load_open_bandit(campaign: str, policy: str) -> pl.DataFrame:
    """Load one campaign's log of one policy, oldest first; nothing of obp is imported.

    campaign: one of CAMPAIGNS    policy: RANDOM, each item alike at each place, or BERNOULLI_TS
    ->  10,000 rows of timestamp (naive UTC), item_id (from 0), position (1 to 3), propensity of the item at that place, click (0, 1)
    Raises ValueError for another name, ModuleNotFoundError without the package.
    """
    if policy not in POLICIES:
        raise ValueError(f"no policy is called {policy!r}; there are {', '.join(POLICIES)}")
    rows = pl.read_csv(_file("dataset", "obd", policy, _known(campaign), f"{campaign}.csv"), try_parse_dates=True)
    return rows.select(
        pl.col("timestamp").dt.convert_time_zone("UTC").dt.replace_time_zone(None).alias(TIME),
        pl.col("item_id").alias(ITEM),
        pl.col("position").alias(POSITION),
        pl.col("propensity_score").alias(PROPENSITY),
        pl.col("click").alias(CLICK),
    )


def load_prior(campaign: str) -> tuple[Floats, Floats]:
    """Load what Bernoulli Thompson sampling knew when the week began  ->  clicks and misses (N,) of each item's Beta distribution.

    Raises ValueError for another campaign, ModuleNotFoundError without the package.
    """
    prior = yaml.safe_load(_file("policy", "conf", "prior_bts.yaml").read_text())[_known(campaign)]
    return np.array(prior["alpha"]), np.array(prior["beta"])


def shown_shares(log: pl.DataFrame, n_items: int) -> Floats:
    """Say how often each item stood at each place: the mean of the policy that wrote the log, while it wrote.

    ->  (3, N), rows sum to 1; clicks are not looked at
    """
    counts = np.zeros((PLACES, n_items))
    np.add.at(counts, (log[POSITION].to_numpy() - 1, log[ITEM].to_numpy()), 1)
    shares: Floats = counts / counts.sum(1, keepdims=True)
    return shares


def propensities_of(table: Floats, log: pl.DataFrame) -> Floats:
    """Look a policy up for what a log shows: table (3, N) by place and item -> (rows,)."""
    found: Floats = table[log[POSITION].to_numpy() - 1, log[ITEM].to_numpy()]
    return found


def _known(campaign: str) -> str:
    if campaign not in CAMPAIGNS:
        raise ValueError(f"no campaign is called {campaign!r}; there are {', '.join(CAMPAIGNS)}")
    return campaign


def _file(*parts: str) -> Path:
    """Find a file of the package without importing it."""
    spec = find_spec("obp")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            'the logs come with the package obp, which is not installed: pip install "recolab[lab]"'
        )
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)
