"""Simulated shoppers who are shown lists: what draws their eyes, what they like, how they drift, and when they come, all of it known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit

from recolab.schema import CART, DWELL, ITEM, KIND, PURCHASE, TIME, USER, VALUE, VIEW
from recolab.sources.shop import MOST_VISITS_PER_DAY
from recolab.sources.shop_catalogue import Floats, Ints, Shelf, make_shelf
from recolab.sources.shop_traffic import BUY_SHARE, cart_chance
from recolab.sources.shop_walk import (
    DAY,
    MEAN_VIEWS,
    MOST_VIEWS,
    SECOND,
    STOP,
    Crowd,
    agenda,
    browse,
    make_crowd,
)

# The log-odds of a click: what the walk along the shelf needs next, what is liked, and what only catches the eye.
RELUCTANCE, NEED, LIKING, LURE = -4.0, 1.0, 0.6, 0.9
LOOK_FADES = 0.7  # the j-th place of a list is looked at with chance 1 / j^LOOK_FADES
DRIFT = 0.1  # of a taste towards a category, for each click on a list
PAGE_SECONDS = 60  # from one page of a visit to the next
EVENT_KINDS = (VIEW, CART, PURCHASE)


@dataclass(frozen=True)
class LoopConfig:
    """How large the simulated shop is, and for how long its lists are shown.

    past_days: of the log before the first list    pages_per_day: opened by all shoppers together, about    k: places of a list
    Raises ValueError for a size below 1, more pages than its shoppers have visits for, and a shelf that a long visit could exhaust.
    """

    n_users: int = 300
    n_items: int = 300
    past_days: int = 30
    days: int = 30
    pages_per_day: int = 100
    k: int = 6
    start: datetime = datetime(2025, 1, 6)
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("n_users", "past_days", "days", "pages_per_day", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be 1 or more")
        most = int(MOST_VISITS_PER_DAY * MEAN_VIEWS * self.n_users)
        if self.pages_per_day > most:
            raise ValueError(
                f"pages_per_day = {self.pages_per_day} is too much for {self.n_users} users, who open {most} at most"
            )
        least = MOST_VIEWS * (1 + self.k) + self.k
        if self.n_items < least:
            raise ValueError(
                f"n_items = {self.n_items} must be {least} or more: k = {self.k} that are new to a visit, however long"
            )


class Opened(NamedTuple):
    """What n shoppers opened, and did about it: all (n,).

    user, item: who, and which row of the shelf    at: milliseconds since 1970    deed: an index of EVENT_KINDS, how far it went
    """

    user: Ints
    item: Ints
    at: Ints
    deed: Ints
    dwell_seconds: Floats


@dataclass(frozen=True)
class Pages:
    """P pages that shoppers open in a day, by shopper and time, and the luck that decides what they do: the same whatever is shown.

    user, visit: (P,) rising    at: (P,) milliseconds since 1970    walk, depth: (P,) uniform numbers that decide
    the page's item and how far down its list one looks    luck: (4, P, N) a click, the look, a cart and a purchase; the look's are
    standard normal, the others uniform
    """

    user: Ints
    visit: Ints
    at: Ints
    walk: Floats
    depth: Floats
    luck: Floats

    def rounds(self) -> Iterator[Ints]:
        """Give the rows of everybody's first page, then of everybody's second one: shoppers go on side by side."""
        step = np.arange(len(self.user)) - np.searchsorted(self.user, self.user)
        for number in range(int(step.max(initial=-1)) + 1):
            yield np.flatnonzero(step == number)


@dataclass(frozen=True)
class Shoppers:
    """All that drives the shop: the shelf of N items, U shoppers as they are before the first list, and what nobody sees.

    liking: (U, N) satisfaction with each item    lure: (N,) how much it catches the eye, whatever it is worth
    looks: (K,) chance that a place is looked at
    """

    config: LoopConfig
    shelf: Shelf
    crowd: Crowd
    liking: Floats
    lure: Floats
    looks: Floats

    @cached_property
    def buying(self) -> Floats:
        """The chance that an opened item is bought: (U, N)."""
        return BUY_SHARE * cart_chance(self.liking)

    def midnight(self, day: int) -> int:
        """Say when a day of the loop begins, in milliseconds since 1970."""
        start = self.config.start + timedelta(days=self.config.past_days + day)
        return int(np.datetime64(start, "ms").astype(np.int64))

    def past(self) -> pl.DataFrame:
        """Give the log of the days before the first list."""
        config, rng = self.config, np.random.default_rng([self.config.seed, 3])
        views, liking = browse(
            self.shelf, self.crowd, config.pages_per_day * config.past_days, config.start, config.past_days, rng
        )
        deed = deeds(liking, *rng.random((2, len(liking))))
        return self.log(Opened(views.user[views.visit], views.item, views.at, deed, views.dwell_seconds))

    def days(self) -> Iterator[Pages]:
        """Give the days of the loop one by one; each has random numbers of its own."""
        config, rng = self.config, np.random.default_rng([self.config.seed, 4])
        n_visits = max(round(config.pages_per_day * config.days / MEAN_VIEWS), 1)
        start = config.start + timedelta(days=config.past_days)
        user, begin = agenda(config.n_users, n_visits, start, config.days, rng)
        lengths = np.minimum(rng.geometric(STOP, len(user)), MOST_VIEWS)
        for day in range(config.days):
            today = np.flatnonzero((begin - self.midnight(0)) // DAY == day)
            today = today[np.lexsort((begin[today], user[today]))]
            yield self._pages(user[today], begin[today], lengths[today], np.random.default_rng([config.seed, 5, day]))

    def step_laws(self, taste: Floats, user: Ints, last: Ints) -> Floats:
        """Give the chance of each item to be opened next by shoppers who opened `last`, -1 at a visit's start: (B,) -> (B, N)."""
        crowd = self.crowd
        laws = [
            self.shelf.step_law(taste[u], int(crowd.band[u]), int(crowd.brand[u]), None if j < 0 else int(j))
            for u, j in zip(user, last, strict=True)
        ]
        return np.array(laws).reshape(-1, len(self.shelf))

    def attraction(self, taste: Floats, user: Ints, item: Ints) -> Floats:
        """Give the chance of a click on each item that is looked at, on the page of another: (B,) users and items -> (B, N).

        σ(RELUCTANCE + NEED log(1 + N P(i | u, j)) + LIKING liking_ui + LURE lure_i), with P as in `step_laws`: what is clicked is
        what is needed, what is liked, and what catches the eye.
        """
        need = np.log1p(len(self.shelf) * self.step_laws(taste, user, item))
        return np.asarray(expit(RELUCTANCE + NEED * need + LIKING * self.liking[user] + LURE * self.lure))

    def log(self, opened: Opened) -> pl.DataFrame:
        """Write down as events what was opened, by time: what is carted was viewed, what is bought was carted."""
        steps = opened.deed + 1
        rows = np.repeat(np.arange(len(steps)), steps)
        step = np.arange(len(rows)) - np.repeat(np.cumsum(steps) - steps, steps)
        columns = {
            USER: opened.user[rows],
            ITEM: self.shelf.items[ITEM].gather(opened.item[rows]),
            TIME: pl.Series(opened.at[rows]).cast(pl.Datetime("ms")),
            KIND: np.array(EVENT_KINDS)[step],
            VALUE: np.ones(len(rows)),
            DWELL: np.where(step == 0, opened.dwell_seconds[rows], np.nan),
        }
        return pl.DataFrame(columns, nan_to_null=True).sort(TIME, maintain_order=True)

    def _pages(self, user: Ints, begin: Ints, lengths: Ints, rng: np.random.Generator) -> Pages:
        visit = np.repeat(np.arange(len(user)), lengths)
        step = np.arange(len(visit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        luck = rng.random((4, len(visit), len(self.shelf)))
        luck[1] = rng.standard_normal(luck[1].shape)
        at = begin[visit] + step * PAGE_SECONDS * SECOND
        return Pages(user[visit], visit, at, rng.random(len(visit)), rng.random(len(visit)), luck)


def gather_shoppers(config: LoopConfig | None = None) -> Shoppers:
    """Open the simulated shop of `sources.shop` to shoppers who will be shown lists; the same config gives the same shop."""
    config = config or LoopConfig()
    rng = np.random.default_rng([config.seed, 2])
    shelf, crowd = make_shelf(config.n_items, config.seed), make_crowd(config.n_users, rng)
    liking = shelf.liking(crowd.band[:, None], crowd.brand[:, None], np.arange(len(shelf)))
    looks = np.asarray(np.arange(1, config.k + 1) ** -LOOK_FADES, np.float64)
    return Shoppers(config, shelf, crowd, liking, rng.standard_normal(len(shelf)), looks)


def deeds(liking: Floats, cart_luck: Floats, buy_luck: Floats) -> Ints:
    """Follow opened items down the shop's funnel, by uniform numbers  ->  an index of EVENT_KINDS, how far each went; one shape."""
    carted = cart_luck < cart_chance(liking)
    return np.asarray(carted.astype(np.int64) + (carted & (buy_luck < BUY_SHARE)))


def drifted(taste: Floats, clicks: Ints) -> Floats:
    """Let tastes grow towards the categories that were clicked on lists: taste (U, C), clicks (U, C) -> (U, C), rows sum to 1.

    What is shown and opened grows on one: the reinforcement behind a filter bubble (Jiang et al. 2019, "Degenerate feedback loops")
    """
    return np.asarray((taste + DRIFT * clicks) / (1 + DRIFT * clicks.sum(1, keepdims=True)))
