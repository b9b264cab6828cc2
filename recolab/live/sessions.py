"""What shoppers did until a moment ago: the newest events of each, from the packed past and from the running day."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Histories
from recolab.schema import EVENT_WEIGHT, KINDS, VIEW

KEPT = 1000  # events of a session that the voices hear
RULED = 20_000  # events before them that rules still know: what was bought last winter shall not come back to who buys a lot
AWAY = 10  # times as many sessions as are in memory, whose events of the running day are kept without what voices remember of them
_FIRST = np.zeros(1, np.int64)
WEIGHTS = np.array([EVENT_WEIGHT[kind] for kind in KINDS], np.float32)


@dataclass(frozen=True)
class Session:
    """One shopper's newest E events, oldest first; never changed: a new event makes a new session.

    items: (E,) int32 catalog rows    times: (E,) int64 seconds    kinds: (E,) int8 index into KINDS    older: events before them, which
    rules know and no voice hears    memory: what each voice keeps of it
    """

    items: NDArray[np.int32]
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    older: Session | None = field(default=None, compare=False, repr=False)
    memory: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def plus(self, row: int, at: int, kind: int) -> Session:
        """Add an event where its time puts it: a late one goes before those that came after it."""
        items, times, kinds = self._with(row, at, kind)
        first, older = max(len(items) - KEPT, 0), self.older
        if first:
            older = Session(*(older or NOBODY)._with(int(items[0]), int(times[0]), int(kinds[0])))._newest(RULED)
        return Session(items[first:], times[first:], kinds[first:], older)

    def plus_all(self, items: NDArray[np.int32], times: NDArray[np.int64], kinds: NDArray[np.int8]) -> Session:
        """Add n events, in the order in which they were heard, as `plus` would one by one: (n,) each."""
        parts = [(one.items, one.times, one.kinds) for one in (self.older or NOBODY, self)]
        whole = [np.concatenate(columns) for columns in zip(*parts, (items, times, kinds), strict=True)]
        order = np.argsort(whole[1], kind="stable")[-(KEPT + RULED) :]
        items, times, kinds = (column[order] for column in whole)
        first = max(len(order) - KEPT, 0)
        older = Session(items[:first], times[:first], kinds[:first]) if first else None
        return Session(items[first:], times[first:], kinds[first:], older)

    def since(self, moment: float) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Tell all that rules know of what came after a moment, in seconds: items and kinds, (n,) each."""
        first = int(np.searchsorted(self.times, moment, side="right"))
        items, kinds = self.items[first:], self.kinds[first:]
        if first or self.older is None:
            return items, kinds
        before = self.older.since(moment)
        return np.concatenate([before[0], items]), np.concatenate([before[1], kinds])

    def rested(self) -> Session:
        """Keep the events, and nothing of what voices remember of them."""
        return Session(self.items, self.times, self.kinds, self.older)

    def _with(self, row: int, at: int, kind: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        place = int(np.searchsorted(self.times, at, side="right"))
        return _inserted(self.items, place, row), _inserted(self.times, place, at), _inserted(self.kinds, place, kind)

    def _newest(self, most: int) -> Session:
        return Session(self.items[-most:], self.times[-most:], self.kinds[-most:])

    def not_before(self, now: int) -> int:
        """Give a moment, or that of the newest event where it was stamped by a clock that is ahead."""
        return max(now, int(self.times[-1])) if len(self) else now

    def without(self, row: int) -> Session:
        """Forget all that was done with one item."""
        kept = self.items != row
        return Session(self.items[kept], self.times[kept], self.kinds[kept])

    def within(self, n_rows: int) -> Session:
        """Leave out what a catalog of so many rows lacks: a request may outlive it, while newcomers are welcomed and had."""
        known, older = self.items < n_rows, self.older and self.older.within(n_rows)
        if known.all() and older is self.older:
            return self
        return Session(self.items[known], self.times[known], self.kinds[known], older)

    def weights(self) -> NDArray[np.float32]:
        """Weigh each event by its kind: (E,)."""
        return WEIGHTS[self.kinds]

    def visits(self) -> NDArray[np.int64]:
        """Say where each visit begins, events of one moment being one: (V,)."""
        later = np.flatnonzero(self.times[1:] != self.times[:-1]) + 1
        return np.concatenate([_FIRST[: len(self)], later])


def _inserted(values: NDArray[Any], place: int, value: int) -> NDArray[Any]:
    """Insert one value; NumPy's own way takes seven times as long."""
    longer = np.empty(len(values) + 1, values.dtype)
    longer[:place], longer[place], longer[place + 1 :] = values[:place], value, values[place:]
    return longer


NOBODY = Session(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8))


