"""A click goes in, a better list comes out: sessions that grow by one event, and lists that know stock, price and themselves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from datetime import UTC, datetime
from itertools import compress
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.feedback import Draw, Policy
from recolab.histories import PAD, Catalog, Histories
from recolab.live.choir import Choir, Heard
from recolab.live.lists import Card, Pick, Wish, choose, not_again
from recolab.live.opinions import Floats, Ints, places_of
from recolab.live.reasons import what_holds_up
from recolab.live.sessions import Session, Sessions, seconds_of, session_of, visit_of
from recolab.live.stock import LiveShelf
from recolab.rerank import Rules
from recolab.schema import CATEGORY, KINDS, PURCHASE

ASK_AT_MOST = 1000  # items of a list
LEFT_OUT = 200  # names more that each voice of a large shop gives, where the best may be what this shopper has had


class LiveRecommender:
    """Lists for one shopper at a time, from what was done up to this moment; safe to call from several threads.

    Scores are a weighted sum of voices; rules come before the best are taken, so a list is short only where the rules leave
    fewer items. An item that the catalog does not know is no error: it says nothing, and the rest of the session still speaks.
    """

    def __init__(
        self,
        catalog: Catalog,
        past: Histories,
        choir: Choir,
        vectors: Floats,
        *,
        candidates: int | None = None,
        max_sessions: int = 2000,
        name: str = "Live",
    ) -> None:
        """past: what was known before the first live event    choir: speaks for items    vectors: (N, D) of length 1, for variety.

        candidates: items that each voice names, of which lists are made; None = all items, which is exact

        Raises ValueError where the past has no clock, no session may be kept, or the catalog is empty.
        """
        if len(catalog) < 2:
            raise ValueError("a catalog without items: there is nothing to recommend")
        self.past, self.name, self.candidates = past, name, candidates
        self.explore(None)
        self._sessions = Sessions(past, max_sessions)
        self._fill(catalog, choir, vectors, LiveShelf(catalog))

    def _fill(self, catalog: Catalog, choir: Choir, vectors: Floats, shelf: LiveShelf) -> None:
        self.catalog, self.choir, self.vectors, self.shelf = catalog, choir, vectors, shelf
        self._ids, self._titles = catalog.ids(range(len(catalog))), catalog.titles(range(len(catalog)))
        self._categories = catalog.column(CATEGORY).cast(pl.String).to_list()
        self._row = {item: row for row, item in enumerate(self._ids) if row != PAD}
        self._everything = np.arange(len(catalog))

    def grown(self, catalog: Catalog, choir: Choir, vectors: Floats, shelf: LiveShelf) -> Self:
        """Make one with other goods and the same sessions, which both go on to share (`newcomers.welcome`)."""
        grown = copy(self)
        grown._fill(catalog, choir, vectors, shelf)
        self._sessions.forget_sums()  # of the old voices, with all their tables
        return grown

    def explore(self, policy: Policy | None, seed: int = 7) -> None:
        """Let a policy draw the lists from now on, by relevance from 0 to 1; None takes the best again, as at first."""
        self.policy, self._rng = policy, np.random.default_rng(seed)

    @property
    def n_items(self) -> int:
        """Items of the catalog."""
        return len(self._row)

    @property
    def n_sessions(self) -> int:
        """Sessions in memory."""
        return len(self._sessions)

    @property
    def as_of(self) -> datetime:
        """When the past ended that the voices were fitted on."""
        return datetime.fromtimestamp(self._sessions.as_of, UTC)

    @property
    def categories(self) -> list[str]:
        """Categories of the catalog, by name."""
        return list(self.shelf.numbers)

    @property
    def item_type(self) -> type:
        """What the catalog's ids are: int, str or UUID."""
        return type(self._ids[-1])

    @property
    def user_type(self) -> type:
        """What the past's shoppers are called by; str where there is none."""
        return self._sessions.user_type

    def knows(self, item: Hashable) -> bool:
        """Tell whether the catalog has an item."""
        return item in self._row

    def observe(self, user: Hashable, item: Hashable, kind: str = PURCHASE, at: datetime | None = None) -> bool:
        """Write down what a shopper did: it counts from the next list on  ->  whether the catalog knows the item.

        at: a moment with a time zone, or without one in UTC; now by default
        Raises ValueError for a kind that is none of the schema's.
        """
        if kind not in KINDS:
            raise ValueError(f"kind = {kind!r} must be one of {', '.join(KINDS)}")
        row = self._row.get(item, PAD)
        if row == PAD:
            return False
        moment, code = seconds_of(at), KINDS.index(kind)
        before, after = self._sessions.add(user, row, moment, code)
        self.choir.follow(before, after, row, moment, code)
        return True

    def observe_all(
        self, users: Sequence[Hashable], items: Sequence[Hashable], times: Ints, kinds: NDArray[np.int8]
    ) -> None:
        """Write down n events, as `observe` would one by one, but at once; times: in seconds    kinds: indices into KINDS."""
        rows = np.array([self._row.get(item, PAD) for item in items], np.int32)
        known = rows != PAD
        self._sessions.add_all(list(compress(users, known)), rows[known], times[known], kinds[known])

    def recommend(
        self,
        user: Hashable,
        k: int = 10,
        rules: Rules | None = None,
        wish: Wish | None = None,
        at: datetime | None = None,
    ) -> list[Pick]:
        """List the k best items for a shopper as of now (or `at`), best first; what everybody buys for a stranger.

        No list is older than the newest event: where a clock is ahead, so is the list's.
        Raises ValueError for a k that is not from 1 to 1,000.
        """
        return self._list(self._sessions.of(user).within(len(self._ids)), k, rules, wish, seconds_of(at))

    def recommend_for(
        self, items: Iterable[Hashable], k: int = 10, rules: Rules | None = None, wish: Wish | None = None
    ) -> list[Pick]:
        """List the k best items after these, oldest first, of somebody of whom nothing else is known or kept; as `recommend`."""
        now = seconds_of(None)
        return self._list(self._visit(items, now), k, rules, wish, now)

    def update_item(self, item: Hashable, *, price: float | None = None, stock: float | None = None) -> None:
        """Change what an item costs or how many there are; the very next list knows.

        Raises KeyError for an unknown item, ValueError for a price or a stock that is no number from 0 up.
        """
        self.shelf.change(self.require_change(item, price, stock), price, stock)

    def require_change(self, item: Hashable, price: float | None, stock: float | None) -> int:
        """Refuse what `update_item` would, before it is written anywhere  ->  the item's row."""
        row = self._known(item)
        for name, value in (("price", price), ("stock", stock)):
            if value is not None and not 0 <= value < np.inf:
                raise ValueError(f"{name} = {value!r} of {item!r} must be a number from 0 up")
        return row

    def card(self, item: Hashable) -> Card:
        """Say what there is to show of an item, as of now; raises KeyError for an unknown one."""
        row = self._known(item)
        return Card(item, self._titles[row], self._categories[row], *self.shelf.told(row))

    def group(self, item: Hashable) -> Hashable:
        """Name what counts as one category, whoever numbers it; an item of none is alone; raises KeyError as `card`."""
        row = self._known(item)
        return self._categories[row] if self.shelf.groups[row] else (item,)

    def score(self, histories: Histories) -> Floats:
        """Score packed histories as any other model does, so that it can be judged beside them: B histories -> (B, N)."""
        some = (session_of(histories, b) for b in range(len(histories)))
        scores = np.stack([self.choir.hear(session, histories.as_of).of_all(len(self.catalog)) for session in some])
        scores[:, PAD] = -np.inf
        return scores

    def explain(self, user: Hashable, item: Hashable, at: datetime | None = None) -> Any:
        """Name the item of the session without which this one would lose most of its score, if any; raises KeyError as `card`."""
        return self.reasons(user, [item], at)[0]

    def reasons(
        self, user: Hashable, items: Sequence[Hashable], at: datetime | None = None, wish: Wish | None = None
    ) -> list[Any]:
        """Explain a whole list, asked with a wish, at the cost of one item, as `explain` does: a reason or None for each."""
        return self._reasons(self._sessions.of(user).within(len(self._ids)), items, wish, seconds_of(at))

    def reasons_for(self, seen: Iterable[Hashable], items: Sequence[Hashable], wish: Wish | None = None) -> list[Any]:
        """Explain a list of `recommend_for` after the items that were seen; as `reasons`."""
        now = seconds_of(None)
        return self._reasons(self._visit(seen, now), items, wish, now)

    def _known(self, item: Hashable) -> int:
        if item not in self._row:
            raise KeyError(f"{item!r} is not in the catalog of {len(self._row):,} items")
        return self._row[item]

    def _visit(self, items: Iterable[Hashable], now: int) -> Session:
        return visit_of([row for row in (self._row.get(item, PAD) for item in items) if row != PAD], now)

    def _reasons(self, session: Session, items: Sequence[Hashable], wish: Wish | None, now: int) -> list[Any]:
        rows, now = np.array([self._known(item) for item in items], np.int64), session.not_before(now)
        again = wish is not None and wish.again
        holding = what_holds_up(session, rows, lambda one: self.choir.hear_loud(one, now, again).of(rows))
        return [self._ids[row] for row in holding]

    def _list(self, session: Session, k: int, rules: Rules | None, wish: Wish | None, now: int) -> list[Pick]:
        if not 1 <= k <= ASK_AT_MOST:
            raise ValueError(f"k = {k!r} must be from 1 to {ASK_AT_MOST:,}")
        wish, now = wish or Wish(), session.not_before(now)
        heard, unwanted = self.choir.hear(session, now, wish.again), self._unwanted(session, rules, wish, now)
        draw = None if self.policy is None else Draw(self.policy, self._rng)
        for candidates in dict.fromkeys([self.candidates, None]):  # where rules leave too few of them, all are asked
            rows, scores, exactly = self._asked(heard, candidates, unwanted)
            scores += self.shelf.bars(rules or Rules(), None if candidates is None else rows)
            scores[unwanted if candidates is None else places_of(unwanted, rows)] = -np.inf
            chosen, exact, chances = choose(scores, rows, exactly, self.vectors, self.shelf.groups, k, wish, draw)
            if len(chosen) == k:
                break
        return [
            Pick(self._ids[row], score, part, chance)
            for row, score, part, chance in zip(chosen, exact.tolist(), heard.shares(chosen), chances, strict=True)
        ]

    def _asked(
        self, heard: Heard, candidates: int | None, unwanted: Ints
    ) -> tuple[Ints, Floats, Callable[[Ints], Floats]]:
        if candidates is None:
            return self._everything, heard.roughly(len(self.catalog)), heard.of
        rows = heard.named(candidates + min(len(np.unique(unwanted)), LEFT_OUT))
        scores = heard.of(rows)
        return rows, scores, lambda some: scores[places_of(some, rows)]

    def _unwanted(self, session: Session, rules: Rules | None, wish: Wish, now: int) -> Ints:
        """Find the rows that this shopper shall not see now, whatever the shelf says."""
        rows = [self._row.get(item, PAD) for item in rules.exclude] if rules else []
        return np.concatenate([np.array(rows, np.int64), not_again(session, wish, now)])
