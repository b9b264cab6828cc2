"""Waiting for a slow thing together: whoever comes while it runs shares the next turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turns:
    """Does one thing in a thread, again and again, for all who wait: a flush of the disk serves every event written before it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self._running: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None

    async def __call__(self) -> None:
        """Wait for a turn that begins after now; raises what the work raises, for each who waits."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._turn(self._running))
        await asyncio.shield(self._next)  # who hangs up stops nobody else's turn

    async def _turn(self, before: asyncio.Future[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        await asyncio.get_running_loop().run_in_executor(None, self.work)