def seconds_of(at: datetime | None) -> int:
    """Count the seconds to a moment, without a time zone in UTC; now by default."""
    moment = datetime.now(UTC) if at is None else at
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def session_of(past: Histories, b: int) -> Session:
    """Read the newest events of the b-th packed history."""
    begin, end = int(past.offsets[b]), int(past.offsets[b + 1])
    first = max(end - KEPT, begin)
    older = None if first == begin else _between(past, max(first - RULED, begin), first)
    return replace(_between(past, first, end), older=older)


def visit_of(rows: Sequence[int], now: int) -> Session:
    """Make the session of somebody who has just looked at some rows, oldest first, one a second."""
    items = np.array(rows[-KEPT:], np.int32)
    times = now - np.arange(len(items), 0, -1)
    return Session(items, times, np.full(len(items), KINDS.index(VIEW), np.int8))


def _between(past: Histories, first: int, last: int) -> Session:
    return Session(past.items[first:last], past.times[first:last], past.kinds[first:last])


class Sessions:
    """The sessions of the shoppers who came last; whoever was away longest makes room.

    What they did is kept for `AWAY` times as many, without the voices' sums; whoever was away longer still is known by the packed
    past again.
    past: what was known when the models were fitted    most: sessions in memory, and as many of those who only asked
    """

    def __init__(self, past: Histories, most: int) -> None:
        if past.ordinal:
            raise ValueError("these histories count steps, a live session counts seconds: pack a log with a clock")
        if most < 1:
            raise ValueError(f"most = {most} sessions in memory: 1 or more are needed")
        self._past, self._most = past, most
        self._place = {user: b for b, user in enumerate(past.users)}
        self._open: OrderedDict[Hashable, Session] = OrderedDict()  # with an event of the running day
        self._asked: OrderedDict[Hashable, Session] = (
            OrderedDict()
        )  # of the past alone: who only asks pushes no event out
        self._away: OrderedDict[Hashable, Session] = OrderedDict()  # with an event of the running day, and no room
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open) + len(self._asked)

    @property
    def as_of(self) -> int:
        """When the past ended, in seconds."""
        return self._past.as_of

    @property
    def user_type(self) -> type:
        """What the shoppers of the past are called by; str where there is none."""
        return type(self._past.users[0]) if self._past.users else str

    def of(self, user: Hashable) -> Session:
        """Give what a shopper did; nothing for a stranger."""
        with self._lock:
            return self._opened(user)

    def add(self, user: Hashable, row: int, at: int, kind: int) -> tuple[Session, Session]:
        """Write an event down  ->  the session before it, and with it."""
        with self._lock:
            before = self._opened(user)
            after = before.plus(row, at, kind)
            self._asked.pop(user, None)
            self._stay(user, after)
            return before, after

    def add_all(
        self, users: Sequence[Hashable], rows: NDArray[np.int32], times: NDArray[np.int64], kinds: NDArray[np.int8]
    ) -> None:
        """Write many events down, in the order in which they were heard; whoever came last is the last to make room."""
        places: dict[Hashable, list[int]] = {}
        for place, user in enumerate(users):
            places.setdefault(user, []).append(place)
        with self._lock:
            # All before the first stays: whoever comes last would else have had to make room before it is known that he comes.
            before = {user: self._opened(user) for user in places}
            for user, some in sorted(places.items(), key=lambda one: one[1][-1]):
                self._asked.pop(user, None)
                self._away.pop(user, None)
                self._stay(user, before[user].plus_all(rows[some], times[some], kinds[some]))

    def forget_sums(self) -> None:
        """Let go what voices remember of sessions: of a shop with other goods, there are other voices."""
        with self._lock:
            for kept in (self._open, self._asked):
                for session in kept.values():
                    session.memory.clear()

    def _opened(self, user: Hashable) -> Session:
        for kept in (self._open, self._asked):
            if user in kept:
                kept.move_to_end(user)
                return kept[user]
        if user in self._away:
            return self._stay(user, self._away.pop(user))
        if user not in self._place:
            return NOBODY  # strangers who only ask take no room
        _keep(self._asked, user, session := session_of(self._past, self._place[user]), self._most)
        return session

    def _stay(self, user: Hashable, session: Session) -> Session:
        if gone := _keep(self._open, user, session, self._most):
            _keep(self._away, gone[0], gone[1].rested(), AWAY * self._most)
        return session


def _keep(
    kept: OrderedDict[Hashable, Session], user: Hashable, session: Session, most: int
) -> tuple[Hashable, Session] | None:
    """Keep a session, of at most so many  ->  whose it was that had to go."""
    kept[user] = session
    return kept.popitem(last=False) if len(kept) > most else None
