"""One shopper in a shop: clicks, the stock that they lower, and three lists that know of them at once, tomorrow, or never."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from recolab.histories import Histories
from recolab.live import Card, LiveRecommender, LiveShop, Wish
from recolab.models.popularity import Popularity
from recolab.rerank import Rules
from recolab.schema import CART, PURCHASE, VIEW

LIVE, NIGHTLY, POPULAR = "Live", "Nightly batch", "Popularity"
DEEDS = {VIEW: "looked at {}", CART: "put {} into the cart", PURCHASE: "bought {}"}
BETWEEN = timedelta(seconds=20)  # from one click to the next, on the shop's clock
MOST_IN_STOCK = 5  # where the stock is not known, from 1 to so many are drawn


class SoldOutError(ValueError):
    """Somebody wants what is not there any more."""


@dataclass(frozen=True)
class Click:
    """What was done, with which item, and how long it took from the click to the new list."""

    kind: str
    card: Card
    milliseconds: float


@dataclass(frozen=True)
class Place:
    """One place of a list: what the item is now, why it stands here, and how it came here.

    because: None where no item is the reason    moved: places up by the last click, None where it was not on the list
    """

    card: Card
    because: str | None = None
    moved: int | None = 0

    @property
    def sold_out(self) -> bool:
        """Whether nobody can buy it."""
        return self.card.stock == 0


class Storefront:
    """A shopper's visit: each click is observed, and the live list is asked again at once; journal and impression log have all of it.

    The nightly batch is the live list as it was when the doors opened, so nothing else than the clicks tells them apart;
    popularity is the same for everybody. Where the catalog knows no stock it is drawn from the seed, and `simulated` says so.
    """

    def __init__(
        self,
        shop: LiveShop,
        past: Histories,
        user: int | str,
        k: int = 6,
        wish: Wish | None = None,
        at: datetime | None = None,
        seed: int = 7,
    ) -> None:
        """shop: opened for this visit alone, for its stock is changed    past: what it was fitted on    at: when the doors open.

        What the shopper had before is on neither of their own two lists.
        """
        live = shop.live
        self.shop, self.live, self.user, self.k, self.wish = shop, live, user, k, wish or Wish()
        self.opened, self.seed, self.clicks = at or live.as_of, seed, list[Click]()
        self.simulated = _fill_shelves(live, seed)
        self._rules = Rules(exclude=_had(live, past, user))
        popularity = Popularity().fit(past, live.catalog).popularity
        self._popular = live.catalog.ids(np.argsort(-popularity, kind="stable")[:k])
        self._listeners: list[Callable[[], None]] = []
        self._before, self._live, self._nightly = list[Any](), list[Any](), list[Any]()
        self._because: list[Any] | None = None
        self._ask(self.now)
        self.night()

    @property
    def now(self) -> datetime:
        """The time on the shop's clock, which the clicks move."""
        return self.opened + BETWEEN * len(self.clicks)

    @property
    def lists(self) -> dict[str, list[Place]]:
        """The three lists as they stand now, best first; only the live one has reasons, and only it drops what is sold out."""
        others = {NIGHTLY: self._nightly, POPULAR: self._popular}
        return {LIVE: self._places()} | {
            name: [Place(self.live.card(item)) for item in items] for name, items in others.items()
        }

    def click(self, item: int | str, kind: str) -> None:
        """Look at an item, put it into the cart or buy one of it; the live list and its stock know before this returns.

        Raises KeyError for an unknown item, ValueError for another kind, SoldOutError for what cannot be had.
        """
        card = self.live.card(item)
        if kind not in DEEDS:
            raise ValueError(f"kind = {kind!r} must be one of {', '.join(DEEDS)}")
        if kind != VIEW and card.stock == 0:
            raise SoldOutError(f"{card.title} is sold out")
        at, started = self.now + BETWEEN, time.perf_counter()
        self.shop.observe(self.user, item, kind, at)
        if kind == PURCHASE:
            self.shop.update_item(item, stock=max((card.stock or 0) - 1, 0))
        self._ask(at)
        self.clicks.append(Click(kind, card, 1e3 * (time.perf_counter() - started)))
        self._tell()

    def night(self) -> None:
        """Let the night pass: the batch runs, and knows what the live list knows now."""
        self._nightly = self._live
        self._tell()

    def watch(self, listener: Callable[[], None]) -> None:
        """Call somebody after each change."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _ask(self, at: datetime) -> None:
        picks = self.shop.recommend(self.user, self.k, self._rules, self.wish, at)
        self._before, self._live, self._because = self._live, [pick.item for pick in picks], None

    def _places(self) -> list[Place]:
        if self._because is None:  # asked once for each list, however often it is drawn
            self._because = self.live.reasons(self.user, self._live, self.now)
        return [
            Place(self.live.card(item), self._told(item, because), self._moved(item, place))
            for place, (item, because) in enumerate(zip(self._live, self._because, strict=True))
        ]

    def _moved(self, item: Hashable, place: int) -> int | None:
        if not self.clicks:
            return 0
        return self._before.index(item) - place if item in self._before else None

    def _told(self, item: Hashable, because: Any) -> str | None:
        """Say a reason as one says it to a shopper."""
        if because is None:
            return None
        name = "it" if because == item else spoken(self.live.card(because).title)
        for click in reversed(self.clicks):
            if click.card.item == because:
                return f"because you {DEEDS[click.kind].format(name)}"
        return f"because of {name}, on an earlier visit"


def spoken(text: str) -> str:
    """Read what a till wrote in capitals without raising the voice."""
    return text.capitalize() if text.isupper() else text


def _had(live: LiveRecommender, past: Histories, user: Hashable) -> list[Any]:
    """List what a shopper of the past had; nothing for a stranger."""
    if user not in past.users:
        return []
    place = past.users.index(user)
    return list(dict.fromkeys(live.catalog.ids(past.take(slice(place, place + 1)).items)))


def _fill_shelves(live: LiveRecommender, seed: int) -> bool:
    """Draw a stock for every item of which none is known  ->  whether there was any."""
    drawn = np.random.default_rng(seed).integers(1, MOST_IN_STOCK + 1, len(live.catalog))
    unknown = np.flatnonzero(np.isnan(live.shelf.stock[1:])) + 1
    for row, item in zip(unknown, live.catalog.ids(unknown), strict=True):
        live.update_item(item, stock=int(drawn[row]))
    return len(unknown) > 0
