"""The shop that is open: what it hears is on the disk before it counts, what it shows before anybody sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from recolab.feedback import CHAMPION, INTERLEAVING, ImpressionLog, Policy, event_record
from recolab.journal import Journal
from recolab.live.ids import of_type, plain
from recolab.live.lists import Card, Pick, Wish, as_shown
from recolab.live.parts import MODEL, NEW, TRIAL, PartsKeeper, reached
from recolab.live.recalling import hear, in_step, recall, widened
from recolab.live.recommender import LiveRecommender
from recolab.live.trial import Seats, Trial
from recolab.rerank import Rules
from recolab.schema import KINDS, PURCHASE

EVENTS, IMPRESSIONS = "events.log", "impressions"


class LiveShop:
    """A live recommender with its memory on disk; another takes its place in one step, and whoever asks has the one or the other.

    Events, prices and newcomers go to a journal, and count when the disk has them (`Journal`); shoppers' lists go to an impression log
    (`ImpressionLog`). Ids may come as JSON has them. Safe to call from several threads.
    """

    def __init__(self, live: LiveRecommender, folder: Path, version: str = "1") -> None:
        """Open journal and impression log in a folder, and recall what the journal holds.

        version: what its lists are logged under    Raises as `Journal` and `ImpressionLog`.
        """
        self.folder, self._seats, self._seating = folder, Seats(live, version, None), threading.Lock()
        self.changing = threading.Lock()  # a promotion is on the disk and in memory before the next begins
        self.unlogged = 0  # lists that were served though the impression log failed
        self._goods = threading.RLock()  # newcomers and models come one by one; lists go on meanwhile
        self.journal = Journal(folder / EVENTS, reached(folder / EVENTS))
        self._parts = PartsKeeper(self.journal)
        try:
            recalled = recall(live, self.journal.path)
            self.interrupted = recalled.trial_of(version)  # not ended before the shop closed
            self._seat(live=recalled.live)
            self.impressions = ImpressionLog(folder / IMPRESSIONS)
        except BaseException:
            self.journal.close()
            raise

    @property
    def live(self) -> LiveRecommender:
        """Who answers, during a trial the champion."""
        return self._seats.live

    @property
    def version(self) -> str:
        """What its lists are logged under."""
        return self._seats.version

    @property
    def trial(self) -> Trial | None:
        """The challenger on trial."""
        return self._seats.trial

    def _seat(self, **changes: Any) -> None:
        with self._seating:
            self._seats = self._seats._replace(**changes)

    def observe(
        self, user: int | str, item: int | str, kind: str = PURCHASE, at: datetime | None = None, **more: Any
    ) -> bool:
        """Take an event: it is on the disk, and the very next list knows it  ->  whether the catalog knows the item.

        more: value, rating and text, as `event_record` takes them
        Raises ValueError for a kind that is none of the schema's, and as `Journal.append`.
        """
        known = self.hear(user, item, kind, at, **more)
        self.journal.flush()
        return known

    def hear(
        self, user: int | str, item: int | str, kind: str = PURCHASE, at: datetime | None = None, **more: Any
    ) -> bool:
        """Take an event as `observe`, which is on the disk for sure after the journal's next flush."""
        if kind not in KINDS:
            raise ValueError(f"kind = {kind!r} must be one of {', '.join(KINDS)}")
        at = at or datetime.now(UTC)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        who, what = of_type(user, self.live.user_type), of_type(item, self.live.item_type)
        record = event_record(plain(who), plain(what), kind, at, **more)
        known: bool = self.journal.write(record, partial(self._hear, user, item, kind, at))
        self._parts.look()
        return known

    def recommend(
        self,
        user: int | str,
        k: int = 10,
        rules: Rules | None = None,
        wish: Wish | None = None,
        at: datetime | None = None,
    ) -> list[Pick]:
        """List the k best items for a shopper as of now (or `at`), and log the list; during a trial, of both recommenders.

        (A stranger's list is `live.recommend_for`'s, in no log: no event would ever answer it.)
        """
        live, version, trial = self._seats  # at once: a list is of those whose versions stand at its places
        picks = live.recommend(of_type(user, live.user_type), k, rules, wish, at)
        if trial is None:
            self._log(user, at, picks, live.policy, [version] * len(picks))
            return picks
        picks, teams = trial.answer(live, picks, user, k, rules, wish, at)
        versions = [version if team == CHAMPION else trial.version for team in teams]
        self._log(user, at, picks, INTERLEAVING, versions)
        return picks

    def update_item(self, item: int | str, price: float | None = None, stock: float | None = None) -> None:
        """Change what an item costs or how many there are: on the disk, and known to the very next list; raises as `LiveRecommender`."""
        self.mark(item, price, stock)
        self.journal.flush()

    def mark(self, item: int | str, price: float | None = None, stock: float | None = None) -> None:
        """Change as `update_item`, which is on the disk for sure after the journal's next flush."""
        one = self._who_knows(item)
        item = of_type(item, one.item_type)  # type: ignore[assignment]  # as the catalog spells it
        one.require_change(item, price, stock)
        price, stock = (None if number is None else float(number) for number in (price, stock))
        self.journal.write(
            {"item": plain(item), "price": price, "stock": stock}, partial(self._mark, item, price, stock)
        )

    def knows(self, item: int | str) -> bool:
        """Tell whether any of its recommenders has an item."""
        one = self._who_knows(item)
        return one.knows(of_type(item, one.item_type))

    def card(self, item: Hashable) -> Card:
        """Say what there is to show of an item that any of its recommenders knows; raises as `LiveRecommender.card`."""
        return self._who_knows(item).card(item)

    def welcome(self, rows: list[dict[str, Any]]) -> int:
        """Let items in that nobody has had yet: rows of an item table  ->  how many were new; raises as `newcomers.welcome`."""
        with self._goods:  # made beside the running shop; the journal's line and the exchange are one step
            live, count = widened(self.live, rows)
            trial = self.trial
            challenger = widened(trial.challenger, rows)[0] if trial else None
            self.journal.append({NEW: rows}, partial(self._widen, live, challenger))
        return count

    def explore(self, policy: Policy | None) -> None:
        """Let a policy draw the lists of champion and challenger from now on, by other numbers after each start; None takes the best."""
        for place, one in enumerate(self._answering()):
            one.explore(policy, self._seed() + place)

    def try_out(self, challenger: LiveRecommender, version: str, seed: int | None = None) -> None:
        """Put a challenger on trial, told all that the journal holds: from now on, lists are mixed of both (`Trial`).

        seed: of the coins that say who picks first; by default another for each trial
        Raises ValueError for the champion's own version: nobody could tell whose a place was.
        """
        with self._goods:
            if version == self.version:
                raise ValueError(f"version = {version!r} is the champion's: name the challenger's")
            then = partial(self._try, version, self._seed() if seed is None else seed)
            self._enter(challenger, {MODEL: self.version, TRIAL: version}, then)

    def swap(self, live: LiveRecommender, version: str) -> None:
        """Let another recommender, told all that the journal holds, answer from the next list on; a trial ends."""
        self._enter(live, {MODEL: version}, partial(self._take, version))

    def end_trial(self) -> None:
        """Let the champion answer alone again, also after the next start."""
        with self._goods:
            if self.trial is not None or self.interrupted:
                self.journal.append({MODEL: self.version}, partial(self._seat, trial=None))
                self.interrupted = None

    def close(self) -> None:
        """Let another process write; once is enough."""
        self._parts.close()
        self.journal.close()
        self.impressions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seed(self) -> int:
        return self.journal.path.stat().st_size

    def _answering(self) -> list[LiveRecommender]:
        live, _, trial = self._seats
        return [live] if trial is None else [live, trial.challenger]

    def _who_knows(self, item: Hashable) -> LiveRecommender:
        """Find who has an item, the champion where nobody has."""
        live, _, trial = self._seats
        if trial is None or live.knows(of_type(item, live.item_type)):
            return live
        other = trial.challenger
        return other if other.knows(of_type(item, other.item_type)) else live

    def _hear(self, user: int | str, item: int | str, kind: str, at: datetime) -> bool:
        heard = [hear(one, user, item, kind, at) for one in self._answering()]
        return any(heard)

    def _mark(self, item: int | str, price: float | None, stock: float | None) -> None:
        for one in self._answering():
            if one.knows(of_type(item, one.item_type)):
                one.update_item(of_type(item, one.item_type), price=price, stock=stock)

    def _widen(self, live: LiveRecommender, challenger: LiveRecommender | None) -> None:
        self._seat(live=in_step(live, self.live))
        trial = self.trial
        if trial is not None and challenger is not None:
            trial.challenger = in_step(challenger, trial.challenger)

    def _try(self, version: str, seed: int, challenger: LiveRecommender) -> None:
        self._seat(trial=Trial(challenger, version, np.random.default_rng(seed)))
        self.interrupted = None

    def _take(self, version: str, live: LiveRecommender) -> None:
        self._seat(live=live, version=version, trial=None)

    def _enter(self, live: LiveRecommender, record: dict[str, Any], then: Callable[[LiveRecommender], None]) -> None:
        """Tell a recommender the journal beside the running shop, and what came meanwhile in one step with its entry."""
        with self._goods:
            live.explore(self.live.policy, self._seed() + 1)
            so_far = recall(live, self.journal.path)
            self.journal.append(record, lambda: then(recall(so_far.live, self.journal.path, so_far.end).live))

    def _log(self, user: Any, at: datetime | None, picks: list[Pick], policy: Any, versions: list[str]) -> None:
        shown = as_shown(plain(of_type(user, self.live.user_type)), at or datetime.now(UTC), picks, policy, versions)
        try:
            self.impressions.write(shown)
        except OSError:  # a shopper is served all the same; the meters tell
            self.unlogged += 1
