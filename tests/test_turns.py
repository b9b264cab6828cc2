"""Whoever waits is served by a turn that began after they came, and turns are shared."""

from __future__ import annotations

import asyncio
import threading

import pytest

from recolab.service.turns import Turns


def test_who_comes_while_a_turn_runs_shares_the_next_one():
    began, go_on, turns = threading.Semaphore(0), threading.Semaphore(0), []

    def work():
        turns.append(len(turns) + 1)
        began.release()
        assert go_on.acquire(timeout=10)

    async def come():
        ask = Turns(work)
        first = asyncio.ensure_future(ask())
        await asyncio.to_thread(began.acquire)
        others = [asyncio.ensure_future(ask()) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert turns == [1]  # one at a time
        go_on.release()
        await first
        assert not any(other.done() for other in others)  # what they wrote came after the first turn had begun
        go_on.release()
        await asyncio.gather(*others)
        last = asyncio.ensure_future(ask())
        go_on.release()
        await last

    asyncio.run(come())
    assert turns == [1, 2, 3]


def test_a_failure_reaches_all_who_waited_and_nobody_after():
    failing = [True]

    def work():
        if failing.pop() if failing else False:
            raise OSError("no space left on device")

    async def come():
        ask = Turns(work)
        told = await asyncio.gather(ask(), ask(), return_exceptions=True)
        assert [str(one) for one in told] == ["no space left on device"] * 2
        await ask()

    asyncio.run(come())


def test_who_hangs_up_stops_nobody_else_s_turn():
    began, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def work():
        began.release()
        assert go_on.acquire(timeout=10)

    async def come():
        ask = Turns(work)
        gone, stays = asyncio.ensure_future(ask()), asyncio.ensure_future(ask())
        await asyncio.to_thread(began.acquire)
        gone.cancel()
        go_on.release()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(come())
