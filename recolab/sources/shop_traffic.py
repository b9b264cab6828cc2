"""What the simulated shoppers do: sessions, the walk along the shelf, and the funnel from a view to a review."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.schema import (
    CART,
    DWELL,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    QUANTITY,
    RATING,
    REVIEW,
    SESSION,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
    VIEW,
)
from recolab.sources.shop_catalogue import CATEGORIES, GO_WITH, N_BANDS, STAY, Floats, Shelf

Ints = NDArray[np.int64]
DAY_MS = 86_400_000
MEAN_VIEWS, MOST_VIEWS = 5.0, 40  # views in a session
CART_SHARE, BUY_SHARE, REVIEW_SHARE = 0.2, 0.5, 0.3  # of views, of carts, of purchases
EVENTS_PER_VIEW = 1 + CART_SHARE * (1 + BUY_SHARE * (1 + REVIEW_SHARE))
MOST_SESSIONS_PER_DAY = 2  # so that no real shopper comes near a bot's thousand events a day
WEEKDAY = np.array([0.9, 0.9, 0.95, 1.0, 1.2, 1.4, 1.3])  # Monday first
HOUR = np.array([1, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 7, 6, 6, 7, 8, 10, 12, 12, 9, 5, 2], float)


@dataclass(frozen=True)
class Crowd:
    """U shoppers: taste (U, C) over categories, rows sum to 1, and band (U,), the price band that they like."""

    taste: Floats
    band: Ints


def make_crowd(n_users: int, rng: np.random.Generator) -> Crowd:
    """Draw shoppers; most love a few categories and hardly look at the others."""
    taste = rng.dirichlet(np.full(len(CATEGORIES), 0.4), n_users)
    return Crowd(taste, rng.integers(0, N_BANDS, n_users))


def walk(shelf: Shelf, crowd: Crowd, user: Ints, lengths: Ints, rng: np.random.Generator) -> Ints:
    """Let S sessions view item after item by `Shelf.step_law`, all sessions one step at a time.

    user, lengths: (S,)  ->  (sum of lengths,) rows of the shelf, session by session
    """
    # Within a band, items of one category are neighbours in this cumulated chance: one look-up draws an item.
    until = np.cumsum(shelf.appeal, axis=1)
    first = np.searchsorted(shelf.category, np.arange(len(CATEGORIES)))
    below = np.concatenate([np.zeros((N_BANDS, 1)), until], axis=1)[:, first]
    inside = np.stack([np.bincount(shelf.category, row, minlength=len(CATEGORIES)) for row in shelf.appeal])
    taste, goes_with = np.cumsum(crowd.taste, 1), np.cumsum(shelf.goes_with, 1)
    starts = np.cumsum(lengths) - lengths
    seen = np.empty(int(lengths.sum()), np.int64)
    category = np.zeros(len(user), np.int64)
    for step in range(int(lengths.max(initial=0))):
        on = np.flatnonzero(lengths > step)
        move, draw = rng.random(len(on)), rng.random(len(on))
        by_taste = (draw[:, None] > taste[user[on]]).sum(1)
        if step == 0:
            category[on] = by_taste
        else:
            onwards = (draw[:, None] > goes_with[category[on]]).sum(1)
            moved = np.where(move < STAY + GO_WITH, onwards, by_taste)
            category[on] = np.where(move < STAY, category[on], moved)
        np.minimum(category, len(CATEGORIES) - 1, out=category)
        for band in range(N_BANDS):
            mine = on[crowd.band[user[on]] == band]
            c = category[mine]
            row = np.searchsorted(until[band], below[band, c] + rng.random(len(mine)) * inside[band, c], side="right")
            last = np.append(first[1:], len(shelf))[c] - 1
            seen[starts[mine] + step] = np.clip(row, first[c], last)
    return seen


def visit(
    shelf: Shelf, crowd: Crowd, n_events: int, days: int, start_ms: int, first_user: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Simulate about n_events clean events of one crowd, whose first shopper is called `first_user`.

    ->  events with the shelf's row in the column item_id, sorted by time; review texts are left to the caller
    """
    n_sessions = max(int(n_events / EVENTS_PER_VIEW / MEAN_VIEWS), 1)
    lengths = np.minimum(rng.geometric(1 / MEAN_VIEWS, n_sessions), MOST_VIEWS)
    user, begin = _agenda(len(crowd.band), n_sessions, days, rng)
    lengths = lengths[: len(user)]
    seen = walk(shelf, crowd, user, lengths, rng)
    session = np.repeat(np.arange(len(user)), lengths)
    fit = shelf.quality[seen] - np.abs(shelf.band[seen] - crowd.band[user[session]])
    dwell = np.exp(rng.normal(3.0 + 0.3 * fit, 0.6)).clip(1, 600)
    ms = (dwell * 1000).astype(np.int64) + 200
    before = np.cumsum(ms) - ms
    offset = np.cumsum(lengths) - lengths
    at = start_ms + begin[session] + before - before[offset][session]
    carted = np.flatnonzero(rng.random(len(seen)) < CART_SHARE * (1 + 0.5 * np.tanh(fit)))
    bought = carted[rng.random(len(carted)) < BUY_SHARE]
    judged = bought[rng.random(len(bought)) < REVIEW_SHARE]
    end = np.zeros(len(user), np.int64)
    np.maximum.at(end, session, at + ms)
    paid = end[session[bought]] + 30_000 + 500 * np.arange(len(bought)) % 29_000
    told = end[session[judged]] + rng.integers(DAY_MS, 10 * DAY_MS, len(judged))
    which = np.concatenate([np.arange(len(seen)), carted, bought, judged])
    sizes = (len(seen), len(carted), len(bought), len(judged))
    kinds = np.repeat([VIEW, CART, PURCHASE, REVIEW], sizes)
    stars = np.clip(np.round(3.5 + fit[judged] + rng.normal(0, 0.5, len(judged))), 1, 5)
    amount = rng.integers(1, 4, len(bought)).astype(float)
    nothing = np.full(len(which), np.nan)
    dwells, amounts, ratings = nothing.copy(), nothing.copy(), nothing.copy()
    dwells[: sizes[0]] = dwell.round(1)
    amounts[sum(sizes[:2]) : sum(sizes[:3])] = amount
    ratings[sum(sizes[:3]) :] = stars
    value = np.where(np.isnan(amounts), np.where(np.isnan(ratings), 1.0, ratings), amounts)
    when = np.concatenate([at, at[carted] + ms[carted] // 2, paid, told])
    return pl.DataFrame(
        {
            USER: first_user + user[session[which]],
            ITEM: seen[which],
            TIME: pl.Series(when).cast(pl.Datetime("ms")).cast(pl.Datetime("us")),
            KIND: kinds,
            VALUE: value,
            SESSION: session[which] + first_user * 1_000_000,
            DWELL: pl.Series(dwells).fill_nan(None),
            PRICE: shelf.items[PRICE].gather(seen[which]),
            QUANTITY: pl.Series(amounts).fill_nan(None),
            RATING: pl.Series(ratings).fill_nan(None),
        }
    ).sort(TIME, USER, maintain_order=True)


def review_texts(events: pl.DataFrame, shelf: Shelf) -> pl.Series:
    """Write a sentence for each review that agrees with its stars; null elsewhere."""
    words = pl.Series(["", "awful", "poor", "fair", "good", "wonderful"])
    stars = events[RATING].fill_null(0).cast(pl.Int64).clip(0, 5)
    thing = shelf.items[TITLE].gather(events[ITEM])
    text = "A " + words.gather(stars) + " thing, this " + thing + "."
    return pl.select(pl.when(events[RATING].is_not_null()).then(text).otherwise(None).alias(TEXT)).to_series()


def _agenda(n_users: int, n_sessions: int, days: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Who comes when: (S,) users, some far oftener than others, and (S,) milliseconds since the start of the log."""
    often = rng.gamma(1.0, 1.0, n_users) + 0.05
    user = rng.choice(n_users, n_sessions, p=often / often.sum())
    busy = WEEKDAY[np.arange(days) % 7]
    day = rng.choice(days, n_sessions, p=busy / busy.sum())
    second = rng.choice(24, n_sessions, p=HOUR / HOUR.sum()) * 3600 + rng.integers(0, 3600, n_sessions)
    key = user * days + day
    order = np.lexsort((rng.random(n_sessions), key))
    place = np.empty(n_sessions, np.int64)
    _, start, count = np.unique(key[order], return_index=True, return_counts=True)
    place[order] = np.arange(n_sessions) - np.repeat(start, count)
    come = np.flatnonzero(place < MOST_SESSIONS_PER_DAY)  # the rest had no time for another visit that day
    return user[come], day[come] * DAY_MS + second[come] * 1000 + rng.integers(0, 1000, len(come))
