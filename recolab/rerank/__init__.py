"""The last word on a list: candidates of several models, one learned order, and rules that no score can overrule."""

from recolab.rerank.candidates import Candidates, join_candidates, propose, without_opinion
from recolab.rerank.diversity import best_of, dpp, mmr, take_best
from recolab.rerank.features import item_features
from recolab.rerank.hybrid import Hybrid
from recolab.rerank.rankers import (
    BoostedRanker,
    EqualBlend,
    LinearBlend,
    Ranker,
    RankerSum,
    choose_by_halves,
    choose_ranker,
    contenders,
    judge_ranker,
)
from recolab.rerank.rules import Rules, Shelf, allowed_items

__all__ = [
    "BoostedRanker",
    "Candidates",
    "EqualBlend",
    "Hybrid",
    "LinearBlend",
    "Ranker",
    "RankerSum",
    "Rules",
    "Shelf",
    "allowed_items",
    "best_of",
    "choose_by_halves",
    "choose_ranker",
    "contenders",
    "dpp",
    "item_features",
    "join_candidates",
    "judge_ranker",
    "mmr",
    "propose",
    "take_best",
    "without_opinion",
]
