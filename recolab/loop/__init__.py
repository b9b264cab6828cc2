"""The closed loop, simulated: shoppers react to lists, lists learn from the reactions, and the truth says what becomes of both."""

from recolab.loop.days import Diary, Offer, Policy, spend_day
from recolab.loop.learning import Feedback, Looks, Thompson, clicks, satisfied_clicks
from recolab.loop.lineup import line_up
from recolab.loop.peeking import prove_gate
from recolab.loop.policies import Live, Nightly
from recolab.loop.proving import prove_estimates
from recolab.loop.running import run_loop
from recolab.loop.shoppers import LoopConfig, Opened, Pages, Shoppers, gather_shoppers
from recolab.loop.summaries import by_day, lifts

__all__ = [
    "Diary",
    "Feedback",
    "Live",
    "Looks",
    "LoopConfig",
    "Nightly",
    "Offer",
    "Opened",
    "Pages",
    "Policy",
    "Shoppers",
    "Thompson",
    "by_day",
    "clicks",
    "gather_shoppers",
    "lifts",
    "line_up",
    "prove_estimates",
    "prove_gate",
    "run_loop",
    "satisfied_clicks",
    "spend_day",
]
