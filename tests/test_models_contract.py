"""What every model promises, whichever way it keeps the promise.

The toy world is a carousel: shoppers always step to the next item, and from the last item back to the first. There is
one right answer, so a model of sequences that learns must find it.
"""

import uuid
from dataclasses import replace
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest

from recolab.evaluation import recommend
from recolab.histories import PAD, build_catalog, pack
from recolab.models.lineup import BASELINES, SPACES, baselines, hybrid_members
from recolab.schema import ITEM, TIME, USER
from tests.networks import SEQUENTIAL
from tests.worlds import carousel, log

NAMES = [*BASELINES, *SEQUENTIAL]


def make(name):
    if name in SEQUENTIAL:
        return SEQUENTIAL[name]()
    return next(model for model in baselines() if model.name == name)


@pytest.fixture(scope="module")
def world():
    """A carousel whose shoppers came and left at their own times: histories of 3 to 14 events."""
    _, catalog, events = carousel(length=14)
    shopper = np.array(events[USER])
    kept = np.array(events[TIME].rank("dense")) <= 3 + shopper % 12
    histories = pack(events.filter(kept), catalog)
    assert sorted(set(histories.lengths.tolist())) == list(range(3, 15))
    return histories, catalog


@pytest.fixture(scope="module", params=NAMES)
def model(request, world):
    return make(request.param).fit(*world)


def nobody(histories):
    """Two histories of nothing: of a known user and of a new one."""
    return replace(histories.take(np.array([0, 1])).last(0), users=[histories.users[0], "somebody new"])


def test_every_item_gets_a_score_and_padding_never_wins(model, world):
    histories, catalog = world
    for asked in (histories, nobody(histories), histories.take(np.array([], np.int64))):
        scores = model.score(asked)
        assert scores.shape == (len(asked), len(catalog))
        assert scores.dtype == np.float32
        assert (scores[:, PAD] == -np.inf).all()
        assert np.isfinite(scores[:, 1:]).all()


def test_padding_is_never_on_a_list_however_long(model, world):
    histories, catalog = world
    for items in recommend(model, histories.take(np.arange(4)), catalog, k=99):
        assert sorted(items) == list(range(8))


def test_alone_is_as_in_a_batch_of_longer_and_shorter_ones(model, world):
    histories = world[0]
    together = model.score(histories)
    assert histories.lengths[:12].tolist() == list(range(3, 15))
    for b in range(12):
        alone = model.score(histories.take(np.array([b])))[0]
        np.testing.assert_allclose(alone[1:], together[b, 1:], rtol=1e-4, atol=1e-5, err_msg=f"shopper {b}")


def test_the_order_of_the_batch_is_the_order_of_the_answers(model, world):
    histories = world[0]
    turned = np.arange(len(histories))[::-1]
    np.testing.assert_allclose(
        model.score(histories.take(turned))[:, 1:], model.score(histories)[turned, 1:], rtol=1e-4, atol=1e-5
    )


def test_a_user_never_met_gets_a_full_list(model, world):
    histories, catalog = world
    stranger = replace(histories.take(np.array([5])), users=["nobody has this name"])
    for someone in (stranger, nobody(histories)):
        assert np.isfinite(model.score(someone)[:, 1:]).all()
        for items in recommend(model, someone, catalog, k=3):
            assert len(set(items)) == 3
            assert set(items) <= set(range(8))


