"""Ways to fill a shop's lists: made at night, live, and live with something tried now and then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab import feedback
from recolab.histories import Catalog, Histories, build_catalog, pack
from recolab.live import Choir, Favour, Habit, Linked, LiveRecommender, Pick, Voice, Wish
from recolab.loop.days import Offer
from recolab.loop.shoppers import EVENT_KINDS, Opened
from recolab.models.neighbours import Transitions
from recolab.rerank import Rules
from recolab.schema import BRAND, CATEGORY
from recolab.sources.shop_catalogue import Floats, Ints

NOW_DAYS = 0.0003  # half a minute: the half-life of what was opened in this visit
WEIGHTS = (1.0, 0.1, 0.1, 1.0)  # of the voices, before anything was shown
POOL = 20  # best items, among which something else may be tried
HALF_LIFE_DAYS = 10.0  # of habits and popularity
VISIT_DAYS = 0.3  # longer than any visit, shorter than the rest between two
NOT_AGAIN = Wish(not_seen_days=VISIT_DAYS, not_bought_days=0)  # what was bought comes back with the next visit
GREEDY = feedback.EpsilonGreedy(0)


class Live:
    """A live recommender whose voices are fitted anew each night, and whose sessions grow within the day."""

    def __init__(
        self,
        items: pl.DataFrame,
        k: int,
        *,
        name: str = "Live",
        wish: Wish = NOT_AGAIN,
        explore: feedback.Policy = GREEDY,
        most_exposure: float = 1.0,
        seed: int = 7,
    ) -> None:
        """items: the item table, in the order of the shelf    k: places of a list

        explore: how the POOL best items are shown in another order    most_exposure: share of what is shown, lately halved every
        night, above which an item rests: a guard against popularity that feeds on itself
        """
        self.catalog, self.k, self.name = build_catalog(items, items), k, name
        self.wish, self.explore, self.most_exposure = wish, explore, most_exposure
        self.asked = k if explore == GREEDY else POOL  # best items among which a list is drawn
        self.weights: Sequence[float] = WEIGHTS
        self.ids = self.catalog.ids(range(1, len(self.catalog)))
        self.row_of = {item: row for row, item in enumerate(self.ids)}  # of the shelf, which has no PAD
        self._vectors, self._rng = like_vectors(self.catalog), np.random.default_rng([seed, 6])
        self._exposure = np.zeros(len(self.ids))

    def learn(self, log: pl.DataFrame, shown: pl.DataFrame, night: int) -> None:  # noqa: ARG002
        """Fit the voices to the log; sessions begin anew from it."""
        past = pack(log, self.catalog, as_of=_moment(night))
        voices = self.voices(past)
        self.live = LiveRecommender(
            self.catalog, past, Choir(voices, self.weights), self._vectors, max_sessions=len(past) + 1
        )
        self._exposure /= 2

    def voices(self, past: Histories) -> list[Voice]:
        """Fit what has a say."""
        return count_voices(past, self.catalog)

    def watch(self, opened: Opened) -> None:
        """Let sessions grow."""
        for user, item, at, deed, _ in zip(*(column.tolist() for column in opened), strict=True):
            for kind in EVENT_KINDS[: deed + 1]:
                self.live.observe(user, self.ids[item], kind, _moment(at))

    def offer(self, user: Ints, at: Ints) -> Offer:
        """Ask for the best, and show them as the way of exploring says."""
        pools = self.ask(user, at)
        return self.fill(pools, *self.draw(pools))

    def ask(self, user: Ints, at: Ints) -> list[list[Pick]]:
        """Get the best items for each of B shoppers, as many as are drawn from: B pools."""
        tired = np.flatnonzero(self._exposure > self.most_exposure * self._exposure.sum())
        rules = Rules(exclude=[self.ids[row] for row in tired])
        return [
            self.live.recommend(one, self.asked, rules, self.wish, _moment(now))
            for one, now in zip(user.tolist(), at.tolist(), strict=True)
        ]

    def draw(self, pools: Sequence[Sequence[Pick]]) -> tuple[Ints, Floats]:
        """Choose the places of each pool that are shown, and say how probable each was given those above it: two of (B, K)."""
        if self.explore == GREEDY:  # as they are: with variety, the order is not that of the scores
            places = np.tile(np.arange(self.k), (len(pools), 1))
            return places, np.ones(places.shape)
        scores = np.array([[pick.score for pick in pool] for pool in pools], np.float64)
        places = self.explore.draw(scores, self.k, self._rng)
        return places, feedback.step_propensities(self.explore, scores, places)

    def fill(self, pools: Sequence[Sequence[Pick]], places: Ints, propensities: Floats) -> Offer:
        """Make the lists, and count what they expose."""
        rows = np.array([[self.row_of[pick.item] for pick in pool] for pool in pools])
        shown = np.take_along_axis(rows, places, 1)
        self._exposure += np.bincount(shown.ravel(), minlength=len(self.ids))
        return Offer(shown, propensities, rows[:, : self.k])


class Nightly(Live):
    """Lists made once a night, before anybody comes; what a shopper has opened today is skipped, but teaches nothing till tomorrow."""

    def __init__(self, items: pl.DataFrame, k: int, *, name: str = "Nightly") -> None:
        super().__init__(items, k, name=name)

    def learn(self, log: pl.DataFrame, shown: pl.DataFrame, night: int) -> None:
        """Fit the voices to the log, and forget yesterday's lists."""
        super().learn(log, shown, night)
        self._night, self._lists, self._opened = _moment(night), dict[int, list[int]](), dict[int, set[int]]()

    def watch(self, opened: Opened) -> None:
        """Note what to skip."""
        for user, item in zip(opened.user.tolist(), opened.item.tolist(), strict=True):
            self._opened.setdefault(user, set()).add(item)

    def offer(self, user: Ints, at: Ints) -> Offer:  # noqa: ARG002
        """Take the first that were not opened today from the lists as they stood at night."""
        rows = np.array([self._left(one) for one in user.tolist()])
        return Offer(rows, np.ones(rows.shape), rows)

    def _left(self, user: int) -> list[int]:
        if user not in self._lists:  # as good as made at night: the live recommender hears nothing by day
            best = self.live.recommend(user, len(self.ids), at=self._night)
            self._lists[user] = [self.row_of[pick.item] for pick in best]
        opened = self._opened.get(user, ())
        return [row for row in self._lists[user] if row not in opened][: self.k]


def count_voices(past: Histories, catalog: Catalog) -> list[Voice]:
    """Fit transitions, habit and popularity by counting, newer events counting more."""
    counts = np.bincount(past.items, past.weights(HALF_LIFE_DAYS), len(catalog)).astype(np.float32)
    links = Transitions(HALF_LIFE_DAYS, reach=2, damping=0.2).fit(past, catalog).links
    linked = [Linked(links, NOW_DAYS, "This visit"), Linked(links, HALF_LIFE_DAYS, "Transitions")]
    return [*linked, Habit(HALF_LIFE_DAYS, None), Favour(counts)]


def like_vectors(catalog: Catalog) -> NDArray[np.float32]:
    """Describe items by category and brand, half and half: (N, D) of length 1, zeros for PAD."""
    names = catalog.items.select(CATEGORY, BRAND).to_dummies(drop_nulls=True)
    return np.asarray(names.to_numpy() / np.sqrt(2), np.float32)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
