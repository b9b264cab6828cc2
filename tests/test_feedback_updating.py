"""A trained model takes in new events, users and items: nothing known is lost, only what is new is asked, and what changed is learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from scipy import sparse

from recolab.feedback.updating import Lessons, UpdateConfig, carry_over, update
from recolab.histories import all_windows, build_catalog, next_visits, pack, visits
from recolab.models.item_vectors import company
from recolab.models.transformer import Transformer
from recolab.schema import TIME
from tests.networks import BOTH_WAYS, SEQUENTIAL, WRITERS
from tests.worlds import START, log

DAY = 86_400
OLD_ITEMS, NEW_ITEM = 6, 6
NEWS = 20  # the day on which the world changes
RATE = 1e-2


def at(day):
    return int((START - START.replace(year=1970)).total_seconds()) + day * DAY


def world():
    """Shoppers who step round six items, until on day 20 a seventh takes its place after the last; new shoppers come too."""
    old = [(user, (user + day) % OLD_ITEMS, day) for user in range(30) for day in range(NEWS)]
    new = [(user, (user + day) % 7, day) for user in range(20, 50) for day in range(NEWS, NEWS + 8)]
    events = log(old + new)
    past = events.filter(pl.col(TIME) < START.replace(day=1 + NEWS))
    before = build_catalog(past)
    return pack(past, before), before, pack(events, before.grow(build_catalog(events).items)), events


def followers(model, catalog, n_items):
    """What the model foresees after each item alone: raw ids."""
    asked = pack(log([(item, item, 0) for item in range(n_items)]), catalog)
    return catalog.ids(model.score(asked).argmax(1))


@pytest.fixture(scope="module")
def learned():
    past, before, now, events = world()
    model = SEQUENTIAL["Transformer"]()
    return model.fit(past, before), before, now, before.grow(build_catalog(events).items)


def test_a_copy_that_grew_says_the_same_of_what_was_known(learned):
    model, _, now, _ = learned
    shares = sparse.csr_matrix(np.array([[0, 0.25, 0, 0.75, 0, 0, 0]], np.float32))
    grown = carry_over(model, shares)
    known = now.where(now.items < 7)
    np.testing.assert_allclose(grown.score(known)[:, 1:7], model.score(known)[:, 1:], rtol=1e-5)
    table = grown.module.table.weight.detach()
    torch.testing.assert_close(table[7], 0.25 * table[1] + 0.75 * table[3])
    assert len(model.item_vectors()) == 7


def test_what_changed_is_learned_and_with_replay_what_did_not_is_kept(learned):
    model, before, now, catalog = learned
    frozen = {name: weights.clone() for name, weights in model.module.state_dict().items()}
    assert followers(model, before, 6) == [1, 2, 3, 4, 5, 0]
    training = replace(model.training, epochs=15, learning_rate=RATE)
    newer = update(model, now, catalog, at(NEWS), UpdateConfig(training, replay=0.1))
    coming = [(user + (NEWS + 8 if user >= 20 else NEWS)) % (7 if user >= 20 else OLD_ITEMS) for user in now.users]
    foreseen = catalog.ids(newer.score(now).argmax(1))
    assert foreseen[20:] == coming[20:]  # new shoppers and those who are here again: the way of the new world
    assert np.mean(np.array(foreseen[:20]) == coming[:20]) > 0.8  # the others have not seen it yet
    for name, weights in model.module.state_dict().items():  # it serves while its copy learns
        assert torch.equal(weights, frozen[name])
    assert newer.training == model.training  # of a first training, whatever an update was
    assert len(newer.log) == 15
    assert newer._popularity[7] == pytest.approx(np.log1p((now.items == 7).sum()))


def test_what_is_not_replayed_is_forgotten(learned):
    model, before, *_ = learned
    # From day 20 on everybody has item 0 and then item 3, and so on; nobody has 1 and 4, whose followers were 2 and 5.
    news = log([(user, 3 * (day % 2), day) for user in range(30) for day in range(NEWS, NEWS + 3)])
    now = world()[0].extend(pack(news, before))
    training = replace(model.training, epochs=15, learning_rate=2 * RATE)
    without, replayed = (
        followers(update(model, now, before, at(NEWS), UpdateConfig(training, replay)), before, 6)
        for replay in (0.0, 1.0)
    )
    assert (replayed[1], replayed[4]) == (2, 5)
    assert {without[1], without[4]} <= {0, 3}


def test_only_visits_since_the_last_update_are_asked_each_from_all_before_it():
    # a: 1 | 2 3 || 4 | 5    b: 1 | 2    c: || 3 | 4; the bar is day 2, a basket has one day
    rows = [
        ("a", 1, 0),
        ("a", 2, 1),
        ("a", 3, 1),
        ("a", 4, 2),
        ("a", 5, 3),
        ("b", 1, 0),
        ("b", 2, 1),
        ("c", 3, 2),
        ("c", 4, 4),
    ]
    events = log(rows)
    histories = pack(events, build_catalog(events))
    [batch] = Lessons(histories, at(2), 0.0, context=8, positions=100).epoch(np.random.default_rng(0))
    assert batch.windows.is_visit.sum(1).tolist() in ([4, 2], [2, 4])  # b is not read
    first_of_a = 2 * (batch.windows.is_visit.sum(1)[0] == 2)  # visits of c that are counted before those of a
    asked = sorted(zip((batch.owners - first_of_a).tolist(), batch.targets.tolist(), strict=True))
    assert {pair for pair in asked if pair[0] in (1, 2)} >= {(1, 4), (2, 5)}
    assert sorted(batch.targets.tolist()) == [4, 4, 5]


def test_the_first_new_visit_is_asked_of_the_window_before_its_own():
    events = log([("a", day + 1, day) for day in range(5)])
    histories = pack(events, build_catalog(events))
    [batch] = Lessons(histories, at(4), 0.0, context=4, positions=100).epoch(np.random.default_rng(0))
    assert all_windows(visits(histories), 4).tolist() == [[1, 5], [0, 1]]
    assert (batch.owners.tolist(), batch.targets.tolist()) == ([2], [5])
    [batch] = Lessons(histories, at(1), 0.0, context=1, positions=100).epoch(np.random.default_rng(0))
    assert sorted(batch.targets.tolist()) == [2, 3, 4, 5]


def test_of_what_is_read_anyway_all_or_a_share_is_asked_again():
    histories = world()[2]
    lessons = Lessons(histories, at(NEWS), 1.0, 8, 64)
    asked = np.sort(np.concatenate([batch.targets for batch in lessons.epoch(np.random.default_rng(3))]))
    _, everything = next_visits(histories, lessons.visited, lessons.windows)
    np.testing.assert_array_equal(asked, np.sort(everything))
    away = [b for b, user in enumerate(histories.users) if user < 20]  # they were not here again, and are not read
    first = lessons.visited.offsets[20]
    assert (len(away), lessons.windows.min() >= first) == (20, True)

    lessons = Lessons(histories, at(NEWS), 0.2, 8, 64)
    drawn = [sum(len(b.targets) for b in lessons.epoch(np.random.default_rng(seed))) for seed in range(30)]
    n_new = lessons.is_new.sum()
    assert n_new == 10 * 8 + 20 * 7
    assert np.mean(drawn) == pytest.approx(n_new + 0.2 * (len(everything) - n_new), rel=0.03)
    assert len(set(drawn)) > 1  # anew every epoch


def test_company_is_who_stands_near_by_hand():
    # a has 1, 9, 2: item 9 is one step from each. b has 1, 2, 9: one from 2, two from 1. Row 3 is new, and so is 4, with 3 alone.
    events = log(
        [("a", 1, 0), ("a", 9, 1), ("a", 2, 2), ("b", 1, 0), ("b", 2, 1), ("b", 9, 2), ("c", 9, 0), ("c", 10, 1)]
    )
    histories = pack(events, build_catalog(events))
    shares = company(histories, 5, 3).toarray()
    np.testing.assert_allclose(shares, [[0, 1.5 / 3.5, 2 / 3.5], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(company(histories, 5, 3, reach=1).toarray()[0], [0, 1 / 3, 2 / 3], rtol=1e-6)
    assert company(histories, 5, 5).shape == (0, 5)


@pytest.mark.parametrize("name", [*BOTH_WAYS, *WRITERS])
def test_who_is_asked_something_else_cannot_learn_from_new_visits_alone(name, learned):
    _, before, now, catalog = learned
    model = SEQUENTIAL[name]()
    model.training = replace(model.training, epochs=1)
    model.fit(now.where(now.items < 7), before)
    with pytest.raises(ValueError, match=r"is not asked for the visit after each while it learns.*train it anew"):
        update(model, now, catalog, at(NEWS), UpdateConfig(model.training))


@pytest.mark.parametrize("name", ["Gru4Rec", "NextItNet", "Caser"])
def test_every_reader_of_the_past_is_updated(name, learned):
    _, before, now, catalog = learned
    model = SEQUENTIAL[name]()
    model.training = replace(model.training, epochs=1)
    model.fit(now.where(now.items < 7), before)
    newer = update(model, now, catalog, at(NEWS), UpdateConfig(model.training))
    assert newer.score(now).shape == (len(now), 8)
    assert type(newer) is type(model)


def test_what_cannot_be_an_update_says_what_to_do(learned):
    model, before, now, catalog = learned
    with pytest.raises(ValueError, match=r"none is from \d+ on and has one before it; the newest is"):
        update(model, now, catalog, at(99))
    with pytest.raises(ValueError, match=r"replay = 1\.5 must be from 0 to 1"):
        UpdateConfig(replay=1.5)
    with pytest.raises(ValueError, match="context = 0 must be 1 or more"):
        UpdateConfig(context=0)
    newer = update(model, now, catalog, at(NEWS), UpdateConfig(replace(model.training, epochs=1)))
    with pytest.raises(ValueError, match="the catalog has 7 rows and the model 8: grow the model's own catalog"):
        update(newer, now.where(now.items < 7), before, at(NEWS), UpdateConfig(model.training))


def test_an_updated_model_is_saved_and_loaded_like_any_other(learned, tmp_path):
    model, _, now, catalog = learned
    newer = update(model, now, catalog, at(NEWS), UpdateConfig(replace(model.training, epochs=1)))
    newer.save(tmp_path / "model")
    np.testing.assert_array_equal(Transformer.load(tmp_path / "model").score(now), newer.score(now))
