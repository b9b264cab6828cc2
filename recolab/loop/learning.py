"""Lists that learn from how shoppers answered them: places and exposure are reckoned out, and a click may or may not be enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from recolab.feedback import BlendPosterior
from recolab.feedback.thompson import best_of
from recolab.histories import Histories
from recolab.live import Favour, Pick, Voice
from recolab.loop.days import Offer
from recolab.loop.policies import POOL, WEIGHTS, Live
from recolab.schema import CLICK, DWELL, ITEM, POSITION
from recolab.sources.shop_catalogue import Floats, Ints

SATISFIED_SECONDS = 30.0  # of a look, from which on a click counts as satisfied (Fox et al. 2005)
NOISE, ITEM_SPREAD, VOICE_SPREAD = (
    0.3,
    0.1,
    10.0,
)  # of an answer; of what items and voices may add to it, before any is known
ROUNDS = 100  # draws in which the chances of a list are counted
FIRST_GUESS = 50.0  # answers that the first guess of the looks is worth
Reward = Callable[[pl.DataFrame], Floats]


def clicks(shown: pl.DataFrame) -> Floats:
    """Count a click as an answer: impressions -> (M,) 0 or 1."""
    return shown[CLICK].to_numpy().astype(np.float64)


def satisfied_clicks(shown: pl.DataFrame) -> Floats:
    """Count only clicks that were looked at for long, a sign of satisfaction (Fox et al. 2005): impressions -> (M,) 0 or 1."""
    return (shown[DWELL] >= SATISFIED_SECONDS).to_numpy().astype(np.float64)


class Looks:
    """Chances that the places of a list are looked at, learned from answers: what came, over what would have come had all been seen.

    The first place is 1 by definition: only ratios can be told from answers. It begins with the discount of dcg.
    """

    def __init__(self, k: int) -> None:
        self._expected = np.full(k, FIRST_GUESS)
        self._came = FIRST_GUESS / np.log2(np.arange(2, k + 2))

    @property
    def chances(self) -> Floats:
        """The chances as far as they are known: (K,), the first is 1."""
        ratios = self._came / self._expected
        return np.asarray(ratios / ratios[0])

    def learn(self, position: Ints, expected: Floats, answers: Floats) -> None:
        """Add answers at places from 1, and what was expected of each if it was looked at: all (M,)."""
        self._expected += np.bincount(position - 1, expected, len(self._expected))
        self._came += np.bincount(position - 1, answers, len(self._came))


class Feedback(Live):
    """Live, with the voices' weights and each item's own worth learned every night from what was shown and how it was answered.

    answer = P(looked at) · (voices · weights + the item's effect) + noise, by Bayes' rule (`feedback.BlendPosterior`): an item is
    judged by its answers per look, not by their number, so neither its places nor how often it was shown speak for it.
    """

    def __init__(self, items: pl.DataFrame, k: int, reward: Reward = satisfied_clicks, **settings: Any) -> None:
        """reward: what counts as an answer    settings: as of `Live`."""
        super().__init__(items, k, **settings)
        self.reward, self.looks = reward, Looks(k)
        spreads = np.repeat(
            [VOICE_SPREAD, ITEM_SPREAD], [len(WEIGHTS) + 1, len(items)]
        )  # an intercept among the voices
        self.posterior = BlendPosterior(np.zeros(len(spreads)), np.diag(spreads**-2.0), NOISE)
        self._opinions = list[Floats]()

    def learn(self, log: pl.DataFrame, shown: pl.DataFrame, night: int) -> None:
        """Learn from the day's answers, then fit the voices to the log."""
        if len(shown):
            self._believe(shown)
        super().learn(log, shown, night)

    def voices(self, past: Histories) -> list[Voice]:
        """Let the items' own effects speak beside what is counted, as soon as there are any."""
        counted = super().voices(past)
        if not self.posterior.mean.any():
            return counted
        weights, effects = self.posterior.mean[: len(WEIGHTS)], self.posterior.mean[len(WEIGHTS) + 1 :]
        lift = np.append(0, effects - effects.min())  # PAD has none
        self.weights = [*weights.tolist(), float(lift.max())]
        # A Favour speaks in log(1 + count), the most being 1: so this one says lift / max(lift).
        return [*counted, Favour(np.expm1(lift).astype(np.float32), "Feedback")]

    def offer(self, user: Ints, at: Ints) -> Offer:
        """Make lists as `Live` does, and note what the voices said of each item shown."""
        pools = self.ask(user, at)
        places, propensities = self.draw(pools)
        shown = np.take_along_axis(self._said(pools), places[..., None], 1)
        self._opinions.append(shown.reshape(-1, len(WEIGHTS)))
        return self.fill(pools, places, propensities)

    def _said(self, pools: Sequence[Sequence[Pick]]) -> Floats:
        """Give what the voices think of each item of B pools, whatever they weigh: (B, P, F)."""
        shares = np.array([[list(pick.shares.values()) for pick in pool] for pool in pools])
        return np.asarray((shares / self.weights)[..., : len(WEIGHTS)])

    def _believe(self, shown: pl.DataFrame) -> None:
        """Update the posterior, and with it the looks; impressions come in the order in which they were offered."""
        position, answers = shown[POSITION].to_numpy(), self.reward(shown)
        of_item = np.eye(len(self.row_of))[[self.row_of[item] for item in shown[ITEM]]]
        said = np.hstack([np.concatenate(self._opinions), np.ones((len(shown), 1)), of_item])
        self._opinions.clear()
        self.posterior = self.posterior.learn(said * self.looks.chances[position - 1, None], answers)
        self.looks.learn(position, np.maximum(said @ self.posterior.mean, 0), answers)


class Thompson(Feedback):
    """Feedback that tries what it is not sure of: each list is the best by weights drawn from the posterior (Agrawal & Goyal 2013)."""

    def __init__(self, items: pl.DataFrame, k: int, reward: Reward = satisfied_clicks, **settings: Any) -> None:
        super().__init__(items, k, reward, **settings)
        self.asked = POOL

    def draw(self, pools: Sequence[Sequence[Pick]]) -> tuple[Ints, Floats]:
        """Choose by a draw for each list; propensities are of places, counted in ROUNDS more draws: two of (B, K)."""
        if not self.posterior.mean.any():  # nothing is known yet, so there is nothing to be unsure of
            return super().draw(pools)
        drawn = self.posterior.draw_weights(ROUNDS + len(pools), self._rng)
        voices, effects = drawn[:, : len(WEIGHTS)], drawn[:, len(WEIGHTS) + 1 :]
        lists, propensities = [], []
        for own, (said, pool) in enumerate(zip(self._said(pools), pools, strict=True), start=ROUNDS):
            scores = voices @ said.T + effects[:, [self.row_of[pick.item] for pick in pool]]
            ranked = best_of(scores[[own, *range(ROUNDS)]], self.k)  # its own draw is counted too: none is 0
            lists.append(ranked[0])
            propensities.append((ranked == ranked[0]).mean(0))
        return np.array(lists), np.array(propensities)
