"""recolab.models.ensemble: networks that learn apart and answer together."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from recolab.histories import PAD, build_catalog, lay_out, newest_window, visits
from recolab.models.ensemble import Ensemble
from recolab.models.following import WithFollowers
from recolab.models.recurrent import Gru4Rec
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM
from recolab.training import TrainConfig
from tests.worlds import carousel


def network(seed, make=Transformer, dim=8):
    return make(make.Config(dim=dim), TrainConfig(1, seed=seed, progress=False))


@pytest.fixture(scope="module")
def world():
    """A carousel, and three networks that have learned it: two seeds, a width and a kind of their own."""
    histories, catalog, events = carousel()
    models = [network(1), network(2, dim=4), network(3, Gru4Rec)]
    return histories, catalog, events, Ensemble(models).fit(histories, catalog)


def test_its_score_is_the_mean_of_the_logits(world):
    histories, _, _, together = world
    apart = np.stack([model.score(histories) for model in together.models])
    np.testing.assert_allclose(together.score(histories)[:, 1:], apart[:, :, 1:].mean(0), rtol=1e-5, atol=1e-6)
    assert np.isneginf(together.score(histories)[:, PAD]).all()
    assert np.abs(apart[0, :, 1:] - apart[1, :, 1:]).max() > 0.01  # they do not say the same


def test_it_is_one_product_of_states_and_items_laid_end_to_end(world):
    histories, _, _, together = world
    two = [model for model in together.models if isinstance(model, Transformer)]
    visited = visits(histories)
    window = lay_out(histories, visited, newest_window(visited, two[0].config.max_len))
    with torch.no_grad():
        states = torch.cat([model.module.newest(window) for model in two], 1)
        tables = torch.cat([model.module.table.weight for model in two], 1)
    np.testing.assert_allclose(Ensemble(two).score(histories)[:, 1:], (states @ tables.T / 2)[:, 1:], atol=1e-5)


def test_who_has_no_past_gets_what_sells_most(world):
    histories, _, _, together = world
    nobody = histories.take([0]).where(np.zeros(histories.lengths[0], bool))
    np.testing.assert_allclose(together.score(nobody), together.models[0].score(nobody))


def test_each_learns_anew_from_its_own_seed(world):
    histories, catalog, _, together = world
    again = Ensemble([network(1), network(2, dim=4), network(3, Gru4Rec)]).fit(histories, catalog)
    np.testing.assert_array_equal(again.score(histories), together.score(histories))
    other = Ensemble([network(4), *again.models[1:]])
    other.models[0].fit(histories, catalog)
    assert (other.score(histories) != together.score(histories)).any()


def test_one_network_alone_says_what_it_says(world):
    histories, _, _, together = world
    alone = together.models[2]
    np.testing.assert_array_equal(Ensemble([alone]).score(histories), alone.score(histories))


def test_it_remembers_what_followed_what_as_one_network_does(world):
    histories, catalog, _, together = world
    remembering = WithFollowers(together, trust=2.0).fit(histories, catalog)
    assert remembering.name == "Ensemble with followers"
    votes = remembering.followers.votes(histories).toarray()
    expected = together.score(histories) + 2 * np.log1p(30 * votes)
    np.testing.assert_allclose(remembering.score(histories), expected, rtol=1e-5)


def test_nobody_to_ask_is_refused():
    with pytest.raises(ValueError, match="Crowd has no network to ask: give one or more"):
        Ensemble([], name="Crowd")


def test_networks_of_different_catalogs_are_refused_with_their_sizes(world):
    histories, catalog, events, together = world
    smaller = build_catalog(events.filter(pl.col(ITEM) < 5))
    stranger = Transformer(TransformerConfig(dim=8), TrainConfig(0, progress=False)).begin(histories.take([]), smaller)
    mixed = Ensemble([together.models[0], stranger])
    with pytest.raises(ValueError, match=r"networks of Ensemble know catalogs of \[6, 9\] rows: fit them on one"):
        mixed.score(histories)
    with pytest.raises(ValueError, match="know catalogs of"):
        WithFollowers(mixed).fit(histories, catalog)


def test_networks_that_have_not_learned_are_refused_by_name(world):
    histories, catalog, _, _ = world
    newborn = Ensemble([Transformer(TransformerConfig(dim=8), TrainConfig(0, progress=False), "Newborn")])
    with pytest.raises(ValueError, match="Newborn has no item table yet: fit it first"):
        newborn.score(histories)
    with pytest.raises(ValueError, match="Newborn has no item table yet"):
        WithFollowers(newborn).fit(histories, catalog)
