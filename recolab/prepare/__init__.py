"""Clean, integrate and enrich event logs with one code for pandas, Polars, DuckDB and Spark."""

from recolab.prepare.cleaning import CleanRules, clean
from recolab.prepare.cores import k_core
from recolab.prepare.features import event_features, item_features, price_bands, user_features
from recolab.prepare.integration import SOURCE, integrate
from recolab.prepare.sessions import sessionise

__all__ = [
    "SOURCE",
    "CleanRules",
    "clean",
    "event_features",
    "integrate",
    "item_features",
    "k_core",
    "price_bands",
    "sessionise",
    "user_features",
]
