"""recolab.models.following: a network that remembers what followed what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recolab.histories import PAD, build_catalog, pack
from recolab.models.following import WithFollowers
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM
from recolab.training import TrainConfig
from tests.worlds import carousel, log


@pytest.fixture(scope="module")
def world():
    """A carousel, and a network that has learned nothing of it: scores as good as noise."""
    histories, catalog, events = carousel()
    model = Transformer(TransformerConfig(dim=8, warm_start=False), TrainConfig(0, progress=False))
    return histories, catalog, events, model.fit(histories, catalog)


def test_the_score_is_the_logit_and_what_followers_say(world):
    histories, catalog, _, model = world
    remembering = WithFollowers(model, trust=2.0, sharpness=10.0).fit(histories, catalog)
    votes = remembering.followers.votes(histories).toarray()
    expected = model.score(histories) + 2 * np.log1p(10 * votes)
    np.testing.assert_allclose(remembering.score(histories), expected, rtol=1e-5)
    assert (votes > 0).any(1).all()
    assert np.isneginf(remembering.score(histories)[:, PAD]).all()


def test_by_hand_one_follower_of_one_item():
    events = log([(1, 1, 0), (1, 2, 1), (2, 1, 0), (2, 3, 1)])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    model = Transformer(TransformerConfig(dim=4), TrainConfig(0, progress=False)).fit(histories, catalog)
    remembering = WithFollowers(model, half_life_days=1e9, damping=0.0).fit(histories, catalog)
    asked = pack(log([(7, 1, 0)]), catalog)
    added = remembering.score(asked)[0, 1:] - model.score(asked)[0, 1:]
    once = np.log1p(30 * remembering.followers.votes(asked).toarray().max())
    first, second, third = np.array(catalog.rows(pl.Series([1, 2, 3]))) - 1
    assert added[first] == 0  # nobody came back to it
    np.testing.assert_allclose(added[[second, third]], once, rtol=1e-5)  # purchases weigh alike, one follower each
    assert once > 0


def test_who_has_no_past_gets_what_the_network_gives(world):
    histories, catalog, _, model = world
    nobody = histories.take([0]).where(np.zeros(histories.lengths[0], bool))
    remembering = WithFollowers(model).fit(histories, catalog)
    np.testing.assert_array_equal(remembering.score(nobody), model.score(nobody))


@pytest.mark.parametrize(
    "knobs",
    [
        {"trust": -1.0},
        {"trust": float("nan")},
        {"trust": float("inf")},
        {"sharpness": 0.0},
        {"sharpness": float("inf")},
    ],
)
def test_knobs_that_mean_nothing_are_refused_by_name(world, knobs):
    with pytest.raises(ValueError, match=r"trust = .* sharpness = "):
        WithFollowers(world[3], **knobs)


@pytest.mark.parametrize(
    "knobs", [{"half_life_days": 0.0}, {"half_life_days": -1.5}, {"damping": float("nan")}, {"damping": -1.0}]
)
def test_knobs_of_the_table_are_refused_by_name_before_a_score_is_wrong(world, knobs):
    histories, catalog, _, model = world
    [(name, _)] = knobs.items()
    with pytest.raises(ValueError, match=f"{name} = .* must be"):
        WithFollowers(model, **knobs).fit(histories, catalog).score(histories)


def test_who_was_away_is_remembered_as_on_the_last_day(world):
    histories, catalog, _, model = world
    remembering = WithFollowers(model).fit(histories, catalog)
    added = remembering.score(histories)[:, 1:] - model.score(histories)[:, 1:]
    later = replace(histories, as_of=histories.as_of + 365 * 86_400)
    np.testing.assert_allclose(remembering.score(later)[:, 1:] - model.score(later)[:, 1:], added, atol=1e-5)
    assert (added > 1).any(1).all()


def test_the_catalog_of_another_network_is_refused(world):
    histories, _, events, model = world
    smaller = build_catalog(events.filter(events[ITEM] < 5))
    with pytest.raises(ValueError, match="knows 9 rows, the catalog has 6"):
        WithFollowers(model).fit(histories, smaller)


def test_followers_are_counted_as_it_is_told(world):
    followers = WithFollowers(world[3], half_life_days=4.0, damping=0.7).followers
    assert (followers.half_life_days, followers.damping, followers.reach) == (4.0, 0.7, 10)
