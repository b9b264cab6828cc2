"""What the service is told and what it says, field by field: a body that does not fit is refused by the field's name."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from recolab.live import Wish
from recolab.rerank import Rules
from recolab.schema import PURCHASE, TIME

MOST_ITEMS = 100  # of one list, and of one stranger's session
AHEAD = timedelta(hours=1)  # that a shop's clock may go before ours


def _writable(text: str) -> str:
    """Refuse halves of characters, which no file holds: JSON may spell them."""
    if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("holds half of a character")
    return text


Text = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_writable)]
LongText = Annotated[str, Field(max_length=5000), AfterValidator(_writable)]
Id = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Text  # as columns hold them
Kind = Literal["view", "cart", "purchase", "review"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Body(BaseModel):
    """A body that says nothing beside what is asked: a misspelt field would be silently lost."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Event(_Body):
    """What one shopper did with one item; now, if no time is told."""

    user_id: Id
    """The shopper, known or new."""
    item_id: Id
    """The item; one that the catalog does not know is kept, and says nothing."""
    kind: Kind = PURCHASE  # type: ignore[assignment]  # the schema's word, one of the four
    """What was done with it."""
    timestamp: AwareDatetime | None = None
    """When, with a time zone; now by default."""
    value: Amount = 1.0
    """What it was worth to the shop, such as a price or a number of pieces."""
    rating: Amount | None = None
    """Of a review, on the shop's own scale."""
    text: LongText | None = None
    """Of a review."""

    @field_validator(TIME)
    @classmethod
    def is_not_ahead(cls, at: datetime | None) -> datetime | None:
        """Refuse what has not happened yet: a session's lists are never older than its newest event."""
        if at is not None and at > datetime.now(UTC) + AHEAD:
            raise ValueError(f"more than {AHEAD} ahead of this machine's clock")
        return at


class Change(_Body):
    """What an item costs from now on, and how many there are."""

    price: Amount | None = None
    """Unchanged where it is not told."""
    stock: Amount | None = None
    """0: sold out, on no list from now on; unchanged where it is not told."""

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Refuse a change of nothing."""
        if self.price is None and self.stock is None:
            raise ValueError("neither price nor stock is told")
        return self


class Model(_Body):
    """A shipped version by its name, a plain folder's."""

    version: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")]
    """A folder's name beneath `versions/`."""


class Newcomer(_Body):
    """An item that the catalog does not have yet, and what describes it: by that it is recommended."""

    item_id: Id
    """Of the type of the catalog's ids."""
    title: Text
    """What shoppers read, and first of the words by which it is found to be like others."""
    category: Text | None = None
    brand: Text | None = None
    text: LongText | None = None
    """A description."""
    price: Amount | None = None
    stock: Amount | None = None
    """How many there are; not counted where it is not told."""


class Terms(_Body):
    """How long a list shall be, and what may stand on it (`recolab.rerank.Rules`, `recolab.live.Wish`)."""

    k: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 10
    """Places of the list."""
    min_price: Finite | None = None
    """Nothing cheaper, and nothing without a price."""
    max_price: Finite | None = None
    """Nothing dearer, and nothing without a price."""
    categories: list[str] | None = None
    """Only these; `GET /categories` names them."""
    not_categories: list[str] = []
    """None of these."""
    exclude: list[Id] = []
    """None of these items."""
    not_seen_days: Amount | None = None
    """Nothing that the shopper did anything with in so many days."""
    not_bought_days: Amount | None = None
    """Nothing that the shopper bought in so many days, 0 lets all come back; by default nothing that was ever bought."""
    most_per_category: Annotated[int, Field(ge=1)] | None = None
    """Places that one category may have."""
    variety: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """0, the order of the scores, to below 1: how much being unlike the places above counts (maximal marginal relevance)."""
    reasons: bool = False
    """Say for each place what was done without which it would not stand there; it takes as long as twenty lists."""

    def rules(self) -> Rules:
        """Say what may be shown."""
        return Rules(self.min_price, self.max_price, self.categories, self.exclude, self.not_categories)

    def wish(self) -> Wish:
        """Say what the list shall be like."""
        bought = math.inf if self.not_bought_days is None else self.not_bought_days
        return Wish(self.not_seen_days, bought, self.most_per_category, self.variety)


class Question(Terms):
    """Whose list it is, and its terms."""

    user_id: Text
    """The shopper; one that is not known is told what everybody buys."""


class Visit(Terms):
    """The items that a stranger saw, oldest first, and the terms of the list."""

    items: Annotated[list[Id], Field(max_length=MOST_ITEMS)]
    """What was looked at, oldest first."""


class Because(BaseModel):
    """The item without which a place would lose most of its score."""

    item_id: Id
    title: str


class Place(BaseModel):
    """One place of a list: how much of the score each voice said, what there is to show of the item, and why, where it was asked."""

    item_id: Id
    score: float
    shares: dict[str, float]
    title: str
    category: str | None
    price: float | None
    stock: float | None
    because: Because | None = None


class Answer(BaseModel):
    """A list, best first."""

    items: list[Place]


class Fault(BaseModel):
    """Why a request was refused."""

    detail: str


def refusals(**statuses: str) -> dict[int | str, dict[str, Any]]:
    """Document why a path refuses: _401="..." and the like."""
    return {int(status[1:]): {"model": Fault, "description": why} for status, why in statuses.items()}
