"""Does the log of one real policy tell what another one earned? Two policies of ZOZOTOWN, each valued from the other's log.

python -m benchmarks.open_bandit    # half a minute

Both policies ran in the same week, so the mean of each one's own clicks is what its estimate should have said. With 38 to 69
clicks a log, that mean is itself known to about ± 30 %: an estimate is judged by whether the intervals meet, not by its error alone.

Bernoulli Thompson sampling changed its odds within the hour, and its log has them only for what it showed. Two stand-ins for it:
"as it ran", the share of each item at each place over its week (its clicks are not looked at; right if an item's click rate does
not move with the odds), and "prior", Monte Carlo of what it knew before the week, as obp's own examples take it. The way back needs
none: the random policy is uniform, and the odds of what was shown are in the log.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import polars as pl

from benchmarks.stamped import write_table
from recolab.feedback import (
    Bootstrap,
    Estimate,
    beta_thompson,
    clipped_ips,
    doubly_robust,
    held_out_rates,
    ips,
    on_policy,
    require_support,
    snips,
)
from recolab.feedback.valuing import Floats
from recolab.schema import CLICK, ITEM, POSITION, PROPENSITY
from recolab.sources.open_bandit import (
    BERNOULLI_TS,
    CAMPAIGNS,
    PLACES,
    RANDOM,
    load_open_bandit,
    load_prior,
    propensities_of,
    shown_shares,
)

CLIP = 10
DRAWN = 100_000  # lists of the prior
INTERVAL = Bootstrap()  # of clicks so rare the mean is skewed


def targets(campaign: str) -> dict[str, tuple[str, str, Floats]]:
    """Name what is valued: the log it is valued from, the log that knows the answer, its distribution (3, N)."""
    clicks, misses = load_prior(campaign)
    n_items = len(clicks)
    uniform = np.full((PLACES, n_items), 1 / n_items)
    ran = shown_shares(load_open_bandit(campaign, BERNOULLI_TS), n_items)
    prior = beta_thompson(clicks, misses, PLACES, DRAWN, np.random.default_rng(7)).mean
    for target in (ran, prior):
        require_support(uniform, target)
    return {
        "Bernoulli TS as it ran": (RANDOM, BERNOULLI_TS, ran),
        "Bernoulli TS prior": (RANDOM, BERNOULLI_TS, prior),
        "random": (BERNOULLI_TS, RANDOM, uniform),
    }


def estimates(log: pl.DataFrame, table: Floats) -> dict[str, Estimate]:
    """Value a policy (3, N) from a log by each estimator; the model of doubly robust is a held-out click rate an item and place."""
    rewards, logged = log[CLICK].to_numpy().astype(float), log[PROPENSITY].to_numpy()
    target, places = propensities_of(table, log), log[POSITION].to_numpy() - 1
    n_items = table.shape[1]
    cells = places * n_items + log[ITEM].to_numpy()
    rates = held_out_rates(rewards, cells, table.size)
    expected = (rates.reshape(len(log), PLACES, n_items)[np.arange(len(log)), places] * table[places]).sum(1)
    odds = rewards, logged, target
    return {
        "IPS": ips(*odds, INTERVAL),
        "SNIPS": snips(*odds, INTERVAL),
        f"IPS clipped at {CLIP}": clipped_ips(*odds, CLIP, INTERVAL),
        "doubly robust": doubly_robust(*odds, rates[np.arange(len(log)), cells], expected, INTERVAL),
    }


def measure(campaign: str) -> pl.DataFrame:
    """Value every target of a campaign  ->  a row an estimator, beside what the target's own log says."""
    rows = []
    for target, (valued_from, known_from, table) in targets(campaign).items():
        known = on_policy(load_open_bandit(campaign, known_from)[CLICK].to_numpy(), INTERVAL)
        for estimator, found in estimates(load_open_bandit(campaign, valued_from), table).items():
            rows.append(
                {"campaign": campaign, "target": target, "log": valued_from, "estimator": estimator}
                | asdict(found)
                | {"on_policy": known.value, "on_policy_low": known.low, "on_policy_high": known.high}
                | {"relative_error": abs(found.value / known.value - 1)}
            )
    return pl.DataFrame(rows)


def figures(row: dict[str, object]) -> dict[str, object]:
    """Say of one estimate how far it is from the target's own mean, and between which clicks a thousand it places it."""
    case = f"{row['campaign']}: {row['target']} from the {row['log']} log"
    line = {"benchmark": "open_bandit", "case": case, "system": row["estimator"]}
    line |= {"value": row["relative_error"], "unit": "relative error", "peer": "on-policy mean", "ratio": None}
    return line | {
        name: row[name] for name in ("low", "high", "on_policy_low", "on_policy_high", "effective_sample_size")
    }


def main() -> None:
    """Measure, print one JSON line per estimate, and write the table that notebook 11 shows."""
    table = pl.concat(measure(campaign) for campaign in CAMPAIGNS)
    for row in table.to_dicts():
        print(json.dumps({key: round(v, 5) if isinstance(v, float) else v for key, v in figures(row).items()}))
    write_table("open_bandit", table)


if __name__ == "__main__":
    main()
