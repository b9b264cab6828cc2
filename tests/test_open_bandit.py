"""ZOZOTOWN's logs come in with their odds, and nothing of the package that carries them is run."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

from benchmarks.open_bandit import estimates
from recolab.feedback import beta_thompson
from recolab.schema import CLICK, ITEM, POSITION, PROPENSITY, TIME
from recolab.sources import open_bandit
from recolab.sources.open_bandit import (
    BERNOULLI_TS,
    CAMPAIGNS,
    POLICIES,
    RANDOM,
    load_open_bandit,
    load_prior,
    propensities_of,
    shown_shares,
)

pytestmark = pytest.mark.skipif(find_spec("obp") is None, reason='the logs come with: pip install "recolab[lab]"')
ITEMS = {"all": 80, "men": 34, "women": 46}

every_log = pytest.mark.parametrize(("campaign", "policy"), [(c, p) for c in CAMPAIGNS for p in POLICIES])


@every_log
def test_a_log_has_ten_thousand_rows_in_order_of_time(campaign, policy):
    log = load_open_bandit(campaign, policy)
    assert log.columns == [TIME, ITEM, POSITION, PROPENSITY, CLICK]
    assert len(log) == 10_000
    assert log.schema[TIME] == pl.Datetime("us")
    assert log[TIME].is_sorted()
    assert (log[ITEM].min(), log[ITEM].max()) == (0, ITEMS[campaign] - 1)
    assert sorted(log[POSITION].unique()) == [1, 2, 3]
    assert sorted(log[CLICK].unique()) == [0, 1]
    assert log[PROPENSITY].is_between(0, 1, closed="right").all()


def test_clicks_are_as_many_as_were_counted_by_hand():
    clicks = {(c, p): load_open_bandit(c, p)[CLICK].sum() for c in CAMPAIGNS for p in POLICIES}
    assert clicks == {
        ("all", RANDOM): 38,
        ("all", BERNOULLI_TS): 42,
        ("men", RANDOM): 46,
        ("men", BERNOULLI_TS): 69,
        ("women", RANDOM): 46,
        ("women", BERNOULLI_TS): 46,
    }


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_random_policy_shows_each_item_alike(campaign):
    log, n = load_open_bandit(campaign, RANDOM), ITEMS[campaign]
    assert log[PROPENSITY].to_numpy() == pytest.approx(1 / n)
    shares = shown_shares(log, n)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert np.abs(shares - 1 / n).max() < 5 * np.sqrt(1 / n / 3200)
    np.testing.assert_array_equal(propensities_of(shares, log[:2]), shares[log[POSITION][:2] - 1, log[ITEM][:2]])


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_prior_is_not_the_policy_that_ran(campaign):
    """Its clicks and misses change within the hour: by position, logged odds agree with shown shares, not with the prior."""
    log = load_open_bandit(campaign, BERNOULLI_TS)
    clicks, misses = load_prior(campaign)
    assert len(clicks) == len(misses) == ITEMS[campaign]
    assert (clicks < 0.02 * misses).all()  # of a hundred shown, hardly one was clicked
    prior = beta_thompson(clicks, misses, 3, 20_000, np.random.default_rng(0)).mean
    shares = shown_shares(log, ITEMS[campaign])
    inverse = np.zeros_like(shares)
    np.add.at(inverse, (log[POSITION].to_numpy() - 1, log[ITEM].to_numpy()), 1 / log[PROPENSITY].to_numpy())
    counts = shares * np.bincount(log[POSITION])[1:, None]
    harmonic = np.divide(counts, inverse, out=np.zeros_like(counts), where=counts > 0)  # mean odds while it ran
    assert np.corrcoef(shares.ravel(), harmonic.ravel())[0, 1] > 0.95
    assert np.corrcoef(shares.ravel(), prior.ravel())[0, 1] < 0.9


def test_the_random_policy_is_worth_what_its_own_log_says_by_every_estimator():
    log, uniform = load_open_bandit("men", RANDOM), np.full((3, 34), 1 / 34)
    found = estimates(log, uniform)
    assert len(found) == 4
    for one in found.values():
        assert one.value == pytest.approx(46 / 10_000, rel=0.02)  # the model of doubly robust adds a little chance
        assert (one.effective_sample_size, one.mean_weight) == pytest.approx((10_000, 1))


def test_nothing_of_the_package_is_imported():
    assert "obp" not in sys.modules


def test_names_that_are_none_are_refused_and_a_missing_package_is_named(monkeypatch):
    with pytest.raises(ValueError, match="no policy is called 'best'; there are random, bts"):
        load_open_bandit("all", "best")
    with pytest.raises(ValueError, match="no campaign is called 'kids'; there are all, men, women"):
        load_prior("kids")
    monkeypatch.setattr(open_bandit, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "recolab\[lab\]"'):
        load_open_bandit("all", RANDOM)
