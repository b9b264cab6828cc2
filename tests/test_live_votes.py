"""Votes of the items that have any say what votes of all items say, however a session grows."""

from __future__ import annotations

import numpy as np
import pytest

from recolab.live import sessions, voices
from recolab.live.sessions import Sessions
from recolab.live.voices import Linked
from recolab.models.neighbours import Transitions
from tests.worlds import START, priced_ring

N_ITEMS = 40


@pytest.fixture
def both(monkeypatch):
    """One table of links, heard by a voice that counts all items and by one that counts some, and the past they know."""
    catalog, past = priced_ring(N_ITEMS, START)
    links = Transitions(half_life_days=4, reach=3).fit(past, catalog).links
    every = Linked(links, 3.0, "links")
    monkeypatch.setattr(voices, "FEW", 1)
    return every, Linked(links, 3.0, "links"), past


def same(one, other):
    """Compare two opinions in all that can be asked of them."""
    scores = [np.zeros(N_ITEMS + 1, np.float32) for _ in range(2)]
    for opinion, sums in zip((one, other), scores, strict=True):
        opinion.add_to(sums, 2.0)
        np.testing.assert_allclose(sums, 2 * opinion.of(np.arange(N_ITEMS + 1)), atol=1e-5)
    np.testing.assert_allclose(*scores, atol=1e-4)
    rows = np.array([7, 1, 30, 2])
    np.testing.assert_allclose(one.of(rows), other.of(rows), atol=1e-4)
    told = [np.sort(opinion.of(opinion.best(5))) for opinion in (one, other)]
    np.testing.assert_allclose(*(best[best > 0] for best in told), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_some_votes_are_all_votes_through_late_events_fading_and_forgetting(both, seed, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT", 12)
    every, some, past = both
    rng, known, now = np.random.default_rng(seed), Sessions(past, most=5), past.as_of
    users = [past.users[0], "a stranger"]
    for user in users:
        same(every.opinion(known.of(user), now), some.opinion(known.of(user), now))
    for _ in range(60):
        user, row, kind = users[rng.integers(2)], int(rng.integers(1, N_ITEMS + 1)), int(rng.integers(4))
        now += int(rng.integers(0, 200_000))
        at = now - int(rng.integers(0, 3) == 0) * int(rng.integers(0, 900_000))
        before, after = known.add(user, row, at, kind)
        for voice in (every, some):
            voice.follow(before, after, row, at, kind)
        assert type(after.memory.get(every)) is not type(after.memory.get(some)) or every not in after.memory
        same(every.opinion(after, now), some.opinion(after, now))
