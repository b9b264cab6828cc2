"""The live shop: an event is observed, and the very next list knows it."""

from recolab.live.journal import Journal, JournalError, replay
from recolab.live.lists import Card, Pick, Wish
from recolab.live.newcomers import welcome
from recolab.live.recommender import LiveRecommender
from recolab.live.sessions import Session, Sessions
from recolab.live.shipping import keep_weights, open_live, open_voices, ship
from recolab.live.voices import Encoded, Favour, Habit, Linked, Voice
from recolab.live.weighing import learn_weights

__all__ = [
    "Card",
    "Encoded",
    "Favour",
    "Habit",
    "Journal",
    "JournalError",
    "Linked",
    "LiveRecommender",
    "Pick",
    "Session",
    "Sessions",
    "Voice",
    "Wish",
    "keep_weights",
    "learn_weights",
    "open_live",
    "open_voices",
    "replay",
    "ship",
    "welcome",
]
