"""What columns and kinds of events are called, everywhere."""

from __future__ import annotations

USER = "user_id"
ITEM = "item_id"
TIME = "timestamp"
KIND = "kind"
VALUE = "value"
EVENT_COLUMNS = (USER, ITEM, TIME, KIND, VALUE)

# Optional event columns: what a shop may know about one event.
BASKET = "basket_id"  # one checkout
SESSION = "session_id"  # one visit
DWELL = "dwell_seconds"
QUANTITY, PRICE, RATING, TEXT = "quantity", "price", "rating", "text"

# Impression columns, a row for each thing shown: its list, its place (from 1), its score, how probable it was there, what chose it,
# and whether it was clicked.
LIST, POSITION, SCORE, PROPENSITY, POLICY, MODEL, CLICK = (
    "list_id",
    "position",
    "score",
    "propensity",
    "policy",
    "model",
    "click",
)

# Item columns: only `item_id` is required.
TITLE = "title"
CATEGORY = "category"
BRAND = "brand"
STOCK = "stock"
ITEM_COLUMNS = (ITEM, TITLE, CATEGORY, BRAND, PRICE, STOCK, TEXT)

ID_COLUMNS = (USER, ITEM, BASKET, SESSION)
NUMBER_COLUMNS = (VALUE, DWELL, QUANTITY, PRICE, RATING, STOCK)

VIEW, CART, PURCHASE, REVIEW = "view", "cart", "purchase", "review"
KINDS = (VIEW, CART, PURCHASE, REVIEW)
# What one event says about liking, when nobody rated anything.
EVENT_WEIGHT = {VIEW: 1.0, CART: 3.0, PURCHASE: 5.0, REVIEW: 5.0}
