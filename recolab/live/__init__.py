"""The live shop: an event is observed, and the very next list knows it."""

from recolab.journal import Journal, JournalError, replay
from recolab.live.choir import Choir
from recolab.live.encoded import Encoded
from recolab.live.ids import of_type, plain
from recolab.live.lists import Card, Pick, Wish
from recolab.live.newcomers import welcome
from recolab.live.reasons import places_lost
from recolab.live.recalling import recall
from recolab.live.recommender import LiveRecommender
from recolab.live.sessions import Session, Sessions
from recolab.live.shipping import keep_weights, open_live, open_voices, ship
from recolab.live.shop import EVENTS, IMPRESSIONS, LiveShop
from recolab.live.trial import Trial
from recolab.live.versions import challenge, exchange, go_back, open_shop, promote, promoted, roll_back, version_folder
from recolab.live.voices import Favour, Habit, Linked, Voice
from recolab.live.weighing import learn_weights

__all__ = [
    "EVENTS",
    "IMPRESSIONS",
    "Card",
    "Choir",
    "Encoded",
    "Favour",
    "Habit",
    "Journal",
    "JournalError",
    "Linked",
    "LiveRecommender",
    "LiveShop",
    "Pick",
    "Session",
    "Sessions",
    "Trial",
    "Voice",
    "Wish",
    "challenge",
    "exchange",
    "go_back",
    "keep_weights",
    "learn_weights",
    "of_type",
    "open_live",
    "open_shop",
    "open_voices",
    "places_lost",
    "plain",
    "promote",
    "promoted",
    "recall",
    "replay",
    "roll_back",
    "ship",
    "version_folder",
    "welcome",
]
