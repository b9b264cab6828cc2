"""The paths of the service, over one live recommender and one journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import generate_latest
from pydantic import Field

from recolab.live import Card, LiveRecommender, LiveShop, Pick, of_type, plain
from recolab.rerank import Rules
from recolab.schema import ITEM, RATING, TEXT, VALUE
from recolab.service.bodies import (
    MOST_ITEMS,
    Answer,
    Because,
    Change,
    Event,
    Newcomer,
    Place,
    Question,
    Terms,
    Visit,
    refusals,
)
from recolab.service.changing import changing
from recolab.service.key import Key
from recolab.service.limits import BODY_BYTES, Gate, Meters
from recolab.service.page import showing
from recolab.service.straight import Straight
from recolab.service.turns import Turns

PER_SECOND = 2000.0  # requests of one client
FAULTS = 20  # of one body that are told


def create_app(shop: LiveShop, api_key: str, per_second: float = PER_SECOND) -> FastAPI:
    """Make the service of an open shop.

    Who writes, and who asks about a shopper by name, is asked for the key in the header X-API-Key: a list tells what somebody bought.
    A stranger's list is anybody's, and leaves nothing behind. An event is answered when the disk has it (`Journal`).
    per_second: requests that one client may make  ->  the app, the shop in app.state
    Raises ValueError for an empty key.
    """
    key = [Depends(Key(api_key))]
    meters = Meters(lambda: shop.live.n_sessions, lambda: shop.unlogged)
    app = FastAPIOffline(
        title="recolab",
        description="Live recommendation: an event goes in, the next list knows it.",
        redoc_url=None,
        favicon_url="/page/icon.svg",
        responses=refusals(
            _411="a body whose length is not told", _413=f"a body above {BODY_BYTES:,} bytes", _429="too many requests"
        ),
    )
    app.state.shop = shop
    app.exception_handler(RequestValidationError)(_refused)
    app.add_middleware(Gate, meters=meters, per_second=per_second)
    flushed = Turns(shop.journal.flush)
    # Before all others, and on the app itself: a router that is included looks for the path twice.
    add = partial(app.router.add_api_route, route_class_override=Straight)
    keyed: dict[str, Any] = {"dependencies": key, "responses": refusals(_401="the API key is missing or wrong")}
    add("/events", _hearing(shop, flushed), methods=["POST"], **keyed)
    add("/recommendations", _listing(shop), methods=["GET"], response_model=Answer, **keyed)
    app.include_router(_writing(shop, flushed), **keyed)
    app.include_router(changing(shop), **keyed)
    app.include_router(_reading(shop, meters))
    app.include_router(showing())
    return app


def _hearing(shop: LiveShop, flushed: Turns) -> Any:
    async def events(event: Event) -> dict[str, bool]:
        """Take an event: it is on the disk, and the next list knows it; `known` says whether the catalog has the item."""
        more = {VALUE: event.value, RATING: event.rating, TEXT: event.text}
        known = shop.hear(event.user_id, event.item_id, event.kind, event.timestamp, **more)
        await flushed()
        return {"known": known}

    return events


def _listing(shop: LiveShop) -> Any:
    async def recommendations(asked: Annotated[Question, Query()]) -> Response:
        """List the best items for a shopper, best first; for one who is not known, what everybody buys."""
        live = shop.live
        picks = shop.recommend(asked.user_id, asked.k, _rules(asked, live, "query"), asked.wish())
        user, cards = of_type(asked.user_id, live.user_type), _cards(shop, picks)
        why = partial(live.reasons, user, wish=asked.wish())
        return _answer(live, picks, cards, await _why(asked, live, why, picks))

    return recommendations


def _writing(shop: LiveShop, flushed: Turns) -> APIRouter:
    router = APIRouter()

    @router.post("/items", status_code=201)
    async def newcomers(items: Annotated[list[Newcomer], Field(min_length=1, max_length=MOST_ITEMS)]) -> dict[str, int]:
        """Let items in that nobody has had yet: lists know them by the words that describe them."""
        kind = shop.live.item_type
        for place, one in enumerate(items):
            if not isinstance(of_type(one.item_id, kind), kind):
                fault = {"loc": ["body", place, ITEM], "msg": f"the catalog's ids are {kind.__name__}", "type": "type"}
                raise HTTPException(422, [fault])
        return {"new": await run_in_threadpool(shop.welcome, [one.model_dump() for one in items])}

    @router.put("/items/{item_id:path}", responses=refusals(_404="no such item in the catalog"))
    async def items(item_id: str, change: Change) -> dict[str, bool]:
        """Change price or stock: the next list knows it."""
        if not shop.knows(item_id):
            raise HTTPException(404, f"no item {item_id!r} in the catalog")
        shop.mark(item_id, change.price, change.stock)
        await flushed()  # beside the loop: a flush of the disk would stop every list
        return {"changed": True}

    return router


def _reading(shop: LiveShop, meters: Meters) -> APIRouter:
    router = APIRouter()

    @router.post("/recommendations", response_model=Answer)
    async def recommendations_for(visit: Visit) -> Response:
        """List the best items after those that a stranger saw, of whom nothing is kept: no key is asked."""
        live = shop.live
        seen = [of_type(item, live.item_type) for item in visit.items]
        picks = live.recommend_for(seen, visit.k, _rules(visit, live, "body"), visit.wish())
        why = partial(live.reasons_for, seen, wish=visit.wish())
        return _answer(live, picks, _cards(shop, picks), await _why(visit, live, why, picks))

    @router.get("/categories")
    async def categories() -> dict[str, list[str]]:
        """Name the categories that a list may be asked for."""
        return {"categories": shop.live.categories}

    @router.get("/health")
    async def health(response: Response) -> dict[str, Any]:
        """Say that lists are made, by making one, and that events are taken; with 503 where one of the two is not so."""
        ok = len(shop.live.recommend_for([], 1)) == 1 and shop.journal.is_sound
        response.status_code = 200 if ok else 503
        return {"ok": ok, "items": shop.live.n_items}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give the meters in Prometheus' text."""
        return PlainTextResponse(generate_latest(meters.registry))

    return router


