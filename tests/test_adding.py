"""recolab.models.adding, and the update of every model that counts: what is added week by week is what is counted at once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recolab.histories import build_catalog, pack
from recolab.models.adding import AddedTransitions
from recolab.models.neighbours import ItemNeighbours, Transitions
from recolab.models.popularity import PersonalFrequency, Popularity
from recolab.schema import ITEM, TIME
from tests.worlds import START, log

MODELS = {
    "popularity": Popularity,
    "popularity, last days": lambda: Popularity(last_days=9),
    "personal frequency": lambda: PersonalFrequency(half_life_days=5, half_life_visits=3),
    "item neighbours": lambda: ItemNeighbours(half_life_days=20, k=99),
    "transitions": lambda: AddedTransitions(half_life_days=20, reach=3, k=99),
}


@pytest.fixture(scope="module")
def weeks():
    """Four weeks of a growing shop, each packed by the catalog of its time, as of the week's end; and all of them together."""
    rng, catalog, parts = np.random.default_rng(5), None, []
    rows = [(int(rng.integers(5 + day)), int(rng.integers(6 + day // 2)), day) for day in range(28) for _ in range(12)]
    events = log(rows)
    for week in range(4):
        ends = START.replace(day=8 + 7 * week)
        newest = events.filter(pl.col(TIME).is_between(START.replace(day=1 + 7 * week), ends, closed="left"))
        catalog = build_catalog(newest) if catalog is None else catalog.grow(build_catalog(newest).items)
        parts.append((pack(newest, catalog, ends), catalog))
    return parts, pack(events, catalog, ends), catalog


@pytest.mark.parametrize("name", MODELS)
def test_weeks_that_are_added_score_as_weeks_that_were_counted_at_once(name, weeks):
    parts, whole, catalog = weeks
    added, anew = MODELS[name]().fit(*parts[0]), MODELS[name]().fit(whole, catalog)
    first = added.score(parts[0][0])
    for newer in parts[1:]:
        added.update(*newer)
    np.testing.assert_allclose(added.score(whole), anew.score(whole), rtol=1e-5, atol=1e-9)
    assert added.score(whole).shape[1] > first.shape[1]  # items came


def test_all_pairs_that_are_kept_are_those_that_transitions_count(weeks):
    _, whole, catalog = weeks
    kept, plain = (
        make(reach=4, damping=0.3, k=5).fit(whole, catalog).links for make in (AddedTransitions, Transitions)
    )
    np.testing.assert_allclose(kept.toarray().sum(1), plain.toarray().sum(1), rtol=1e-5)
    kept, plain = (make(reach=4, k=99).fit(whole, catalog).links for make in (AddedTransitions, Transitions))
    np.testing.assert_allclose(kept.toarray(), plain.toarray(), rtol=1e-5)


def test_of_old_visits_only_as_many_as_reach_are_kept(weeks):
    parts, *_ = weeks
    model = AddedTransitions(reach=2).fit(*parts[0]).update(*parts[1])
    held = model._newest_visits
    for b in range(len(held)):
        assert len(set(held.times[held.offsets[b] : held.offsets[b + 1]].tolist())) <= 2


def test_an_event_is_not_counted_twice(weeks):
    parts, *_ = weeks
    model = AddedTransitions().fit(*parts[0])
    with pytest.raises(ValueError, match=r"events are not later than .*: give each event once, or fit anew"):
        model.update(*parts[0])


def test_positions_do_not_say_what_is_new():
    events = log([("a", 1, 0), ("a", 2, 1)]).with_columns(pl.Series(TIME, [0, 1]))
    catalog = build_catalog(events)
    model = AddedTransitions().fit(pack(events, catalog), catalog)
    with pytest.raises(ValueError, match="positions do not say what is new: fit anew"):
        model.update(pack(events.with_columns(pl.col(TIME) + 2), catalog), catalog)


def test_what_an_item_did_before_a_floor_let_it_in_is_missing_and_nothing_else():
    early = log([("a", 1, 0), ("a", 9, 1), ("a", 2, 2), ("b", 1, 0), ("b", 2, 1)])
    later = log([("a", 9, 8), ("b", 9, 8), ("b", 1, 9)])
    everything = pl.concat([early, later])
    before = build_catalog(early.filter(pl.col(ITEM) != 9))
    now = before.grow(build_catalog(everything).items)
    added = AddedTransitions(k=99).fit(pack(early, before), before).update(pack(later, now), now)
    without = pl.concat([early.filter(pl.col(ITEM) != 9), later])
    np.testing.assert_allclose(
        added.links.toarray(), Transitions(k=99).fit(pack(without, now), now).links.toarray(), rtol=1e-5
    )
    full = Transitions(k=99).fit(pack(everything, now), now).links.toarray()
    assert (np.abs(added.links.toarray() - full) > 1e-6).any()
