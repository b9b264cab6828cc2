"""A day of the shop under one policy: pages open, lists are shown, shoppers react, and the truth says what each list was worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.loop.shoppers import Opened, Pages, Shoppers, deeds
from recolab.schema import CLICK, DWELL, ITEM, POSITION, PROPENSITY, TIME, USER
from recolab.sources.shop_catalogue import Floats, Ints
from recolab.sources.shop_walk import SECOND, dwell_seconds

Bools = NDArray[np.bool_]


class Offer(NamedTuple):
    """Lists for B shoppers, all (B, K): rows of the shelf, the propensity of each given those above it, and the list without a try."""

    rows: Ints
    propensities: Floats
    greedy: Ints


class Policy(Protocol):
    """A way to fill the lists of a shop, that may learn each night."""

    name: str

    def learn(self, log: pl.DataFrame, shown: pl.DataFrame, night: int) -> None:
        """Take in the whole log and what the day's lists showed, a row a place, in the order of the offers; before the first day, none.

        log: events    shown: impressions, with the seconds of each look    night: milliseconds since 1970
        """

    def offer(self, user: Ints, at: Ints) -> Offer:
        """Make a list for each of B shoppers as of now: user (B,), at (B,) milliseconds since 1970."""

    def watch(self, opened: Opened) -> None:
        """Hear what shoppers have just opened, on their own or from a list."""


class Values(NamedTuple):
    """What L lists were worth, as the truth knows it: expected values without any luck, all (L,).

    clicks, purchases: of a list    best: the purchases of the list that would have the most    given_up: those that trying cost,
    against the greedy list    liked_clicks, liked_purchases: the satisfaction with what is clicked and bought, summed
    """

    clicks: Floats
    purchases: Floats
    best: Floats
    given_up: Floats
    liked_clicks: Floats
    liked_purchases: Floats


class Diary(NamedTuple):
    """What L pages and their lists brought under one policy.

    user, visit, at: (L,)    lists: (L, K) rows of the shelf    propensities, stayed: (L, K), seconds on what was clicked, else 0
    values: (L,) each    opened: all that was opened, on pages and from lists
    """

    user: Ints
    visit: Ints
    at: Ints
    lists: Ints
    propensities: Floats
    stayed: Floats
    values: Values
    opened: Opened

    def clicks_by(self, shoppers: Shoppers) -> Ints:
        """Count each shopper's clicks in each category: (U, C)."""
        counts = np.zeros_like(shoppers.crowd.taste, np.int64)
        page, place = np.nonzero(self.stayed)
        np.add.at(counts, (self.user[page], shoppers.shelf.category[self.lists[page, place]]), 1)
        return counts

    def shown(self, shoppers: Shoppers) -> pl.DataFrame:
        """Log the impressions: a row for each place of each list, list after list."""
        n, k = self.lists.shape
        return pl.DataFrame(
            {
                USER: np.repeat(self.user, k),
                ITEM: shoppers.shelf.items[ITEM].gather(self.lists.ravel()),
                TIME: pl.Series(np.repeat(self.at, k)).cast(pl.Datetime("ms")),
                POSITION: np.tile(np.arange(1, k + 1), n),
                PROPENSITY: self.propensities.ravel(),
                CLICK: self.stayed.ravel() > 0,
                DWELL: self.stayed.ravel(),
            }
        )


def spend_day(shoppers: Shoppers, taste: Floats, pages: Pages, policy: Policy) -> Diary:
    """Let a day's pages open, each with a list by the policy, and follow what comes of it: taste (U, C), as of the morning."""
    n_visits = int(pages.visit.max(initial=-1)) + 1
    seen, last = np.zeros((n_visits, len(shoppers.shelf)), bool), np.full(n_visits, -1)
    rounds = [_spend_round(shoppers, taste, pages, rows, policy, seen, last) for rows in pages.rounds()]
    *columns, values, opened = zip(*rounds, strict=True)
    user, visit, at, lists, propensities, stayed = map(np.concatenate, columns)
    return Diary(user, visit, at, lists, propensities, stayed, Values(*_joined(values)), Opened(*_joined(opened)))