def _rules(terms: Terms, live: LiveRecommender, where: str) -> Rules:
    """Read the rules of a request by the catalog's ids and categories; a category that is none would silently empty the list."""
    for name in ("categories", "not_categories"):
        for category in getattr(terms, name) or ():
            if category not in live.shelf.numbers:
                fault = {
                    "loc": [where, name],
                    "msg": f"no category {category!r}: GET /categories names them",
                    "type": "value",
                }
                raise HTTPException(422, [fault])
    return replace(terms.rules(), exclude=[of_type(item, live.item_type) for item in terms.exclude])


async def _refused(_: Request, error: Exception) -> Response:
    """Say which field does not fit and why, without repeating what was sent: not all of it can be."""
    assert isinstance(error, RequestValidationError)
    faults = [
        {"loc": [str(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]}
        for one in error.errors()[:FAULTS]
    ]
    return Response(json.dumps({"detail": faults}), 422, media_type="application/json")


async def _why(
    terms: Terms, live: LiveRecommender, reasons: Callable[[list[Any]], list[Any]], picks: list[Pick]
) -> list[Any]:
    """Ask for reasons where they are wanted, and beside the loop: they take as long as twenty lists."""
    if not terms.reasons:
        return [None] * len(picks)
    known = [pick.item for pick in picks if live.knows(pick.item)]  # during a trial, not all are the champion's
    because = dict(zip(known, await run_in_threadpool(reasons, known), strict=True))
    return [because.get(pick.item) for pick in picks]


def _cards(shop: LiveShop, picks: list[Pick]) -> list[Card]:
    """Say what there is to show; of what only a recommender knew that has just gone, its id."""
    bare = (Card(pick.item, str(pick.item), None, None, None) for pick in picks)
    return [
        shop.card(pick.item) if shop.knows(plain(pick.item)) else card for pick, card in zip(picks, bare, strict=True)
    ]


def _answer(live: LiveRecommender, picks: list[Pick], cards: list[Card], reasons: list[Any]) -> Response:
    """cards: as of when the list was made, for a trial may end while reasons are sought    live: who gave them."""
    places = [_place(live, *told) for told in zip(picks, cards, reasons, strict=True)]
    # Written here: given the model, FastAPI would check each field a second time.
    return Response(Answer(items=places).model_dump_json(), media_type="application/json")


def _place(live: LiveRecommender, pick: Pick, card: Card, reason: Any) -> Place:
    because = None if reason is None else Because(item_id=plain(reason), title=live.card(reason).title)
    return Place(
        item_id=plain(pick.item),
        score=pick.score,
        shares=pick.shares,
        title=card.title,
        category=card.category,
        price=card.price,
        stock=card.stock,
        because=because,
    )
