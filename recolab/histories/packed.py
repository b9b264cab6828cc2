"""Logs as packed arrays: what each user did, end to end, with one offset per user."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import sparse

from recolab.histories.catalog import PAD, Catalog, id_column
from recolab.lab import write_atomically
from recolab.schema import EVENT_WEIGHT, ITEM, KIND, KINDS, PURCHASE, TIME, USER

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Histories:
    """What each user did, packed: history b is items[offsets[b]:offsets[b + 1]], oldest first.

    users: (B,) raw ids    items: (E,) int32 catalog rows    offsets: (B + 1,) int64
    times: (E,) int64 seconds since 1970, or positions where `ordinal`    kinds: (E,) int8 index into KINDS
    as_of: the moment, in the unit of times, at which the next list is asked for (where ordinal: each history's own end)
    """

    users: list[Any]
    items: NDArray[np.int32]
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    as_of: int
    ordinal: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events per history: (B,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Which history each event belongs to: (E,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ages(self) -> NDArray[np.float32]:
        """How long before `as_of` each event was, in days; where ordinal, in steps before its history's end: (E,)."""
        return self.ages_of(slice(None))

    def ages_of(self, events: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Ask the ages of some events only: (n,) places among the E -> (n,)."""
        if not self.ordinal:
            return ((self.as_of - self.times[events]) / SECONDS_PER_DAY).astype(np.float32)
        # Positions of two users do not compare: counted from the end of the longest, others would be long forgotten.
        places = np.arange(len(self.times))[events]
        ends = self.offsets[np.searchsorted(self.offsets, places, side="right")]
        return (self.times[ends - 1] - self.times[places]).astype(np.float32)

    def take(self, which: NDArray[np.int64] | slice) -> Histories:
        """Pick histories by position, in that order: B' of the B, packed anew."""
        chosen = np.arange(len(self))[which]
        events, offsets = ranges(self.offsets[chosen], self.offsets[chosen + 1])
        return replace(self, users=[self.users[b] for b in chosen], offsets=offsets, **self._events(events))

    def last(self, n: int) -> Histories:
        """Keep the newest n events of every history."""
        events, offsets = ranges(np.maximum(self.offsets[1:] - n, self.offsets[:-1]), self.offsets[1:])
        return replace(self, offsets=offsets, **self._events(events))

    def without_last(self) -> Histories:
        """Leave out the newest event of every history, and histories that had no other."""
        events, offsets = ranges(self.offsets[:-1], np.maximum(self.offsets[1:] - 1, self.offsets[:-1]))
        return replace(self, offsets=offsets, **self._events(events)).take(np.flatnonzero(self.lengths > 1))

    def where(self, kept: NDArray[np.bool_]) -> Histories:
        """Keep some of the events, (E,) bool; every history stays, even where nothing of it is left."""
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets]
        return replace(self, offsets=offsets, **self._events(np.flatnonzero(kept)))

    def weights(self, half_life_days: float | None = None) -> NDArray[np.float32]:
        """Weigh each event by its kind, halved every half_life_days of its age (steps where ordinal): (E,).

        Raises ValueError for a half-life that is not above 0.
        """
        if half_life_days is not None and not half_life_days > 0:
            raise ValueError(f"half_life_days = {half_life_days!r} must be above 0, or None")
        weight = np.array([EVENT_WEIGHT[kind] for kind in KINDS], np.float32)[self.kinds]
        return weight if half_life_days is None else weight * np.exp2(-self.ages / np.float32(half_life_days))

    def matrix(self, n_items: int, weights: NDArray[np.float32] | None = None) -> sparse.csr_matrix:
        """Sum events into a users-by-items table: (B, N) sparse; each event weighs 1, or weights (E,)."""
        data = np.ones(len(self.items), np.float32) if weights is None else weights.astype(np.float32)
        table = sparse.csr_matrix((data, (self.owners, self.items)), (len(self), n_items), dtype=np.float32)
        table.sum_duplicates()
        return table

    def extend(self, newer: Histories) -> Histories:
        """Append newer events to the histories they belong to; users not met before come last."""
        users = list(dict.fromkeys([*self.users, *newer.users]))
        place = {user: b for b, user in enumerate(users)}
        owners = [np.array([place[u] for u in h.users], np.int64)[h.owners] for h in (self, newer)]
        both: dict[str, Any] = {
            k: np.concatenate([getattr(self, k), getattr(newer, k)]) for k in ("items", "times", "kinds")
        }
        owner = np.concatenate(owners)
        order = np.lexsort((both["times"], owner))  # stable: events of one moment keep their order
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(users)))])
        as_of = max(self.as_of, newer.as_of)
        return replace(self, users=users, offsets=offsets, as_of=as_of, **{k: v[order] for k, v in both.items()})

    def save(self, path: Path) -> None:
        """Write the arrays (safetensors) with the user ids; a failure leaves the old file as it was."""
        uuids = bool(self.users) and isinstance(self.users[0], uuid.UUID)
        users = [str(u) for u in self.users] if uuids else self.users
        note = json.dumps({"as_of": self.as_of, "ordinal": self.ordinal, "uuids": uuids, "users": users})
        arrays = {k: np.ascontiguousarray(getattr(self, k)) for k in ("items", "offsets", "times", "kinds")}
        with write_atomically(path) as temporary:
            save_file(arrays, temporary, {"histories": note})

    def _events(self, which: NDArray[np.int64]) -> dict[str, Any]:
        return {"items": self.items[which], "times": self.times[which], "kinds": self.kinds[which]}


