"""How far apart does chance alone bring two sets of days? A log by day, and a permutation test over the order of its days."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recolab.schema import ITEM, TIME, USER, check_columns

Floats = NDArray[np.float64]
Orders = NDArray[np.bool_]  # (P, days): which days are recent, in each of P orders of the days
DAY = timedelta(days=1)
_AT_ONCE = 2_000_000  # numbers of one block of permuted tables
_RAREST = 0.05  # of the usual traffic; of less, too few days would be left to compare
_ON = "__day"


@dataclass(frozen=True)
class DriftConfig:
    """Which days are recent, and how seldom chance alone may raise an alarm.

    since, until: naive UTC; the whole days from `since` up to `until` are recent    reference_days: before them, or as many
    whole ones as the log has    alpha: most false alarms, of each comparison by itself    rounds: orders that are drawn
    Raises ValueError for less than a day, times with a zone, or an alpha that so few rounds cannot tell.
    """

    since: datetime
    until: datetime
    reference_days: int = 84
    alpha: float = 0.01
    rounds: int = 999
    seed: int = 7

    def __post_init__(self) -> None:
        if self.since.tzinfo or self.until.tzinfo:
            raise ValueError("since and until must be naive UTC, as the log is: .astimezone(UTC).replace(tzinfo=None)")
        if self.n_recent < 1:
            raise ValueError(f"from since = {self.since} to until = {self.until} there is no whole day")
        least = 1 / (self.rounds + 1)
        if not least <= self.alpha < 1:
            raise ValueError(
                f"alpha = {self.alpha} must lie from {least:.2g}, which {self.rounds} rounds can tell, to 1"
            )

    @property
    def n_recent(self) -> int:
        """How many whole days are recent."""
        return (self.until - self.since) // DAY

    def earlier(self, windows: int) -> DriftConfig:
        """Ask the same of the days that lie so many windows before."""
        back = windows * self.n_recent * DAY
        return replace(self, since=self.since - back, until=self.until - back)


@dataclass(frozen=True)
class Drift:
    """One comparison of the recent days with those before.

    statistic: how far apart they are    threshold: what chance alone exceeds with probability alpha
    p: how often the days in another order are as far apart    what: what moved most, in words
    """

    name: str
    since: datetime
    until: datetime
    statistic: float
    threshold: float
    p: float
    what: str

    @property
    def is_drifting(self) -> bool:
        """Whether chance is no explanation."""
        return self.statistic > self.threshold


@dataclass(frozen=True)
class DayOrders:
    """A log by day, and the orders of its days.

    events: of the days compared    is_recent: (1 + rounds, days), the true order first
    """

    events: pl.DataFrame
    is_recent: Orders
    config: DriftConfig

    @property
    def true(self) -> Orders:
        """The order in which the days came: (1, days)."""
        return self.is_recent[:1]

    def day(self, number: int) -> datetime:
        """Name a day by the moment it begins."""
        return self.config.since + DAY * (number - int((~self.true).sum()))

    def counts(self, rows: pl.DataFrame) -> Floats:
        """Count the rows of each day: (days,)."""
        return np.bincount(rows[_ON].to_numpy(), minlength=self.true.size).astype(np.float64)

    def usual(self, counts: Floats, is_recent: Orders) -> Floats:
        """Say what each day would count by the mean of its weekday before: (days,), (P, days) -> (P, days).

        NaN for a weekday that has no day before
        """
        weekdays = np.eye(7)[np.arange(counts.size) % 7]  # (days, 7)
        with np.errstate(invalid="ignore"):
            means = (~is_recent * counts) @ weekdays / (~is_recent @ weekdays)
        return np.asarray(means[:, np.arange(counts.size) % 7])

    def growth(self, rows: pl.DataFrame) -> float:
        """Say how many times as many rows the recent days have as their weekdays had before; 1 where neither has any."""
        counts = self.counts(rows)
        usual = np.where(self.true[0], self.usual(counts, self.true)[0], np.nan)
        met, expected = counts[~np.isnan(usual)].sum(), np.nansum(usual)
        return float(met / expected) if expected else math.inf if met else 1.0

    def balance(self, rows: pl.DataFrame) -> Floats:
        """Choose as many rows a day of the busier side as the other has: (rows,) 1 or 0.

        Few rows lie further from anything than many do; left alone, each change of traffic would look like one of taste.
        """
        growth, is_recent = self.growth(rows), self.true[0][rows[_ON].to_numpy()]
        if growth < 1:
            return np.asarray(is_recent | _thin(rows, growth, self.config.seed), np.float64)
        return np.asarray(~is_recent | _thin(rows, 1 / growth, self.config.seed), np.float64)

    def table(
        self, rows: pl.DataFrame, by: str, amounts: Floats | None = None
    ) -> tuple[sparse.csr_matrix, list[object]]:
        """Count rows, or add their amounts, by day and by what is in a column: (days, N), and the N names of its columns."""
        names = rows.select(pl.col(by).unique(maintain_order=True)).with_row_index("__column")
        column = rows.select(by).join(names, on=by, how="left", maintain_order="left")["__column"].to_numpy()
        amounts = np.ones(len(rows)) if amounts is None else amounts
        shape = (self.true.size, len(names))
        return sparse.csr_matrix((amounts, (rows[_ON].to_numpy(), column)), shape), names[by].to_list()

    def judge(self, name: str, statistic: Callable[[Orders], Floats], width: int, what: str) -> Drift:
        """Hold the true order of the days against the others: a permutation test (Phipson & Smyth 2010).

        statistic: (P, days) orders -> (P,), how far apart they bring the two sets    width: of the tables that it makes
        """
        at_once = max(_AT_ONCE // max(width, 1), 1)
        blocks = [self.is_recent[start : start + at_once] for start in range(0, len(self.is_recent), at_once)]
        values = np.concatenate([statistic(block) for block in blocks]).round(9)  # a rounding error is no difference
        config, others = self.config, np.sort(values[1:])
        threshold = others[-math.floor(round(config.alpha * (config.rounds + 1), 9))]  # p <= alpha says the same
        p = (1 + (others >= values[0]).sum()) / (config.rounds + 1)
        return Drift(name, config.since, config.until, float(values[0]), float(threshold), float(p), what)

    def nothing(self, name: str, why: str) -> Drift:
        """Say that there is nothing to compare, without an alarm."""
        return Drift(name, self.config.since, self.config.until, 0.0, 0.0, 1.0, f"not judged: {why}")


def order_days(events: pl.DataFrame, config: DriftConfig, *columns: str) -> DayOrders:
    """Lay a log out by day, and shuffle which days are recent; a weekday only changes places with its like.

    Without drift, days of one weekday are exchangeable, whatever their crowds and how users cluster in them.
    columns: needed beside user, item and timestamp
    Raises SchemaError for missing columns; ValueError for a log without clock times, or too few days for `alpha`.
    """
    check_columns(events, (USER, ITEM, TIME, *columns))
    if not isinstance(events.schema[TIME], pl.Datetime):
        raise ValueError(f"{TIME}: holds positions; drift is told by days, so give a log with clock times")
    first = events[TIME].min()
    n_logged = max((config.since - first) // DAY, 0) if isinstance(first, datetime) else 0
    n_before = min(n_logged, config.reference_days)
    n_days = n_before + config.n_recent
    inside = events.with_columns((_days_since(config) + n_before).alias(_ON)).filter(
        pl.col(_ON).is_between(0, n_days - 1)
    )
    truth = np.arange(n_days) >= n_before
    weekdays = [np.arange(n_days)[weekday::7] for weekday in range(7)]
    n_orders = math.prod(math.comb(len(places), int(truth[places].sum())) for places in weekdays)
    if n_orders < 2 / config.alpha:
        raise ValueError(
            f"{n_before} days before and {config.n_recent} recent ones have {n_orders:,} orders in which weekdays keep their "
            f"places; alpha = {config.alpha} needs {math.ceil(2 / config.alpha):,}: give a longer log, or more recent days"
        )
    rng = np.random.default_rng(config.seed)
    orders = np.tile(truth, (1 + config.rounds, 1))
    for places in weekdays:
        orders[1:, places] = rng.permuted(orders[1:, places], axis=1)
    return DayOrders(inside, orders, config)


def as_rare(events: pl.DataFrame, config: DriftConfig) -> pl.DataFrame:
    """Thin out all that was before the recent days, where they have less, so that distances among it compare with theirs."""
    days = order_days(events, config)
    before = events.filter(pl.col(TIME) < config.since).with_columns(_days_since(config).alias(_ON))
    return before.filter(_thin(before, max(days.growth(days.events), _RAREST), config.seed)).drop(_ON)


def _days_since(config: DriftConfig) -> pl.Expr:
    """Number days from `since`: 0 and on are recent."""
    return (pl.col(TIME) - config.since).dt.total_microseconds() // (DAY // timedelta(microseconds=1))


def _thin(rows: pl.DataFrame, share: float, seed: int) -> Orders:
    """Draw a share of the rows, all of a user's day together, as they came together: (rows,) bool."""
    visit = rows.select(pl.struct(USER, _ON).rank("dense") - 1).to_series().to_numpy()
    return np.asarray((np.random.default_rng(seed).random(visit.max(initial=0) + 1) < share)[visit])
