"""Who comes to the simulated shop when, and the walk along its shelf that each visit is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from recolab.sources.shop_catalogue import (
    BRANDS,
    CATEGORIES,
    COMPANION_SHARES,
    FOLLOW,
    GO_WITH,
    N_BANDS,
    STAY,
    Floats,
    Ints,
    Shelf,
    pick,
    style,
)

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000  # milliseconds
STOP, MOST_VIEWS = 0.2, 20  # a visit ends after each view with this chance, and after so many for sure
MEAN_VIEWS = (1 - (1 - STOP) ** MOST_VIEWS) / STOP
LONGEST_LOOK = 600  # seconds
# Longer than any visit, so one shopper's visits never overlap; and so rare that no shopper comes near a bot: at most
# four visits touch a day, each of at most 20 views, 20 carts and 20 purchases.
REST = 8 * HOUR
WEEKDAYS = np.array([0.9, 0.9, 0.95, 1.0, 1.2, 1.4, 1.3])  # how busy, Monday first
HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 7, 6, 6, 7, 8, 10, 12, 12, 9, 5, 2], float)


@dataclass(frozen=True)
class Crowd:
    """U shoppers: taste (U, C) over categories, rows sum to 1; band and brand (U,), the price band and brand they like."""

    taste: Floats
    band: Ints
    brand: Ints


@dataclass(frozen=True)
class Views:
    """What V views in S visits saw, visit by visit.

    user, end: (S,) who came, and when the last look ended    visit, item, at: (V,) row of the visit, row of the shelf,
    start    dwell_seconds: (V,)    Times are milliseconds since 1970.
    """

    user: Ints
    end: Ints
    visit: Ints
    item: Ints
    at: Ints
    dwell_seconds: Floats


def make_crowd(n_users: int, rng: np.random.Generator) -> Crowd:
    """Draw shoppers; most love a few categories and hardly look at the others."""
    taste = rng.dirichlet(np.full(len(CATEGORIES), 0.4), n_users)
    return Crowd(taste, rng.integers(0, N_BANDS, n_users), rng.integers(0, len(BRANDS), n_users))


def browse(
    shelf: Shelf, crowd: Crowd, n_views: int, start: datetime, days: int, rng: np.random.Generator
) -> tuple[Views, Floats]:
    """Let a crowd look around, about n_views times in so many days  ->  the views, and how each was liked (V,)."""
    user, begin = agenda(len(crowd.band), max(round(n_views / MEAN_VIEWS), 1), start, days, rng)
    lengths = np.minimum(rng.geometric(STOP, len(user)), MOST_VIEWS)
    item = walk(shelf, crowd, user, lengths, rng)
    visit = np.repeat(np.arange(len(user)), lengths)
    liking = shelf.liking(crowd.band[user][visit], crowd.brand[user][visit], item)
    dwell = dwell_seconds(liking, rng.standard_normal(len(liking)))
    looks = (dwell * SECOND).astype(np.int64)
    until = np.cumsum(looks)
    last = np.cumsum(lengths) - 1
    before_visit = until[last] - np.add.reduceat(looks, last + 1 - lengths)
    at = (begin - before_visit)[visit] + until - looks
    return Views(user, at[last] + looks[last], visit, item, at, dwell), liking


def dwell_seconds(liking: Floats, noise: Floats) -> Floats:
    """Say how long an item is looked at, longer where it is liked: log-normal, of standard normal noise; any shape."""
    return np.asarray(np.exp(3.0 + 0.3 * liking + 0.6 * noise).clip(1, LONGEST_LOOK).round(1))


def agenda(n_users: int, n_visits: int, start: datetime, days: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Say who comes when, some far oftener than others, in the rhythm of the week and the day.

    ->  (S,) users and (S,) starts in milliseconds since 1970; S is n_visits, or a little less where shoppers are few
    """
    n_wishes = 2 * n_visits  # some come too soon after their last visit
    often = np.cumsum(rng.gamma(1.0, 1.0, n_users) + 0.05)
    user = np.searchsorted(often, rng.random(n_wishes) * often[-1], side="right")
    busy = WEEKDAYS[(start.weekday() + np.arange(days)) % 7]
    day = rng.choice(days, n_wishes, p=busy / busy.sum())
    hour = rng.choice(24, n_wishes, p=HOURS / HOURS.sum())
    begin = day * DAY + hour * HOUR + rng.integers(0, HOUR, n_wishes)
    order = np.lexsort((begin, user))
    user, begin = user[order], begin[order]
    rested = np.diff(begin, prepend=-REST) >= REST
    rested |= np.diff(user, prepend=-1) != 0
    come = rng.permutation(np.flatnonzero(rested))[:n_visits]
    return user[come], begin[come] + int(np.datetime64(start, "ms").astype(np.int64))


def walk(shelf: Shelf, crowd: Crowd, user: Ints, lengths: Ints, rng: np.random.Generator) -> Ints:
    """Let S visits view item after item by `Shelf.step_law`, all visits one step at a time.

    user, lengths: (S,)  ->  (sum of lengths,) rows of the shelf, visit by visit
    """
    starts = np.cumsum(lengths) - lengths
    # Shoppers of one style, side by side, look things up in one part of the shelf's ladder: that is in the cache.
    order = np.argsort(_styles(crowd, user), kind="stable")
    user, lengths, starts = user[order], lengths[order], starts[order]
    seen = np.empty(int(lengths.sum()), np.int64)
    here = np.zeros(len(user), np.int64)
    for step in range(int(lengths.max(initial=0))):
        on = np.flatnonzero(lengths > step)
        here[on] = _step(shelf, crowd, user[on], here[on] if step else None, rng)
        seen[starts[on] + step] = here[on]
    return seen


def _styles(crowd: Crowd, user: Ints) -> Ints:
    return np.asarray(style(crowd.band[user], crowd.brand[user]))


def _step(shelf: Shelf, crowd: Crowd, user: Ints, last: Ints | None, rng: np.random.Generator) -> Ints:
    """Draw each visit's next item, term by term as the law is written: (S,) users, rows just seen  ->  (S,) rows."""
    styles = _styles(crowd, user)
    if last is None:
        return shelf.draw(styles, pick(crowd.taste[user], rng), rng)
    category, move = shelf.category[last], rng.random(len(user))
    goes = np.flatnonzero((move >= STAY) & (move < STAY + GO_WITH))
    roams = np.flatnonzero(move >= STAY + GO_WITH)
    category[goes] = pick(shelf.goes_with[category[goes]], rng)
    category[roams] = pick(crowd.taste[user[roams]], rng)
    item = shelf.draw(styles, category, rng)
    follows = np.flatnonzero(rng.random(len(user)) < FOLLOW)
    which = rng.choice(len(COMPANION_SHARES), len(follows), p=COMPANION_SHARES)
    item[follows] = shelf.companions[last[follows], which]
    return item