def _joined(parts: Iterable[Iterable[NDArray[Any]]]) -> Iterator[NDArray[Any]]:
    return map(np.concatenate, zip(*parts, strict=True))


def _spend_round(
    shoppers: Shoppers, taste: Floats, pages: Pages, rows: Ints, policy: Policy, seen: Bools, last: Ints
) -> Diary:
    """Open one page of each shopper; `seen` (visits, N) and `last` (visits,) go on to the next."""
    user, visit, at = pages.user[rows], pages.visit[rows], pages.at[rows]
    laws = np.cumsum(shoppers.step_laws(taste, user, last[visit]), 1)
    item = np.minimum((laws < pages.walk[rows, None] * laws[:, -1:]).sum(1), len(shoppers.shelf) - 1)
    own, _ = open_items(shoppers, pages, rows, item[:, None], np.ones((len(rows), 1), bool))
    seen[visit, item] = True
    policy.watch(own)
    offer = policy.offer(user, at)
    # What was opened draws nobody again in the same visit.
    attraction = np.where(seen[visit], 0, shoppers.attraction(taste, user, item))
    clicked = clicked_places(shoppers, pages, rows, attraction, offer.rows)
    found, stayed = open_items(shoppers, pages, rows, offer.rows, clicked)
    policy.watch(found)
    page = np.nonzero(clicked)[0]
    seen[visit[page], offer.rows[clicked]] = True
    last[visit] = item
    last[visit[page]] = offer.rows[clicked]  # of several, the last one: from there the visit goes on
    both, values = Opened(*_joined([own, found])), worth(shoppers, user, attraction, offer)
    return Diary(user, visit, at, offer.rows, offer.propensities, stayed, values, both)


def clicked_places(shoppers: Shoppers, pages: Pages, rows: Ints, attraction: Floats, lists: Ints) -> Bools:
    """Let shoppers look down their lists as far as they care to, and click on what draws them: the position-based model.

    P(click) = P(the place is looked at) · attraction, the examination hypothesis (Richardson et al. 2007, Craswell et al. 2008)
    rows: (B,) of the pages    attraction: (B, N)    lists: (B, K)  ->  (B, K)
    """
    looked = pages.depth[rows, None] < shoppers.looks
    return looked & (np.take_along_axis(pages.luck[0][rows], lists, 1) < np.take_along_axis(attraction, lists, 1))


def open_items(shoppers: Shoppers, pages: Pages, rows: Ints, lists: Ints, is_open: Bools) -> tuple[Opened, Floats]:
    """Follow what is opened of some lists down the funnel: rows (B,), lists, is_open (B, K)  ->  that, and the seconds (B, K), else 0."""
    page, place = np.nonzero(is_open)
    user, item = pages.user[rows[page]], lists[is_open]
    look, cart, buy = pages.luck[1:, rows[page], item]
    liking = shoppers.liking[user, item]
    seconds = np.zeros(lists.shape)
    seconds[is_open] = dwell_seconds(liking, look)
    when = pages.at[rows[page]] + place * SECOND
    return Opened(user, item, when, deeds(liking, cart, buy), seconds[is_open]), seconds


def worth(shoppers: Shoppers, user: Ints, attraction: Floats, offer: Offer) -> Values:
    """Say what lists are worth: user (B,), attraction (B, N)."""
    looks, value = shoppers.looks, attraction * shoppers.buying[user]
    clicked, bought = (looks * np.take_along_axis(table, offer.rows, 1) for table in (attraction, value))
    liking = np.take_along_axis(shoppers.liking[user], offer.rows, 1)
    greedy = (looks * np.take_along_axis(value, offer.greedy, 1)).sum(1)
    best = (looks * -np.sort(-value, 1)[:, : len(looks)]).sum(1)
    purchases = bought.sum(1)
    return Values(
        clicked.sum(1), purchases, best, greedy - purchases, (clicked * liking).sum(1), (bought * liking).sum(1)
    )
