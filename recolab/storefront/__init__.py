"""A shop to look at: one shopper's live list beside last night's and everybody's, as a page and as buttons in JupyterLab."""

from recolab.storefront.counter import Counter
from recolab.storefront.visit import Click, Place, SoldOutError, Storefront

__all__ = ["Click", "Counter", "Place", "SoldOutError", "Storefront"]