def load_histories(path: Path) -> Histories:
    """Read what `Histories.save` wrote."""
    with safe_open(path, framework="numpy") as file:
        note = json.loads(file.metadata()["histories"])
        arrays = {k: file.get_tensor(k) for k in ("items", "offsets", "times", "kinds")}
    users = [uuid.UUID(u) for u in note["users"]] if note["uuids"] else note["users"]
    return Histories(users=users, as_of=note["as_of"], ordinal=note["ordinal"], **arrays)


def pack(events: Any, catalog: Catalog, as_of: Any = None) -> Histories:
    """Pack a log by user and time; events whose item the catalog does not know are left out.

    events: a pandas or Polars table, in any order; rows of one moment keep their order    as_of: the moment of the
    next list (a datetime, or a position); by default that of the newest event    ->  histories sorted by user id
    """
    users, uuids = id_column(events, USER)
    times, ordinal = _times(pl.Series(TIME, events[TIME]))
    kinds = _kinds(pl.Series(KIND, events[KIND])) if KIND in events.columns else pl.repeat(2, len(users), eager=True)
    rows = pl.Series(ITEM, catalog.rows(id_column(events, ITEM)[0]))
    log = pl.DataFrame([users.alias(USER), rows, times.alias(TIME), kinds.cast(pl.Int8).alias(KIND)])
    met = (
        users.to_frame().group_by(USER).agg()[USER].sort()
    )  # counting as distinct at a quarter of the cost of unique()
    codes = met.to_frame().with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("__b"))
    log = log.filter(pl.col(ITEM) != PAD).join(codes, on=USER, maintain_order="left").drop(USER)
    for key in (TIME, "__b"):  # two stable sorts of one column each cost a third of one sort of two
        log = log[log.select(pl.arg_sort_by(key, maintain_order=True)).to_series()]
    lengths = np.bincount(log["__b"].to_numpy(), minlength=len(met))
    latest = int(times.max() or 0)  # type: ignore[arg-type]
    return Histories(
        users=[uuid.UUID(u) for u in met] if uuids else met.to_list(),
        items=log[ITEM].to_numpy().astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=log[TIME].to_numpy().astype(np.int64),
        kinds=log[KIND].to_numpy().astype(np.int8),
        as_of=latest if as_of is None else _moment(as_of),
        ordinal=ordinal,
    )


def _times(column: pl.Series) -> tuple[pl.Series, bool]:
    if column.dtype.is_integer():
        return column.cast(pl.Int64), True
    return column.dt.epoch("s"), False


def _moment(as_of: Any) -> int:
    if isinstance(as_of, np.datetime64):
        return int(as_of.astype("datetime64[s]").astype(np.int64))
    return int(as_of) if isinstance(as_of, (int, np.integer)) else int(pl.Series([as_of]).dt.epoch("s")[0])


def _kinds(column: pl.Series) -> pl.Series:
    codes = {kind: code for code, kind in enumerate(KINDS)}
    return column.cast(pl.String).replace_strict(codes, default=codes[PURCHASE], return_dtype=pl.Int8)


def ranges(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List all indices of [start, end) after [start, end): (sum of lengths,), and the offsets of each range."""
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts), offsets
