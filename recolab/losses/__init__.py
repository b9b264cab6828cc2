"""Losses over a catalog: cross-entropy in full or against sampled items, what a teacher says, and the pairwise losses of GRU4Rec."""

from recolab.losses.catalog import CatalogLoss, LossName, catalog_loss
from recolab.losses.distillation import distillation_loss
from recolab.losses.one_pass import ROWS
from recolab.losses.pairwise import OUT_OF_REACH, binary_cross_entropy, bpr_max, top1_max
from recolab.losses.softmax import FullCrossEntropy, SampledCrossEntropy, full_cross_entropy, sampled_cross_entropy

__all__ = [
    "OUT_OF_REACH",
    "ROWS",
    "CatalogLoss",
    "FullCrossEntropy",
    "LossName",
    "SampledCrossEntropy",
    "binary_cross_entropy",
    "bpr_max",
    "catalog_loss",
    "distillation_loss",
    "full_cross_entropy",
    "sampled_cross_entropy",
    "top1_max",
]
