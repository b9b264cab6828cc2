"""The last word on a list: candidates of several models, one learned order, and rules that no score can overrule."""

from recolab.rerank.candidates import Candidates, join_candidates, propose
from recolab.rerank.features import item_features
from recolab.rerank.hybrid import Hybrid
from recolab.rerank.rankers import BoostedRanker, LinearBlend, Ranker, ranking_score
from recolab.rerank.rules import Rules, allowed_items

__all__ = [
    "BoostedRanker",
    "Candidates",
    "Hybrid",
    "LinearBlend",
    "Ranker",
    "Rules",
    "allowed_items",
    "item_features",
    "join_candidates",
    "propose",
    "ranking_score",
]
