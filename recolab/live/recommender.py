"""A click goes in, a better list comes out: sessions that grow by one event, and lists that know stock, price and themselves."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.histories import PAD, Catalog, Histories
from recolab.live.lists import Card, Pick, Wish, choose
from recolab.live.sessions import NOBODY, Session, Sessions, session_of
from recolab.live.voices import Voice
from recolab.rerank import Rules, Shelf
from recolab.schema import CATEGORY, KINDS, PURCHASE, VIEW

Floats = NDArray[np.float32]
EXPLAINED = 20  # newest items of a session that may be named as a reason
ASK_AT_MOST = 1000  # items of a list


class LiveRecommender:
    """Lists for one shopper at a time, from what was done up to this moment; safe to call from several threads.

    Scores are a weighted sum of voices; rules come before the best are taken, so a list is short only where the rules leave
    fewer items. An item that the catalog does not know is no error: it says nothing, and the rest of the session still speaks.
    """

    def __init__(
        self,
        catalog: Catalog,
        past: Histories,
        voices: Sequence[Voice],
        weights: Sequence[float],
        vectors: Floats,
        *,
        max_sessions: int = 2000,
        name: str = "Live",
    ) -> None:
        """past: what was known before the first live event    weights: of the voices    vectors: (N, D) of length 1, for variety.

        Raises ValueError where voices and weights do not match, two voices have one name, the past has no clock,
        no session may be kept, or the catalog is empty.
        """
        if len(voices) != len(weights) or len({voice.name for voice in voices}) < len(voices):
            raise ValueError(
                f"{len(weights)} weights for the voices {[v.name for v in voices]}: one each, by its own name"
            )
        if len(catalog) < 2:
            raise ValueError("a catalog without items: there is nothing to recommend")
        self.catalog, self.voices, self.weights, self.vectors = (
            catalog,
            list(voices),
            list(map(float, weights)),
            vectors,
        )
        self.shelf, self.name = Shelf(catalog), name
        self._ids = catalog.ids(range(len(catalog)))
        self._categories = catalog.column(CATEGORY).cast(pl.String).to_list()
        self._row = {item: row for row, item in enumerate(self._ids) if row != PAD}
        self._sessions = Sessions(past, max_sessions)
        self._allowed: dict[Any, NDArray[np.bool_]] = {}
        self._shelf_lock = threading.Lock()

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
        moment, code = _seconds(at), KINDS.index(kind)
        before, after = self._sessions.add(user, row, moment, code)
        for voice in self.voices:
            voice.follow(before, after, row, moment, code)
        return True

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
        return self._list(self._sessions.of(user), k, rules, wish, _seconds(at))

    def recommend_for(
        self, items: Iterable[Hashable], k: int = 10, rules: Rules | None = None, wish: Wish | None = None
    ) -> list[Pick]:
        """List the k best items after these, oldest first, of somebody of whom nothing else is known or kept; as `recommend`."""
        now, session = _seconds(None), NOBODY
        rows = [row for row in (self._row.get(item, PAD) for item in items) if row != PAD]
        for back, row in zip(range(len(rows), 0, -1), rows, strict=True):
            session = session.plus(row, now - back, KINDS.index(VIEW))
        return self._list(session, k, rules, wish, now)

    def update_item(self, item: Hashable, *, price: float | None = None, stock: float | None = None) -> None:
        """Change what an item costs or how many there are; the very next list knows.

        Raises KeyError for an unknown item, ValueError for a price or a stock that is no number from 0 up.
        """
        row = self._known(item)
        for name, value in (("price", price), ("stock", stock)):
            if value is not None and not 0 <= value < np.inf:
                raise ValueError(f"{name} = {value!r} of {item!r} must be a number from 0 up")
        with self._shelf_lock:
            if price is not None:
                self.shelf.prices[row] = price
            if stock is not None:
                self.shelf.stock[row] = stock
            self._allowed = {}

    def card(self, item: Hashable) -> Card:
        """Say what there is to show of an item, as of now; raises KeyError for an unknown one."""
        row = self._known(item)
        [title], category = self.catalog.titles([row]), self._categories[row]
        price, stock = (None if np.isnan(x[row]) else float(x[row]) for x in (self.shelf.prices, self.shelf.stock))
        return Card(item, title, category, price, stock)

    def score(self, histories: Histories) -> Floats:
        """Score packed histories as any other model does, so that it can be judged beside them: B histories -> (B, N)."""
        some = (session_of(histories, b) for b in range(len(histories)))
        scores = np.stack([self._scores(session, histories.as_of) for session in some])
        scores[:, PAD] = -np.inf
        return scores

    def explain(self, user: Hashable, item: Hashable, at: datetime | None = None) -> Any:
        """Name the item of the session without which this one would lose most of its score; None where none holds it up.

        The reason is true by construction: each of the newest items is taken out in turn, and the score is asked again.
        Raises KeyError for an item that the catalog does not know.
        """
        row, session = self._known(item), self._sessions.of(user)
        now = _not_before(session, _seconds(at))
        whole, lost = self._scores(session, now)[row], dict[int, float]()
        for named in dict.fromkeys(session.items[::-1][:EXPLAINED].tolist()):
            lost[named] = float(whole - self._scores(session.without(named), now)[row])
        best = max(lost, key=lambda named: lost[named], default=PAD)
        return self._ids[best] if best != PAD and lost[best] > 0 else None

    def _known(self, item: Hashable) -> int:
        if item not in self._row:
            raise KeyError(f"{item!r} is not in the catalog of {len(self._row):,} items")
        return self._row[item]

    def _list(self, session: Session, k: int, rules: Rules | None, wish: Wish | None, now: int) -> list[Pick]:
        if not 1 <= k <= ASK_AT_MOST:
            raise ValueError(f"k = {k!r} must be from 1 to {ASK_AT_MOST:,}")
        wish, now = wish or Wish(), _not_before(session, now)
        said = [voice.scores(session, now) for voice in self.voices]
        scores = self._weighed(said)
        scores[~self._may_show(rules)] = -np.inf
        scores[self._unwanted(session, rules, wish, now)] = -np.inf
        chosen = choose(scores, self.vectors, self.shelf.groups, k, wish)
        shares = [weight * voice[chosen] for weight, voice in zip(self.weights, said, strict=True)]
        names = [voice.name for voice in self.voices]
        return [
            Pick(self._ids[row], float(scores[row]), dict(zip(names, map(float, parts), strict=True)))
            for row, *parts in zip(chosen, *shares, strict=True)
        ]

    def _scores(self, session: Session, now: int) -> Floats:
        return self._weighed([voice.scores(session, now) for voice in self.voices])

    def _weighed(self, said: Sequence[Floats]) -> Floats:
        scores = np.zeros(len(self.catalog), np.float32)
        for weight, voice in zip(self.weights, said, strict=True):
            scores += np.float32(weight) * voice
        return scores

    def _may_show(self, rules: Rules | None) -> NDArray[np.bool_]:
        """Look the shelf up once for all requests with the same rules; a change of the shelf empties the note."""
        rules = rules or Rules()
        sets = (
            rules.categories if rules.categories is None else frozenset(rules.categories),
            frozenset(rules.not_categories),
        )
        key = (rules.min_price, rules.max_price, *sets)
        allowed = self._allowed.get(key)
        if allowed is None:
            with self._shelf_lock:
                if len(self._allowed) > 100:  # of 17,000 bytes and more each
                    self._allowed = {}
                allowed = self._allowed[key] = self.shelf.allowed(rules)
        return allowed

    def _unwanted(self, session: Session, rules: Rules | None, wish: Wish, now: int) -> NDArray[np.int64]:
        """Find the rows that this shopper shall not see now, whatever the shelf says."""
        rows = [self._row.get(item, PAD) for item in rules.exclude] if rules else []
        found = [np.array(rows, np.int64)]
        for days, kinds in ((wish.not_seen_days, None), (wish.not_bought_days, KINDS.index(PURCHASE))):
            if days is not None:
                late = session.times > now - days * 86_400
                found.append(session.items[late if kinds is None else late & (session.kinds == kinds)].astype(np.int64))
        return np.concatenate(found)


def _not_before(session: Session, now: int) -> int:
    return max(now, int(session.times[-1])) if len(session) else now


def _seconds(at: datetime | None) -> int:
    moment = datetime.now(UTC) if at is None else at
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