def test_scoring_leaves_the_histories_and_the_model_as_they_were(model, world):
    histories = world[0]
    before = [getattr(histories, name).copy() for name in ("items", "times", "kinds", "offsets")]
    first, second = model.score(histories), model.score(histories)
    np.testing.assert_array_equal(first, second)
    for old, name in zip(before, ("items", "times", "kinds", "offsets"), strict=True):
        np.testing.assert_array_equal(getattr(histories, name), old)
    first[:] = 0  # a caller may write into what it was given
    np.testing.assert_array_equal(model.score(histories), second)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores(name, world):
    histories, catalog = world
    first, second = (make(name).fit(histories, catalog).score(histories) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_fit_forgets_the_first(name, world):
    histories, catalog = world
    half = histories.take(np.arange(0, len(histories), 2))
    again = make(name).fit(half, catalog).fit(histories, catalog).score(histories)
    np.testing.assert_array_equal(again, make(name).fit(histories, catalog).score(histories))


@pytest.mark.parametrize("name", NAMES)
def test_an_item_that_is_in_the_catalog_and_in_no_history_does_no_harm(name, world):
    histories, catalog = world
    unsold = replace(catalog, items=pl.concat([catalog.items, pl.DataFrame({ITEM: [8]})], how="diagonal"))
    scores = make(name).fit(histories, unsold).score(histories)
    assert np.isfinite(scores[:, 1:]).all()
    assert scores.shape[1] == 10


@pytest.mark.parametrize("name", [*SEQUENTIAL, "Transitions"])
def test_a_model_of_sequences_learns_the_carousel(name):
    histories, catalog, _ = carousel(length=6)
    scores = make(name).fit(histories, catalog).score(histories)
    last = histories.items[histories.offsets[1:] - 1]
    following = np.where(last == len(catalog) - 1, 1, last + 1)
    scores[histories.owners, histories.items] = -np.inf  # of eight items six are had: two are left, and one is right
    scores[np.arange(len(last)), PAD] = -np.inf
    assert (scores.argmax(1) == following).all()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_network_needs_no_help_to_find_the_next_of_all_items(name):
    histories, catalog, _ = carousel()
    scores = make(name).fit(histories, catalog).score(histories)
    last = histories.items[histories.offsets[1:] - 1]
    assert (scores.argmax(1) == np.where(last == len(catalog) - 1, 1, last + 1)).all()


@pytest.mark.parametrize("name", ["Item neighbours", "User neighbours", "EASE"])
def test_a_model_of_likeness_keeps_to_the_goods_of_ones_kind(name):
    # Even shoppers buy four of the five even items, odd ones four of the odd: the one withheld is the answer.
    rows = [(user, item, day) for user in range(40) for day, item in enumerate(goods(user))]
    events = log(rows)
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    scores = make(name).fit(histories, catalog).score(histories)
    scores[histories.owners, histories.items] = -np.inf
    withheld = [2 * (user // 2 % 5) + user % 2 for user in histories.users]
    assert catalog.ids(scores.argmax(1)) == withheld


def goods(user):
    return [item for item in range(user % 2, 10, 2) if item != 2 * (user // 2 % 5) + user % 2]


@pytest.mark.parametrize(
    "name_of",
    [lambda i: i * 7, lambda i: f"SKU-{i}", lambda i: uuid.UUID(int=i + 1)],
    ids=["integer", "text", "uuid"],
)
@pytest.mark.parametrize("name", NAMES)
def test_ids_of_any_type_survive_to_the_recommendation(name, name_of):
    events = carousel(n_users=10, n_items=5, length=6)[2].to_pandas()
    for column in (ITEM, USER):
        events[column] = pd.Series([name_of(i) for i in events[column]])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    listed = recommend(make(name).fit(histories, catalog), histories, catalog, k=5)
    assert all(set(items) == {name_of(i) for i in range(5)} for items in listed)
    assert set(histories.users) == {name_of(i) for i in range(10)}


def test_every_knob_of_the_search_is_a_knob_of_its_model():
    assert SPACES.keys() == BASELINES.keys()
    for name, space in SPACES.items():
        assert space.keys() <= signature(BASELINES[name]).parameters.keys(), name


def test_the_line_up_takes_its_settings_and_recency_has_its_days():
    made = {model.name: model for model in baselines({"EASE": {"l2": 3.0}})}
    assert list(made) == list(BASELINES)
    assert made["EASE"].l2 == 3
    assert made["Popularity"].last_days is None
    assert made["Popularity, last days"].last_days == 28
    assert baselines({"Popularity, last days": {"last_days": 7}})[1].last_days == 7


def test_the_hybrid_hears_habits_as_they_serve_the_next_visit_and_all_others_as_they_serve_the_new():
    again = {"Personal frequency": {"half_life_days": 1}, "EASE": {"l2": 1.0}}
    new = {"Personal frequency": {"half_life_days": 2}, "EASE": {"l2": 2.0}}
    members = {model.name: model for model in hybrid_members({"next visit": again, "new items only": new})}
    assert members.keys() == BASELINES.keys() - {"Popularity", "Item neighbours"}
    assert members["Personal frequency"].half_life_days == 1
    assert members["EASE"].l2 == 2
