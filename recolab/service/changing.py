"""Which model answers: a version goes on trial, takes over, and goes back, while lists are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.concurrency import run_in_threadpool

from recolab.live import LiveShop, challenge, exchange, go_back, promoted
from recolab.service.bodies import Model, refusals


def changing(shop: LiveShop) -> APIRouter:
    """Make the paths of `/model`, all of which want the key."""
    router = APIRouter(
        prefix="/model",
        responses=refusals(_404="no version of that name was shipped", _409="not possible now: nothing has changed"),
    )

    def told() -> dict[str, Any]:
        trial = shop.trial
        return {"version": shop.version, "trial": trial and trial.version, "promoted": promoted(shop.folder)}

    @router.get("")
    async def model() -> dict[str, Any]:
        """Say which version answers, which is on trial, and which were promoted before."""
        return told()

    @router.put("")
    async def take_over(asked: Model) -> dict[str, Any]:
        """Promote a version: from the next list on, and after every start."""
        await _done(exchange, shop, asked.version)
        return told()

    @router.post("/rollback")
    async def roll_back() -> dict[str, Any]:
        """Let the version before answer again."""
        await _done(go_back, shop)
        return told()

    @router.put("/trial")
    async def try_out(asked: Model) -> dict[str, Any]:
        """Put a version on trial: lists are mixed of both, and the impression log says whose each place was."""
        await _done(challenge, shop, asked.version)
        return told()

    @router.delete("/trial")
    async def end_trial() -> dict[str, Any]:
        """Let the champion answer alone again."""
        await run_in_threadpool(shop.end_trial)
        return told()

    return router


async def _done(change: Callable[..., None], *asked: Any) -> None:
    """Change models beside the loop; what cannot be is a conflict, and nothing has changed."""
    try:
        await run_in_threadpool(change, *asked)
    except FileNotFoundError as error:
        raise HTTPException(
            404,
            f"no version {asked[-1]!r} was shipped to its end"
            if asked[1:]
            else "the version before is not there any more",
        ) from error
    except ValueError as error:
        raise HTTPException(409, str(error)) from error
