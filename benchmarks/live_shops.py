"""The shops that the live benchmark asks: the report's own, and one of a million items made from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recolab.compiled import CompiledEncoder
from recolab.histories import Catalog, Histories
from recolab.lab import DEFAULT_RUN, open_lab
from recolab.live import Choir, Encoded, Favour, Habit, Linked, LiveRecommender, Wish, open_live
from recolab.live.sessions import session_of
from recolab.live.shipping import CANDIDATES
from recolab.live.tables import FloatTable, IndexedTable, SkimmedTable, make_index
from recolab.rerank import Rules
from recolab.schema import ITEM, VIEW

K = 10
SHOPPERS = 300  # who come back again and again, so that their sessions are in memory
JITTER = 0.25  # of a coordinate's spread, between an item and its copies
Floats = NDArray[np.float64]
Asked = Literal["whole", "skimmed", "indexed"]  # how the item table is


def shipped() -> Path:
    """Find the folder that notebook 10 ships."""
    return open_lab(7, DEFAULT_RUN).artefact("live")


def all_rules(live: LiveRecommender) -> tuple[Rules, Wish]:
    """Turn every rule on: prices, a category and an item left out, nothing seen today or ever bought, three of a category, MMR."""
    names = list(live.shelf.numbers)
    first = live.catalog.ids([1])
    return Rules(0.5, 50.0, exclude=first, not_categories=names[:1]), Wish(1, most_per_category=3, variety=0.3)


@dataclass(frozen=True)
class Walk:
    """Events of shoppers who come back, each followed by a list, with the seconds that both took."""

    seconds: Floats
    short: int  # lists that were not full

    def quantile(self, share: float) -> float:
        """Say within how many milliseconds this share of the lists was there."""
        return float(1e3 * np.quantile(self.seconds, share))


def walk(live: LiveRecommender, users: Sequence[object], n: int, seed: int, warm: int = 300) -> Walk:
    """Let shoppers look at items and ask for a list with all rules on; the first `warm` are on no clock.

    A walk begins where that of the seed before ends: whoever had a later event already would look at items in the past.
    """
    rng, (rules, wish) = np.random.default_rng(seed), all_rules(live)
    now = live.as_of + timedelta(seconds=seed * (warm + n))
    items = live.catalog.ids(rng.integers(1, len(live.catalog), warm + n))
    drawn, taken, short = rng.integers(len(users), size=warm + n), np.empty(warm + n), 0
    for step, (user, item) in enumerate(zip(drawn, items, strict=True)):
        at = now + timedelta(seconds=step)
        started = time.perf_counter()
        live.observe(users[user], item, VIEW, at)
        picks = live.recommend(users[user], K, rules, wish, at)
        taken[step] = time.perf_counter() - started
        short += len(picks) < K
    return Walk(taken[warm:], short)


def lists(live: LiveRecommender, users: Sequence[object], *, ruled: bool = False) -> list[set[object]]:
    """Ask for a list of each shopper, plain or with every rule on."""
    at, (rules, wish) = live.as_of + timedelta(days=1), all_rules(live) if ruled else (None, None)
    return [{pick.item for pick in live.recommend(user, K, rules, wish, at)} for user in users]


def recall(found: list[set[object]], exact: list[set[object]]) -> float:
    """Say which share of the exact lists was found."""
    return float(np.mean([len(a & b) / max(len(b), 1) for a, b in zip(found, exact, strict=True)]))


def grown(n_items: int) -> tuple[Callable[[Asked], LiveRecommender], float]:
    """Repeat the report's shop until it has so many items: each copy's vectors a little elsewhere, its links its own.

    Shoppers are shared among the copies, each having what is in theirs.
    ->  how to open it, asked whole, skimmed or by an index, and the recall of `make_index`
    """
    live, rng = open_live(shipped()), np.random.default_rng(7)
    encoded, linked, habit, favour = live.choir.voices
    assert isinstance(encoded, Encoded) and isinstance(linked, Linked)  # noqa: PT018
    assert isinstance(habit, Habit) and isinstance(favour, Favour)  # noqa: PT018
    real, copies = encoded.table.vectors(np.arange(1, len(live.catalog))), -(-n_items // live.n_items)
    spread = JITTER * real.std(0)
    parts = [real + spread * rng.normal(size=real.shape) for _ in range(copies)]
    table = np.concatenate([np.zeros((1, real.shape[1]), np.float32), *parts])[: n_items + 1].astype(np.float32)
    vectors = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    past = _shared(live.past, live.n_items, copies, n_items)
    links = _repeated_links(linked.links, copies)[: n_items + 1, : n_items + 1]
    sold = np.bincount(past.items, minlength=n_items + 1).astype(np.float32)
    catalog = _repeated(live.catalog, copies, n_items)
    compiled = CompiledEncoder(shipped() / "encoder.onnx", encoded.max_len)
    asked = range(0, len(past), max(len(past) // 200, 1))
    read = Encoded(compiled, FloatTable(table), encoded.max_len)
    states = np.stack([read.state(session_of(past, b)) for b in asked if past.lengths[b]])
    index, found = make_index(table, states)
    others = [Linked(links, linked.half_life / 86_400, linked.name), Habit(habit.days, habit.visits), Favour(sold)]
    tables = {"whole": FloatTable, "skimmed": SkimmedTable, "indexed": lambda table: IndexedTable(table, index)}

    def open_shop(asked: Asked) -> LiveRecommender:
        voice = Encoded(compiled, tables[asked](table), encoded.max_len)
        candidates = CANDIDATES if asked == "indexed" else None
        return LiveRecommender(
            catalog,
            past,
            Choir([voice, *others], live.choir.weights, live.choir.weights_again),
            vectors,
            candidates=candidates,
            max_sessions=SHOPPERS,
        )

    return open_shop, found


def _repeated_links(links: sparse.csr_matrix, copies: int) -> sparse.csr_matrix:
    """Lay copies of a table along the diagonal, PAD in front: made by hand, as SciPy's way holds three numbers for each link."""
    n_real = links.shape[0] - 1
    real = links[1:]
    ends = real.indptr[1:].astype(np.int64) + len(real.data) * np.arange(copies)[:, None]
    columns = (real.indices + n_real * np.arange(copies, dtype=np.int32)[:, None]).ravel()
    shape = (copies * n_real + 1, copies * n_real + 1)
    indptr = np.concatenate([[0, 0], ends.ravel()])
    return sparse.csr_matrix((np.tile(real.data, copies), columns, indptr), shape)


def _shared(past: Histories, n_real: int, copies: int, n_items: int) -> Histories:
    """Move each shopper's history to a copy of the shop; what lies beyond the last item begins again at the first."""
    copy_of = np.repeat(np.arange(len(past)) % copies, past.lengths)
    moved = past.items + copy_of * n_real
    items = (1 + (moved - 1) % n_items).astype(np.int32)
    return replace(past, items=items)


def _repeated(catalog: Catalog, copies: int, n_items: int) -> Catalog:
    real = catalog.items[1:]
    shelf = pl.concat([real.with_columns(pl.col(ITEM) + copy * 10**9) for copy in range(copies)])[:n_items]
    return Catalog(pl.concat([catalog.items[:1], shelf]))
