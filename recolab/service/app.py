"""The paths of the service, over one live recommender and one journal."""

from __future__ import annotations

import re
import secrets
from collections.abc import Hashable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.security import APIKeyHeader
from prometheus_client import generate_latest

from recolab.live import Journal, LiveRecommender, Pick, replay
from recolab.service.bodies import Answer, Change, Event, Place, Question, Visit
from recolab.service.limits import Gate

_NUMBER = re.compile(r"-?[0-9]{1,18}")  # as whole numbers of logs are
PER_SECOND = 2000.0  # requests of one client


def create_app(live: LiveRecommender, journal_path: Path, api_key: str, per_second: float = PER_SECOND) -> FastAPI:
    """Make the service of one live recommender; what its journal holds is recalled first.

    Writing wants the key in the header X-API-Key. An event is answered when the disk has it (`Journal`).
    per_second: requests that one client may make  ->  the app, its journal in app.state
    Raises ValueError for an empty key, and what `Journal` raises.
    """
    if not api_key:
        raise ValueError("an empty API key would let everybody write")
    journal = Journal(journal_path)
    recall(live, journal_path)
    gate = Gate(per_second, lambda: live.n_sessions)
    app = FastAPI(title="recolab", description="Live recommendation: an event goes in, the next list knows it.")
    app.state.journal = journal
    app.middleware("http")(gate)
    app.include_router(_writing(live, journal), dependencies=[Depends(_key_check(api_key))])
    app.include_router(_reading(live))
    app.include_router(_watching(live, gate))
    return app


def recall(live: LiveRecommender, journal_path: Path) -> int:
    """Tell a live recommender again what its journal holds  ->  how many records."""
    count = 0
    for count, record in enumerate(replay(journal_path), start=1):  # noqa: B007  counted for the caller
        if "user" in record:
            user, item = of_type(record["user"], live.user_type), of_type(record["item"], live.item_type)
            live.observe(user, item, record["kind"], datetime.fromisoformat(record["at"]))
        elif live.knows(item := of_type(record["item"], live.item_type)):  # a newer catalog may have dropped it
            live.update_item(item, price=record["price"], stock=record["stock"])
    return count


def _key_check(api_key: str) -> Any:
    async def may_write(key: Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]) -> None:
        if key is None or not secrets.compare_digest(key.encode(), api_key.encode()):
            raise HTTPException(401, "writing wants the API key in the header X-API-Key")

    return may_write


def _writing(live: LiveRecommender, journal: Journal) -> APIRouter:
    router = APIRouter()

    @router.post("/events")
    async def events(event: Event) -> dict[str, bool]:
        """Take an event: it is on the disk, and the next list knows it; `known` says whether the catalog has the item."""
        at = event.timestamp or datetime.now(UTC)
        record = {"user": event.user_id, "item": event.item_id, "kind": event.kind, "at": at.isoformat()}
        await run_in_threadpool(journal.append, record)
        user, item = of_type(event.user_id, live.user_type), of_type(event.item_id, live.item_type)
        return {"known": live.observe(user, item, event.kind, at)}

    @router.put("/items/{item_id}")
    async def items(item_id: str, change: Change) -> dict[str, bool]:
        """Change price or stock: the next list knows it."""
        item = from_text(item_id, live.item_type)
        if not live.knows(item):
            raise HTTPException(404, f"no item {item_id!r} in the catalog")
        await run_in_threadpool(journal.append, {"item": _plain(item), "price": change.price, "stock": change.stock})
        live.update_item(item, price=change.price, stock=change.stock)
        return {"changed": True}

    return router


def _reading(live: LiveRecommender) -> APIRouter:
    router = APIRouter()

    @router.get("/recommendations")
    async def recommendations(asked: Annotated[Question, Query()]) -> Answer:
        """List the best items for a shopper, best first; for one who is not known, what everybody buys."""
        excluded = [from_text(str(item), live.item_type) for item in asked.exclude]
        rules = replace(asked.rules(), exclude=excluded)
        return _answer(live.recommend(from_text(asked.user_id, live.user_type), asked.k, rules, asked.wish()))

    @router.post("/recommendations")
    async def recommendations_for(visit: Visit) -> Answer:
        """List the best items after those that a stranger saw; nothing of it is kept."""
        seen, excluded = ([of_type(item, live.item_type) for item in ids] for ids in (visit.items, visit.exclude))
        rules = replace(visit.rules(), exclude=excluded)
        return _answer(live.recommend_for(seen, visit.k, rules, visit.wish()))

    return router


def _watching(live: LiveRecommender, gate: Gate) -> APIRouter:
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Say that lists are made, by making one."""
        return {"ok": len(live.recommend_for([], 1)) == 1, "items": live.n_items}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give the meters in Prometheus' text."""
        return PlainTextResponse(generate_latest(gate.registry))

    return router


def of_type(value: int | str, kind: type) -> Hashable:
    """Read an id of a body as the catalog or the log holds it: JSON has no UUIDs; 7 and "7" stay two shoppers."""
    if kind is not UUID or not isinstance(value, str):
        return value
    try:
        return UUID(value)
    except ValueError:
        return value


def from_text(text: str, kind: type) -> Hashable:
    """Read an id of a path or a query, where a number is text too."""
    return int(text) if kind is int and _NUMBER.fullmatch(text) else of_type(text, kind)


def _plain(item: Any) -> Any:
    return str(item) if isinstance(item, UUID) else item


def _answer(picks: list[Pick]) -> Answer:
    places = [Place(item_id=_plain(pick.item), score=pick.score, shares=pick.shares) for pick in picks]
    return Answer(items=places)
