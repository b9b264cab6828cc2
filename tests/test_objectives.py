"""recolab.models.objectives: what is asked of whom, and that nobody is told the answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recolab.histories import all_windows, build_catalog, lay_out, newest_window, next_visits, pack, visits
from recolab.models.network import SequenceNetwork
from recolab.models.objectives import Batches, HiddenVisits, NextVisit
from tests.networks import BOTH_WAYS
from tests.worlds import carousel, log


@pytest.fixture
def world():
    """Fifty histories of 1 to 9 visits, a third of them baskets of two."""
    rng = np.random.default_rng(0)
    rows = [(user, int(rng.integers(9)), day // 2) for user in range(50) for day in range(1 + user % 9)]
    rows += [(user, item, day + 20) for user, item, day in rows if user % 2]
    events = log(rows)
    histories = pack(events, build_catalog(events))
    return histories, visits(histories)


def asked(world, share, seed=0, max_len=6):
    windows = all_windows(world[1], max_len)
    return windows, HiddenVisits(share).batch(*world, windows, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [1e-9, 0.3, 1.0])
def test_every_window_hides_a_visit_and_one_that_drew_none_its_newest(world, share):
    windows, batch = asked(world, share)
    lengths = windows[:, 1] - windows[:, 0]
    window_of = np.repeat(np.arange(len(windows)), lengths)
    hidden = np.unique(batch.owners)
    assert set(window_of[hidden]) == set(range(len(windows)))
    if share < 1e-6:
        assert hidden.tolist() == (np.cumsum(lengths) - 1).tolist()
    if share == 1:
        assert len(hidden) == lengths.sum()


def test_about_the_share_that_was_asked_for_is_hidden():
    histories, _, _ = carousel(n_users=400, length=40)
    visited = visits(histories)
    windows = all_windows(visited, 40)
    batch = HiddenVisits(0.2).batch(histories, visited, windows, np.random.default_rng(1))
    # 16,000 draws: a standard deviation of 0.3 %; a window without any, chance 0.0001, hardly counts.
    assert len(np.unique(batch.owners)) / 16_000 == pytest.approx(0.2, abs=0.012)


def test_another_draw_hides_other_visits_and_the_same_seed_the_same(world):
    (_, first), (_, again), (_, other) = asked(world, 0.3, 1), asked(world, 0.3, 1), asked(world, 0.3, 2)
    assert first.owners.tolist() == again.owners.tolist()
    assert first.owners.tolist() != other.owners.tolist()


def test_the_targets_are_what_was_hidden_and_the_rest_is_left_as_it_was(world):
    windows, batch = asked(world, 0.3)
    whole = lay_out(*world, windows)
    hidden = np.unique(batch.owners)
    contents = np.split(whole.items, whole.starts[1:])
    assert batch.targets.tolist() == np.concatenate([contents[v] for v in hidden]).tolist()
    assert batch.owners.tolist() == [v for v in hidden for _ in contents[v]]
    left = np.split(batch.windows.items, batch.windows.starts[1:])
    for v, content in enumerate(contents):
        assert left[v].tolist() == ([] if v in hidden else content.tolist())
    assert batch.windows.cells.tolist() == whole.cells.tolist()


def test_nothing_of_the_hidden_visits_can_reach_the_network(world):
    histories, visited = world
    windows, batch = asked(world, 0.3)
    events_of = np.repeat(np.arange(len(visited.starts) - 1), np.diff(visited.starts))
    order = np.concatenate([np.arange(first, last) for first, last in windows])  # windows are cut from the newest back
    is_hidden = np.isin(events_of, order[np.unique(batch.owners)])
    told = replace(histories, items=np.where(is_hidden, histories.items % 9 + 1, histories.items))
    other = HiddenVisits(0.3).batch(told, visited, windows, np.random.default_rng(0))
    assert (other.targets == batch.targets % 9 + 1).all()
    torch.manual_seed(0)
    model = BOTH_WAYS["BERT4Rec"]()
    module = SequenceNetwork(10, model.config, model.encoder).eval()
    assert torch.equal(module(other.windows), module(batch.windows))


def test_a_batch_in_which_all_is_hidden_is_a_batch_of_blanks():
    histories, _, _ = carousel(n_users=3, length=1)
    visited = visits(histories)
    batch = HiddenVisits(0.3).batch(histories, visited, all_windows(visited, 4), np.random.default_rng(0))
    assert batch.targets.tolist() == [1, 2, 3]
    model = BOTH_WAYS["BERT4Rec"]()
    torch.manual_seed(0)
    module = SequenceNetwork(9, model.config, model.encoder)
    answer = module(batch.windows)
    assert answer.isfinite().all()
    torch.testing.assert_close(answer[0], answer[2])
    answer.square().sum().backward()
    assert module.blank.grad.isfinite().all()


def test_the_next_visit_is_asked_as_the_histories_tell_it(world):
    windows = newest_window(world[1], 4)
    batch = NextVisit().batch(*world, windows, np.random.default_rng(0))
    owners, targets = next_visits(*world, windows)
    assert (batch.owners.tolist(), batch.targets.tolist()) == (owners.tolist(), targets.tolist())
    question = NextVisit().question(batch.windows)
    assert question is batch.windows


def test_an_epoch_asks_for_every_next_visit_once_and_a_lonely_visit_for_nothing(world):
    histories, visited = world
    every = next_visits(histories, visited, all_windows(visited, 6))[1]
    batches = list(Batches(histories, NextVisit(), 6, 30).epoch(np.random.default_rng(0)))
    assert sorted(np.concatenate([batch.targets for batch in batches])) == sorted(every)
    assert all(len(batch.targets) for batch in batches)
    assert all(batch.windows.is_visit.size <= 30 for batch in batches)
    lonely, _, _ = carousel(length=1)
    assert list(Batches(lonely, NextVisit(), 6, 30).epoch(np.random.default_rng(0))) == []
