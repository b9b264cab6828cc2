"""Pictures for goods that have none: a tile in the colours of the category, with its initial, always the same for one item."""

from __future__ import annotations

import zlib
from html import escape

import numpy as np

_CELL = 30
_COLOURS = (
    "#2b5f94",
    "#c2452d",
    "#4f8f7b",
    "#c08a1f",
    "#7d689e",
    "#b5739a",
    "#7a9a35",
    "#2f7f8c",
    "#8a5a44",
    "#16365c",
)
# What may stand in a cell of 30 by 30: discs, quarters, leaves, petals and rings, as in a quilt.
_SHAPES = (
    '<circle cx="15" cy="15" r="10"/>',
    '<path d="M0 0h30a30 30 0 0 1-30 30z"/>',
    '<path d="M30 0v30h-30a30 30 0 0 1 30-30z"/>',
    '<path d="M0 0a30 30 0 0 1 30 30a30 30 0 0 1-30-30z"/>',
    '<path d="M0 15a15 15 0 0 1 30 0z"/>',
    '<path d="M0 30L15 0L30 30z"/>',
    '<path fill-rule="evenodd" d="M15 2a13 13 0 1 0 .01 0zM15 9a6 6 0 1 1-.01 0z"/>',
)


def tile(category: str | None, item: object) -> str:
    """Draw an SVG for an item: its category decides colours and initial, the item itself how the shapes lie."""
    name = category or "?"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    strong, other = (_COLOURS[n] for n in rng.permutation(len(_COLOURS))[:2])
    rng = np.random.default_rng([zlib.crc32(name.encode()), zlib.crc32(str(item).encode())])
    cells = [
        f'<g transform="translate({_CELL * column} {_CELL * row})" fill="{colour}">{_SHAPES[rng.integers(len(_SHAPES))]}</g>'
        for (column, row), colour in zip([(1, 0), (0, 1), (1, 1)], rng.permutation([strong, other, other]), strict=True)
    ]
    initial = next((letter for letter in name if letter.isalnum()), "?").upper()
    return (
        f'<svg class="rl-tile" viewBox="0 0 60 60" role="img" aria-label="{escape(name)}">'
        f'<rect width="60" height="60" fill="{other}" fill-opacity=".22"/>{"".join(cells)}'
        f'<rect width="30" height="30" fill="{strong}"/><text x="15" y="21.5" text-anchor="middle">{escape(initial)}</text></svg>'
    )
