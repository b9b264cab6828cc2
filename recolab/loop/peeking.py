"""What looking every day does to a verdict: trials of two recommenders that are alike, or not, judged after every list."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import ndtri

from recolab.feedback import CHALLENGER, CHAMPION, bernstein_sequence
from recolab.sources.shop_catalogue import Floats

WON = 0.3  # of the lists have a winner; the others are ties
AT_ANY_TIME, Z_TEST = "confidence sequence", "z-test at every look"
FEWEST = 30  # lists before anybody looks


def prove_gate(
    better: float = 0.0, runs: int = 500, lists: int = 2000, seed: int = 7, alpha: float = 0.05
) -> pl.DataFrame:
    """Judge so many trials after every list, by intervals that stay true and by a test that was made for one look.

    better: by how much the challenger wins oftener, of all lists; 0 where it is not better, and every verdict is a false alarm
    ->  gate, lists, declared: the share of trials in which the challenger was called better by then
    """
    rng = np.random.default_rng([seed, 9])
    chances = [(WON - better) / 2, 1 - WON, (WON + better) / 2]
    wins = rng.choice(np.array([CHAMPION, 0, CHALLENGER], np.float64), (runs, lists), p=chances)
    found = {
        AT_ANY_TIME: bernstein_sequence(wins, CHAMPION, CHALLENGER, alpha).low > 0,
        Z_TEST: _z_scores(wins) > ndtri(1 - alpha / 2),
    }
    seen = np.arange(1, lists + 1)
    return pl.concat(
        pl.DataFrame({"gate": name, "lists": seen, "declared": np.logical_or.accumulate(said, 1).mean(0)})
        for name, said in found.items()
    ).filter(pl.col("lists") >= FEWEST)


def _z_scores(wins: Floats) -> Floats:
    n = np.arange(1, wins.shape[1] + 1)
    mean = wins.cumsum(1) / n
    spread = np.sqrt(np.maximum((wins**2).cumsum(1) / n - mean**2, 1e-12))
    scores: Floats = np.where(n < FEWEST, 0, mean / spread * np.sqrt(n))
    return scores
