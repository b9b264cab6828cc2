"""The shop's page at `/`: files of this package, which a browser runs without asking any other host."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, HTTPException, Response

START = "index.html"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HEADERS = {
    # Even if a title became markup, it could neither run nor speak to anybody.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def showing() -> APIRouter:
    """Give the page and what it needs; it is read once, so that no request touches the disk."""
    router, kept = APIRouter(include_in_schema=False), _read()

    @router.get("/")
    async def start() -> Response:
        return kept[START]

    @router.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in kept:
            raise HTTPException(404, f"no part {name!r} of the page")
        return kept[name]

    return router


def _read() -> dict[str, Response]:
    folder = files("recolab.service") / "static"
    parts = [part for part in folder.iterdir() if part.name.rpartition(".")[2] in _TYPES]
    return {
        part.name: Response(part.read_bytes(), media_type=_TYPES[part.name.rpartition(".")[2]], headers=HEADERS)
        for part in parts
    }
