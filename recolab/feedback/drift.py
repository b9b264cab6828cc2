"""Has the shop changed? Traffic, popularity and prices of recent days, held against those before."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
from scipy import stats
from scipy.special import entr

from recolab.feedback.day_orders import DAY, Drift, DriftConfig, Floats, Orders, as_rare, order_days
from recolab.schema import ITEM, KIND, PRICE, PURCHASE, TIME

_NAMED = 3  # culprits in a sentence
_SMALL = 1e-9  # for what never varies


class DriftWarning(UserWarning):
    """The shop is no longer what its models were fitted to."""


def find_drift(events: pl.DataFrame, config: DriftConfig) -> list[Drift]:
    """Compare traffic, popularity and, where the log has prices, prices: what to look at before a model is trusted again.

    events: of all kinds, each counting once, or of one, such as views
    ->  a Drift each; the chance of any false alarm among three is at most 3 alpha
    Raises SchemaError for missing columns; ValueError for a log without clock times, or too few days for `alpha`.
    """
    found = [traffic_drift(events, config), popularity_drift(events, config)]
    return [*found, price_drift(events, config)] if PRICE in events.columns else found


def find_unusual_drift(events: pl.DataFrame, config: DriftConfig, windows: int = 12) -> list[Drift]:
    """Find drift beyond chance that is also beyond habit: what a shop whose goods come and go can act on.

    Habit is how far as many earlier windows of the same length were from the days before them; the next one exceeds its
    prediction limit with probability alpha, if they are about normal (Shewhart's chart for individuals, with Student's t).
    windows: at least 2    ->  as `find_drift`, threshold and p the larger of both
    Raises as `find_drift`, and ValueError for a log that does not reach so far back.
    """
    start = config.earlier(windows).since - config.reference_days * DAY
    first = events[TIME].min()
    if windows < 2 or not isinstance(first, datetime) or first >= start + DAY:
        raise ValueError(
            f"{windows} earlier windows (2 or more) need a log from {start} on; this one begins at {first!s}"
        )
    now, before = find_drift(events, config), as_rare(events, config)
    quick = replace(config, rounds=math.ceil(1 / config.alpha))  # of earlier windows only the statistics are used
    earlier = [quick.earlier(n) for n in range(1, windows + 1)]
    past = [[traffic_drift(events, one), *find_drift(before, one)[1:]] for one in earlier]
    return [_beyond(drift, [found[at].statistic for found in past], config.alpha) for at, drift in enumerate(now)]


def _beyond(drift: Drift, past: Sequence[float], alpha: float) -> Drift:
    """Raise the threshold to what is usual, where that is more than chance makes."""
    usual = np.array(past)
    reach = max(usual.std(ddof=1) * math.sqrt(1 + 1 / len(usual)), _SMALL)
    limit = usual.mean() + reach * stats.t.ppf(1 - alpha, len(usual) - 1)
    p = stats.t.sf((drift.statistic - usual.mean()) / reach, len(usual) - 1)
    return replace(drift, threshold=max(drift.threshold, float(limit)), p=max(drift.p, float(p)))


def warn_of_drift(drifts: Iterable[Drift]) -> None:
    """Raise a DriftWarning for each that is drifting, with what moved most."""
    for drift in drifts:
        if drift.is_drifting:
            message = f"{drift.name} has drifted since {drift.since:%Y-%m-%d} (p = {drift.p:.3g}): {drift.what}"
            warnings.warn(message, DriftWarning, stacklevel=2)


def drift_table(drifts: Sequence[Drift]) -> pl.DataFrame:
    """Lay comparisons out for the eye and for `plots.drift`: a row each, the fields of `Drift` and is_drifting."""
    return pl.DataFrame([{**vars(drift), "is_drifting": drift.is_drifting} for drift in drifts])


def traffic_drift(events: pl.DataFrame, config: DriftConfig) -> Drift:
    """Compare events per day with what the same weekdays had before: |ln(counted / expected)|.

    Days vary more than a Poisson law allows; the test knows how much, for it is made of them.    Raises as `find_drift`.
    """
    days = order_days(events, config)
    counts = days.counts(days.events)

    def statistic(is_recent: Orders) -> Floats:
        usual = days.usual(counts, is_recent)
        judged = is_recent & ~np.isnan(usual)
        met, expected = (judged * counts).sum(1), np.where(judged, usual, 0).sum(1)
        # Half an event each: a shop that nobody enters any more has a logarithm too.
        return np.asarray(np.abs(np.log((met + 0.5) / (expected + 0.5))))

    usual = days.usual(counts, days.true)[0]
    judged = np.flatnonzero(days.true[0] & ~np.isnan(usual))
    met, expected = counts[judged], usual[judged]
    moved = [
        f"{days.day(int(judged[at])):%Y-%m-%d} ({met[at]:,.0f} instead of {expected[at]:,.0f})"
        for at in _largest(np.abs(met - expected) / np.sqrt(expected + 1))
    ]
    change = f"{met.sum() / max(expected.sum(), 0.5) - 1:+.0%} events against the same weekdays before"
    return days.judge("traffic", statistic, counts.size, f"{change}; most: {', '.join(moved)}")


def popularity_drift(events: pl.DataFrame, config: DriftConfig, by: str = ITEM) -> Drift:
    """Compare shares of all events by the Jensen-Shannon distance, 0 to 1 (Lin 1991; Endres & Schindelin 2003).

    by: whose shares; a coarser column, such as category joined to the events, hears smaller changes
    Raises as `find_drift`.
    """
    days = order_days(events, config, by)
    rows = days.events.drop_nulls(by)
    counts, names = days.table(rows, by)
    balanced, _ = days.table(rows, by, days.balance(rows))
    before, recent = (side[0] for side in _shares(counts, days.true))
    if not (before.any() and recent.any()):
        return days.nothing("popularity", f"the recent days, or those before, have no event with {by}")
    most = _largest(_divergence(counts, days.true)[0])
    moved = ", ".join(f"{names[at]} {before[at]:.2%} -> {recent[at]:.2%}" for at in most)

    def statistic(is_recent: Orders) -> Floats:
        return np.asarray(np.sqrt(_divergence(balanced, is_recent).sum(1).clip(0)))

    return days.judge("popularity", statistic, len(names), f"shares by {by}; most: {moved}")


def price_drift(events: pl.DataFrame, config: DriftConfig) -> Drift:
    """Compare what purchases of the same item cost: the mean of |ln(recent price / price before)| over items.

    An item weighs n m / (n + m), as its n purchases before and m recent ones tell of it; so other items being bought is no
    change of price.    Raises as `find_drift`, and SchemaError for a log without prices or kinds.
    """
    days = order_days(events, config, KIND, PRICE)
    price = pl.col(PRICE).cast(pl.Float64)
    rows = days.events.filter((pl.col(KIND).cast(pl.String) == PURCHASE) & price.is_finite() & (price > 0))
    log = rows.select(price.log()).to_series().to_numpy()
    counts, names = days.table(rows, ITEM)
    change, weight = (side[0] for side in _price_changes(counts, days.table(rows, ITEM, log)[0], days.true))
    if not weight.any():
        return days.nothing("price", "no item was bought at a known price both in the recent days and before")
    mean = np.expm1((weight * change).sum() / weight.sum())
    moved = ", ".join(f"{names[at]} {np.expm1(change[at]):+.1%}" for at in _largest(weight * np.abs(change)))
    kept = days.balance(rows)
    balanced, logs = days.table(rows, ITEM, kept)[0], days.table(rows, ITEM, kept * log)[0]

    def statistic(is_recent: Orders) -> Floats:
        change, weight = _price_changes(balanced, logs, is_recent)
        return np.asarray((weight * np.abs(change)).sum(1) / np.maximum(weight.sum(1), 0.5))

    what = f"{mean:+.1%} on average for the same items; most: {moved}"
    return days.judge("price", statistic, len(names), what)


def _shares(counts: Floats, is_recent: Orders) -> tuple[Floats, Floats]:
    """Give each column's share of all before, and of the recent days: (days, N), (P, days) -> (P, N) each."""
    recent = is_recent @ counts
    before = np.asarray(counts.sum(0)).ravel() - recent
    return before / np.maximum(before.sum(1), 1)[:, None], recent / np.maximum(recent.sum(1), 1)[:, None]


def _divergence(counts: Floats, is_recent: Orders) -> Floats:
    """Tell what each column adds to the Jensen-Shannon divergence, in bits: (days, N), (P, days) -> (P, N)."""
    before, recent = _shares(counts, is_recent)
    return np.asarray((entr((before + recent) / 2) - (entr(before) + entr(recent)) / 2) / np.log(2))


def _price_changes(counts: Floats, logs: Floats, is_recent: Orders) -> tuple[Floats, Floats]:
    """Give each item's ln(recent / before), and its weight, 0 where it was not sold in both.

    counts, logs: (days, N) purchases, and the sum of their log prices    is_recent: (P, days)  ->  (P, N) each
    """
    m, recent = is_recent @ counts, is_recent @ logs
    n, before = np.asarray(counts.sum(0)).ravel() - m, np.asarray(logs.sum(0)).ravel() - recent
    return recent / np.maximum(m, 1) - before / np.maximum(n, 1), n * m / np.maximum(n + m, 1)


def _largest(values: Floats) -> list[int]:
    """Find the few largest, first of all the largest; zeros are left out."""
    order = np.argsort(-values, kind="stable")[:_NAMED]
    return [int(at) for at in order if values[at] > 0]
