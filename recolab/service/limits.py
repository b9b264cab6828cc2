"""What the service counts, and what it refuses to be asked: bodies too large, and clients too often."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 64 * 1024
CLIENTS = 10_000  # whose rate is remembered
EDGES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)  # seconds


class Rate:
    """A bucket for each client: `per_second` requests flow in, and as many as of two seconds may be saved up."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, client: str, now: float) -> bool:
        """Take one request out of a client's bucket, if there is one."""
        full = max(2 * self.per_second, 1)
        left, since = self._buckets.pop(client, (full, now))
        left = min(left + (now - since) * self.per_second, full)
        admitted = left >= 1
        self._buckets[client] = left - admitted, now
        if len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        return admitted


class Meters:
    """What is counted, for Prometheus: requests and their seconds by path, sessions in memory, and lists that no log has."""

    def __init__(self, sessions: Callable[[], float], unlogged: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("recolab_requests", "By path and status", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "recolab_request_seconds", "Time to answer", ["path"], buckets=EDGES, registry=self.registry
        )
        Gauge("recolab_sessions", "Sessions in memory", registry=self.registry).set_function(sessions)
        Gauge("recolab_unlogged_lists", "Served, but not logged", registry=self.registry).set_function(unlogged)

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests.labels(path, status).inc()
        self.seconds.labels(path).observe(seconds)


class Gate:
    """Stands before every request: refuses what is too large or comes too often, and times the rest.

    Bare ASGI: as a function around request and response it would take as long as making a list.
    """

    def __init__(self, app: ASGIApp, meters: Meters, per_second: float) -> None:
        self.app, self.meters, self.rate = app, meters, Rate(per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse: 429 too often, 411 a body of unknown length, 413 a body too large; without a length there is none."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500  # unless an answer comes

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await (self._refusal(scope, started) or self.app)(scope, receive, noting)
        finally:  # by the route, never by what was asked: strangers' paths would fill the memory
            path = getattr(scope.get("route"), "path", "other")
            self.meters.note(path, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope, now: float) -> Response | None:
        client, *_ = scope["client"] or ("",)
        if not self.rate.admits(client, now):
            return JSONResponse({"detail": f"more than {self.rate.per_second:g} requests a second"}, 429)
        if scope["method"] not in ("POST", "PUT"):
            return None
        headers = Headers(scope=scope)
        size = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not size.isdecimal():
            return JSONResponse({"detail": "a body wants its Content-Length"}, 411)
        if len(size) > 15 or int(size) > BODY_BYTES:
            return JSONResponse({"detail": f"a body of {size} bytes: at most {BODY_BYTES:,}"}, 413)
        return None
