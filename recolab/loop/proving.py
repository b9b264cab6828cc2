"""Do estimates from one policy's log find what another one is worth? Many logs of the simulated shop, where the truth is a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recolab.feedback import (
    Estimate,
    Softmax,
    cascade_ips,
    clipped_ips,
    doubly_robust,
    ips,
    item_position_ips,
    slate_ips,
    snips,
    step_propensities,
)
from recolab.loop.shoppers import Shoppers
from recolab.sources.shop_catalogue import Floats, Ints

POOL, PLACES = 12, 3  # items that a list is drawn from, and its places
CLIP = 1.0  # the largest weight of the clipped estimate
LOGGED, TARGET = Softmax(1.5), Softmax(1.0)
FIRST, LIST = "first place", "list"


@dataclass(frozen=True)
class Ground:
    """Each of U shoppers with POOL items: clicks (U, POOL) chances when looked at, scores (U, POOL), looks (PLACES,)."""

    clicks: Floats
    scores: Floats
    looks: Floats

    def position_propensities(self, policy: Softmax) -> Floats:
        """Say how often a policy puts each item at each place: (U, PLACES, POOL), exact."""
        return np.stack([policy.position_propensities(scores, PLACES) for scores in self.scores])

    def worth(self, positions: Floats) -> Floats:
        """Sum the clicks that each place earns on average over shoppers: (U, PLACES, POOL) -> (PLACES,)."""
        return np.asarray(self.looks * np.einsum("upi,ui->p", positions, self.clicks) / len(self.clicks))


@dataclass(frozen=True)
class Log:
    """n lists: clicks (n, PLACES), what each place's item had for a chance given those above, and over all lists, by both policies."""

    rewards: Floats
    logged: Floats
    target: Floats
    logged_positions: Floats
    target_positions: Floats
    predicted: Floats
    expected: Floats


ESTIMATES: dict[str, tuple[str, bool, Callable[[Log], Estimate]]] = {
    "IPS": (FIRST, True, lambda log: ips(log.rewards[:, 0], log.logged[:, 0], log.target[:, 0])),
    "doubly robust": (
        FIRST,
        True,
        lambda log: doubly_robust(log.rewards[:, 0], log.logged[:, 0], log.target[:, 0], log.predicted, log.expected),
    ),
    "SNIPS": (FIRST, False, lambda log: snips(log.rewards[:, 0], log.logged[:, 0], log.target[:, 0])),
    f"IPS clipped at {CLIP:g}": (
        FIRST,
        False,
        lambda log: clipped_ips(log.rewards[:, 0], log.logged[:, 0], log.target[:, 0], CLIP),
    ),
    "item-position": (
        LIST,
        True,
        lambda log: item_position_ips(log.rewards, log.logged_positions, log.target_positions),
    ),
    "cascade": (LIST, True, lambda log: cascade_ips(log.rewards, log.logged, log.target)),
    "whole list": (LIST, True, lambda log: slate_ips(log.rewards, log.logged, log.target)),
}


def prove_estimates(shoppers: Shoppers, runs: int = 500, rows: int = 2000, seed: int = 7) -> pl.DataFrame:
    """Value one policy in so many logs of another, with every estimator.

    rows: lists of a log  ->  estimator, of (the first place or the list), is_unbiased, truth, mean, off_by (the mean's distance from
    the truth in its standard errors), bias in percent, coverage of the 95 % intervals, and width (their mean)
    """
    rng = np.random.default_rng([seed, 8])
    ground = lay_ground(shoppers, rng)
    positions = {policy: ground.position_propensities(policy) for policy in (LOGGED, TARGET)}
    worth = ground.worth(positions[TARGET])
    truths = {FIRST: worth[0], LIST: worth.sum()}
    believed = np.clip(ground.clicks + rng.normal(0, 0.1, ground.clicks.shape), 0, 1)  # a model that is wrong
    logs = draw_logs(ground, positions, believed, runs, rows, rng)
    found: dict[str, list[Estimate]] = {name: [] for name in ESTIMATES}
    for log in logs:
        for name, (_, _, value) in ESTIMATES.items():
            found[name].append(value(log))
    return pl.DataFrame([_summed_up(name, found[name], truths[ESTIMATES[name][0]]) for name in found])


def lay_ground(shoppers: Shoppers, rng: np.random.Generator) -> Ground:
    """Put each shopper on a page, before the items that would draw them most; scores know what draws them but roughly."""
    users = np.arange(shoppers.config.n_users)
    chances = shoppers.attraction(shoppers.crowd.taste, users, rng.integers(0, len(shoppers.shelf), len(users)))
    best = np.argpartition(-chances, POOL, axis=1)[:, :POOL]
    clicks = np.take_along_axis(chances, best, 1)
    scores = np.log(clicks) + rng.normal(0, 0.5, clicks.shape)
    return Ground(clicks, scores, shoppers.looks[:PLACES])


def draw_logs(
    ground: Ground, positions: dict[Softmax, Floats], believed: Floats, runs: int, rows: int, rng: np.random.Generator
) -> Iterator[Log]:
    """Let shoppers come as they like, show each a list of the logging policy, and note what they click."""
    target_first = positions[TARGET][:, 0]
    for _ in range(runs):
        who = rng.integers(0, len(ground.clicks), rows)
        scores = ground.scores[who]
        lists = LOGGED.draw(scores, PLACES, rng)
        chances = ground.looks * ground.clicks[who[:, None], lists]
        yield Log(
            (rng.random(lists.shape) < chances).astype(np.float64),
            step_propensities(LOGGED, scores, lists),
            step_propensities(TARGET, scores, lists),
            _of_places(positions[LOGGED], who, lists),
            _of_places(positions[TARGET], who, lists),
            believed[who, lists[:, 0]],
            (target_first * believed).sum(1)[who],
        )


def _of_places(positions: Floats, who: Ints, lists: Ints) -> Floats:
    return np.asarray(positions[who[:, None], np.arange(PLACES), lists])


def _summed_up(name: str, found: list[Estimate], truth: float) -> dict[str, object]:
    of, is_unbiased, _ = ESTIMATES[name]
    values = np.array([one.value for one in found])
    return {
        "estimator": name,
        "of": of,
        "is_unbiased": is_unbiased,
        "truth": float(truth),
        "mean": float(values.mean()),
        "off_by": float((values.mean() - truth) / (values.std(ddof=1) / np.sqrt(len(values)))),
        "bias": float(100 * (values.mean() / truth - 1)),
        "coverage": float(np.mean([one.low <= truth <= one.high for one in found])),
        "width": float(np.mean([one.high - one.low for one in found])),
    }
