"""What shoppers did until a moment ago: the newest events of each, from the packed past and from the running day."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Histories
from recolab.schema import EVENT_WEIGHT, KINDS

KEPT = 1000  # events of a session; older ones are forgotten
_FIRST = np.zeros(1, np.int64)
WEIGHTS = np.array([EVENT_WEIGHT[kind] for kind in KINDS], np.float32)


@dataclass(frozen=True)
class Session:
    """One shopper's newest E events, oldest first; never changed: a new event makes a new session.

    items: (E,) int32 catalog rows    times: (E,) int64 seconds    kinds: (E,) int8 index into KINDS    memory: what each voice keeps of it
    """

    items: NDArray[np.int32]
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    memory: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def plus(self, row: int, at: int, kind: int) -> Session:
        """Add an event where its time puts it: a late one goes before those that came after it."""
        place = int(np.searchsorted(self.times, at, side="right"))
        first = max(len(self) + 1 - KEPT, 0)
        return Session(
            _with(self.items, place, row)[first:],
            _with(self.times, place, at)[first:],
            _with(self.kinds, place, kind)[first:],
        )

    def not_before(self, now: int) -> int:
        """Give a moment, or that of the newest event where it was stamped by a clock that is ahead."""
        return max(now, int(self.times[-1])) if len(self) else now

    def without(self, row: int) -> Session:
        """Forget all that was done with one item."""
        kept = self.items != row
        return Session(self.items[kept], self.times[kept], self.kinds[kept])

    def weights(self) -> NDArray[np.float32]:
        """Weigh each event by its kind: (E,)."""
        return WEIGHTS[self.kinds]

    def visits(self) -> NDArray[np.int64]:
        """Say where each visit begins, events of one moment being one: (V,)."""
        later = np.flatnonzero(self.times[1:] != self.times[:-1]) + 1
        return np.concatenate([_FIRST[: len(self)], later])


def _with(values: NDArray[Any], place: int, value: int) -> NDArray[Any]:
    """Insert one value; NumPy's own way takes seven times as long."""
    longer = np.empty(len(values) + 1, values.dtype)
    longer[:place], longer[place], longer[place + 1 :] = values[:place], value, values[place:]
    return longer


NOBODY = Session(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8))


def seconds_of(at: datetime | None) -> int:
    """Count the seconds to a moment, without a time zone in UTC; now by default."""
    moment = datetime.now(UTC) if at is None else at
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def session_of(past: Histories, b: int) -> Session:
    """Read the newest events of the b-th packed history."""
    first, last = max(past.offsets[b + 1] - KEPT, past.offsets[b]), past.offsets[b + 1]
    return Session(past.items[first:last], past.times[first:last], past.kinds[first:last])


class Sessions:
    """The sessions of the shoppers who came last; whoever was away longest makes room, and is known by the packed past again.

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
            self._keep(self._open, user, after)
            return before, after

    def _opened(self, user: Hashable) -> Session:
        for kept in (self._open, self._asked):
            if user in kept:
                kept.move_to_end(user)
                return kept[user]
        if user not in self._place:
            return NOBODY  # strangers who only ask take no room
        return self._keep(self._asked, user, session_of(self._past, self._place[user]))

    def _keep(self, kept: OrderedDict[Hashable, Session], user: Hashable, session: Session) -> Session:
        kept[user] = session
        if len(kept) > self._most:
            kept.popitem(last=False)
        return session
