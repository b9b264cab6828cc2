"""Lists written one item after another: what is asked of the writer while it learns, and how the best list is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recolab.histories import PAD, Histories, Rectangle, Visits, lay_out
from recolab.histories.packed import ranges
from recolab.models.objectives import Batch

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ListsBatch(Batch):
    """Windows to read, and lists to write after some of their visits; the positions asked are steps of the lists.

    newest: (W, C) column of the last visit each list may read, -1 where it may read none or there is no list
    written: (W, C, K) rows, PAD where a list is shorter    steps: (P,) asked places of the flattened (W, C, K)
    """

    newest: Ints
    written: Ints
    steps: Ints


@dataclass(frozen=True)
class WriteNext:
    """Write the items that follow a visit, each after those before it (Sutskever et al. 2014, with sets for words).

    The visits keep their order. Inside a visit there is none: one is drawn anew every epoch, so that over the epochs a
    step is asked alike for all that its visit still holds, and a fixed order (by row, by sales) is not learned for one.
    list_len: K    share: of the visits, after which a list is begun, drawn anew every epoch
    """

    n_blanks: ClassVar[int] = 0
    list_len: int
    share: float

    def batch(self, histories: Histories, visited: Visits, windows: Ints, rng: np.random.Generator) -> ListsBatch:
        """Begin lists somewhere in each window, and ask for what came next."""
        window = lay_out(histories, visited, windows)
        owner = np.searchsorted(visited.offsets, windows[:, 0], side="right") - 1
        n_read = self._cuts(windows, windows[:, 0] == visited.offsets[owner], visited.offsets[owner + 1], rng)
        row, column = np.nonzero(n_read >= 0)
        first = windows[row, 0] + n_read[row, column]
        items, lists = self._following(histories, visited, first, visited.offsets[owner[row] + 1], rng)
        place = np.arange(len(items)) - np.searchsorted(lists, lists)
        asked = np.flatnonzero(place < self.list_len)
        cell = (row * n_read.shape[1] + column)[lists[asked]]  # of the flattened (W, C)
        steps = cell * self.list_len + place[asked]
        written = np.zeros((*n_read.shape, self.list_len), np.int64)
        written.flat[steps] = items[asked]
        is_before = np.arange(self.list_len) < place[asked, None]
        return ListsBatch(
            windows=window,
            owners=np.arange(len(asked)),
            targets=items[asked],
            closed=np.where(is_before, written.reshape(-1, self.list_len)[cell], PAD),
            newest=np.where(n_read > 0, window.is_visit.argmax(1)[:, None] + n_read - 1, -1),
            written=written,
            steps=steps,
        )

    def question(self, window: Rectangle) -> Rectangle:
        """Ask after the newest visit."""
        return window

    def _cuts(self, windows: Ints, is_begin: NDArray[np.bool_], ends: Ints, rng: np.random.Generator) -> Ints:
        """Draw how many visits of its window each list reads: (W, C), -1 where there is no room for so many lists.

        is_begin: (W,) whether nothing lies before it, so that a list may read nothing    ends: (W,) of the histories
        """
        lengths = windows[:, 1] - windows[:, 0]
        n_read = np.arange(lengths.max(initial=0) + 1)
        follows = windows[:, :1] + n_read < ends[:, None]
        possible = follows & (n_read <= lengths[:, None]) & ((n_read > 0) | is_begin[:, None])
        draw = np.where(possible, rng.random(possible.shape), np.inf)
        n_lists = max(1, round(self.share * len(n_read)))
        chosen = np.argsort(draw, axis=1)[:, :n_lists]
        return np.where(np.isfinite(np.take_along_axis(draw, chosen, 1)), chosen, -1)

    def _following(
        self, histories: Histories, visited: Visits, first: Ints, ends: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """List different items from the visits `first` (L,) on, and before `ends` (L,): rows, and their list."""
        # Whole visits, of twice as many events as a list has places, for many an item will come again.
        enough = np.searchsorted(visited.starts, visited.starts[first] + 2 * self.list_len)
        which, per_list = ranges(first, np.minimum(enough, ends))
        events, per_visit = ranges(visited.starts[which], visited.starts[which + 1])
        segments = np.repeat(np.arange(len(which)), np.diff(per_visit))
        lists = np.repeat(np.arange(len(first)), np.diff(per_visit[per_list]))
        items = histories.items[events[np.argsort(segments + rng.random(len(events)))]].astype(np.int64)
        _, fresh = np.unique(lists * (items.max(initial=0) + 1) + items, return_index=True)
        fresh.sort()
        return items[fresh], lists[fresh]


def write_best(next_scores: Callable[[Tensor], Tensor], closed: Tensor, k: int, beam: int = 1) -> tuple[Tensor, Tensor]:
    """Write the likeliest list of k different items, keeping the `beam` best beginnings at every step; 1 is greedy.

    next_scores: written (B, C, t) rows of C lists each -> scores (B, C, N) of what may follow, which are written into
    closed: (B, N) bool, what may never be written  ->  rows (B, k), and (B, k) log-probability of each item after those
    before it, among all that could still be written
    """
    B, N = closed.shape
    written, log_p, total = torch.zeros(B, 1, 0, dtype=torch.long), torch.zeros(B, 1, 0), torch.zeros(B, 1)
    for _ in range(k):
        scores = next_scores(written).masked_fill_(closed[:, None], -torch.inf).scatter_(2, written, -torch.inf)
        best, rows = scores.topk(min(beam, N), 2)
        step = best - scores.logsumexp(2, keepdim=True)
        # A beginning without enough to choose from has branches of probability 0: they stand last, and die out.
        total, branch = (total[:, :, None] + step).flatten(1).topk(min(beam, step[0].numel()), 1)
        parent = (branch // step.size(2))[:, :, None].expand(-1, -1, written.size(2))
        written = torch.cat([written.gather(1, parent), rows.flatten(1).gather(1, branch)[:, :, None]], 2)
        log_p = torch.cat([log_p.gather(1, parent), step.flatten(1).gather(1, branch)[:, :, None]], 2)
    return written[:, 0], log_p[:, 0]
