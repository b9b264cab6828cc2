"""All baselines in one line, with the settings that validation chose for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recolab.models import Recommender
from recolab.models.content import Content
from recolab.models.factors import SurpriseSvd
from recolab.models.linear import Ease
from recolab.models.neighbours import ItemNeighbours, Transitions, UserNeighbours
from recolab.models.popularity import PersonalFrequency, Popularity

BASELINES: dict[str, Callable[..., Recommender]] = {
    "Popularity": Popularity,
    "Popularity, last days": Popularity,
    "Personal frequency": PersonalFrequency,
    "Item neighbours": ItemNeighbours,
    "Transitions": Transitions,
    "User neighbours": UserNeighbours,
    "EASE": Ease,
    "SVD (Surprise)": SurpriseSvd,
    "Content": Content,
}
# What a notebook searches for each, the likeliest value first; an empty space has nothing to turn.
SPACES: dict[str, dict[str, list[Any]]] = {
    "Popularity": {},
    "Popularity, last days": {"last_days": [14, 7, 28, 56]},
    "Personal frequency": {"half_life_visits": [23, 10, 16, 35, 50, None], "half_life_days": [240, None, 120, 60]},
    "Item neighbours": {"half_life_days": [60, 15, 240], "k": [200, 50]},
    "Transitions": {"half_life_days": [30, 15, 60, 120], "damping": [0.3, 0.5, 0.7], "reach": [5, 3]},
    "User neighbours": {"half_life_days": [60, 30, 120, 240], "k": [100, 50, 200, 400]},
    "EASE": {"l2": [350.0, 700.0, 200.0, 1000.0], "half_life_days": [60, 240, 120, None]},
    "SVD (Surprise)": {"n_factors": [16, 64], "epochs": [20, 10]},
    "Content": {"half_life_days": [30, 3, 10, 120], "words": ["tfidf", "count"]},
}


def baselines(settings: Mapping[str, Mapping[str, Any]] | None = None) -> list[Recommender]:
    """Make every baseline, not fitted yet: name -> its settings, the class's defaults where none are given."""
    settings = settings or {}
    made = []
    for name, make in BASELINES.items():
        knobs = dict(settings.get(name, {}))
        if name == "Popularity, last days":
            knobs = {"last_days": 28} | knobs
        made.append(make(name=name, **knobs))
    return made


def hybrid_members(settings: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Recommender]:
    """Make the baselines whose opinions a hybrid hears, not fitted yet: task name -> name -> settings.

    Habits are set as they serve the next visit, all others as they serve what is new. Left out: the two that add nothing
    once the others speak (all-time popularity, item neighbours).
    """
    chosen = dict(settings["new items only"]) | {"Personal frequency": settings["next visit"]["Personal frequency"]}
    return [model for model in baselines(chosen) if model.name not in ("Popularity", "Item neighbours")]
