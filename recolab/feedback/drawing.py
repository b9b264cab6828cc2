"""A list that tries something, place after place, and what each place's item had for a chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.exploring import Policy


class Draw:
    """Chooses what comes next by a policy instead of the largest gain, and remembers how probable each choice was."""

    def __init__(self, policy: Policy, rng: np.random.Generator) -> None:
        self.policy, self.rng = policy, rng
        self.propensities: list[float] = []

    def __call__(self, gains: NDArray[np.float32]) -> int:
        """Draw one of C candidates: (C,), -inf for what is closed  ->  its place; `propensities` grows by its chance."""
        chances = self.policy.next_propensities(gains.astype(np.float64), gains == -np.inf).cumsum()
        # The last open one ends the sum, whatever rounding did; a closed one adds nothing, and is never the first to pass.
        place = int(np.searchsorted(chances, self.rng.random() * chances[-1], side="right"))
        self.propensities.append(float(chances[place] - chances[place - 1] if place else chances[0]))
        return place
