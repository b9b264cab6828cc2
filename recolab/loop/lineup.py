"""The policies that are set beside each other: how live a list is, whether it tries, what it learns from, and the guards."""

from __future__ import annotations

from dataclasses import replace

from recolab.feedback import EpsilonGreedy
from recolab.loop.days import Policy
from recolab.loop.learning import Feedback, clicks, satisfied_clicks
from recolab.loop.policies import NOT_AGAIN, Live, Nightly
from recolab.loop.shoppers import Shoppers

NIGHTLY, LIVE, EXPLORING = "Nightly", "Live", "Live, exploring"
FEEDBACK, CLICK_FEEDBACK = "Feedback", "Feedback, clicks"
CAPPED, VARIED = "Live, capped", "Live, varied"
TRY = EpsilonGreedy(0.1)
MOST_EXPOSURE = 0.04  # of what is shown, for one item
VARIETY = replace(NOT_AGAIN, variety=0.3)


def line_up(shoppers: Shoppers) -> list[Policy]:
    """Make them anew, knowing nothing yet: four ways to fill lists, feedback that believes every click, and two guarded ones."""
    items, k, seed = shoppers.shelf.items, shoppers.config.k, shoppers.config.seed
    return [
        Nightly(items, k, name=NIGHTLY),
        Live(items, k, name=LIVE),
        Live(items, k, name=EXPLORING, explore=TRY, seed=seed),
        Feedback(items, k, satisfied_clicks, name=FEEDBACK, explore=TRY, seed=seed),
        Feedback(items, k, clicks, name=CLICK_FEEDBACK, explore=TRY, seed=seed),
        Live(items, k, name=CAPPED, most_exposure=MOST_EXPOSURE),
        Live(items, k, name=VARIED, wish=VARIETY),
    ]
