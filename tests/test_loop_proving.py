"""Estimates are held against the simulated shop's truth, which is itself held against what shoppers do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recolab.loop import LoopConfig, gather_shoppers, proving
from recolab.loop.proving import LOGGED, PLACES, TARGET, lay_ground, prove_estimates


@pytest.fixture(scope="module")
def shoppers():
    return gather_shoppers(LoopConfig())


@pytest.fixture(scope="module")
def proof(shoppers):
    return prove_estimates(shoppers)


def test_intervals_of_the_unbiased_hold_the_truth_as_often_as_they_say(proof):
    unbiased = proof.filter("is_unbiased")
    assert len(unbiased) == 5
    assert unbiased["coverage"].is_between(0.93, 0.97).all(), unbiased
    assert unbiased["off_by"].abs().max() < 3.5


def test_the_clipped_one_shows_its_bias_and_the_fewer_chances_multiply_the_closer_it_is(proof):
    [clipped] = proof.filter(pl.col("estimator").str.contains("clipped")).to_dicts()
    assert clipped["bias"] < -1
    assert clipped["off_by"] < -5
    width = dict(proof.select("estimator", "width").iter_rows())
    assert width["item-position"] < width["cascade"] < width["whole list"]
    assert width["doubly robust"] < width["IPS"]


def test_the_truth_is_what_the_target_earns_when_it_is_shown(shoppers):
    rng = np.random.default_rng(7)
    ground = lay_ground(shoppers, rng)
    worth = ground.worth(ground.position_propensities(TARGET))
    who = rng.integers(0, len(ground.clicks), 100_000)
    lists = TARGET.draw(ground.scores[who], PLACES, rng)
    clicked = rng.random(lists.shape) < ground.looks * ground.clicks[who[:, None], lists]
    assert np.abs(clicked.mean(0) - worth).max() < 5 * 0.5 / np.sqrt(len(who))


def test_a_log_with_wrong_chances_is_found_out(shoppers, monkeypatch):
    """The proof can fail: a logging policy that is not the one written down leaves its intervals empty of the truth."""
    monkeypatch.setattr(
        proving,
        "step_propensities",
        lambda policy, scores, lists: np.full(lists.shape, 0.3 if policy is LOGGED else 0.25),
    )
    found = prove_estimates(shoppers, runs=40, rows=1000)
    assert found.filter(estimator="IPS")["coverage"].item() < 0.5
