"""The shop as HTML that needs no kernel: cards, lists, what was done, and how long each click took; every word escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby, zip_longest

import numpy as np

from recolab.plots.style import BLUE, FAINT, GREY, INK, KIND_COLOURS, PAPER, QUIET, RED
from recolab.storefront.tiles import tile
from recolab.storefront.visit import DEEDS, LIVE, NIGHTLY, POPULAR, Click, Place, Storefront, spoken

HEADS = {
    LIVE: ("Live", "knows the last click", RED),
    NIGHTLY: ("Nightly batch", "the same list, as of last night", BLUE),
    POPULAR: ("Popularity", "the same for everybody", GREY),
}
_SHOWN = 40  # newest clicks whose time is drawn
_TOLD = 5  # newest deeds that are told in words

STYLE = f"""<style>
.rl-shop, .rl-shop * {{ box-sizing: border-box; line-height: 1.3; }}
.rl-shop {{ background: {PAPER}; color: {INK}; font: 13px system-ui, sans-serif; border: 1px solid {FAINT}; border-radius: 10px; padding: 14px; }}
.rl-lists {{ display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px 14px; margin-bottom: 10px; }}
.rl-head {{ border-top: 4px solid var(--rl); padding: 7px 0 5px; font: 13px system-ui, sans-serif; line-height: 1.3; color: {INK}; }}
.rl-head b {{ font-size: 15px; }} .rl-head span, .rl-quiet {{ color: {QUIET}; font-size: 12px; }}
.rl-card {{ display: flex; gap: 10px; background: #fff; color: {INK}; border: 1px solid {FAINT}; border-radius: 8px; padding: 8px; min-height: 84px; height: 100%; white-space: normal; }}
.rl-card > div {{ flex: 1; min-width: 0; overflow-wrap: anywhere; font: 13px system-ui, sans-serif; line-height: 1.3; }}
.rl-card svg.rl-tile {{ width: 60px; height: 60px; flex: none; align-self: flex-start; border-radius: 6px; }}
.rl-tile text {{ fill: #fff; font: bold 18px system-ui, sans-serif; }}
.rl-name {{ font-weight: 600; }} .rl-price {{ font-weight: 600; margin-right: 6px; }}
.rl-why {{ color: {RED}; font-size: 12px; font-style: italic; }}
.rl-mark {{ float: right; margin-left: 6px; border-radius: 9px; padding: 0 7px; font-size: 11px; font-weight: 600; color: #fff; background: {RED}; }}
.rl-down {{ background: {GREY}; }} .rl-gone {{ background: {INK}; }}
.rl-out .rl-tile {{ filter: grayscale(1); opacity: .45; }} .rl-out .rl-name, .rl-out .rl-price {{ color: {QUIET}; text-decoration: line-through; }}
.rl-bar {{ display: grid; grid-template-columns: 1fr auto; gap: 18px; align-items: end; margin-bottom: 10px; color: {INK}; font: 13px system-ui, sans-serif; line-height: 1.3; }}
.rl-deed {{ display: inline-block; margin: 3px 4px 0 0; padding: 1px 8px; border-radius: 9px; background: #fff; border: 1px solid {FAINT}; font-size: 12px; }}
.rl-deed::before {{ content: "●"; color: var(--rl); margin-right: 5px; }}
.rl-shop .jupyter-button {{ background: #fff; color: {INK}; border: 1px solid {FAINT}; border-radius: 6px; font-size: 12px; line-height: 24px; }}
.rl-shop .jupyter-button.rl-buy {{ background: {BLUE}; border-color: {BLUE}; color: #fff; }}
.rl-shop .jupyter-button:hover:enabled {{ border-color: {INK}; box-shadow: none; }}
</style>"""


def page(store: Storefront) -> str:
    """Draw the whole shop as it stands now."""
    lists = store.lists
    heads = "".join(head(name) for name in lists)
    rows = zip_longest(*lists.values())  # by rank, so that cards of one row are equally high
    cards = "".join(card(place) if place else "<div></div>" for row in rows for place in row)
    return f'{STYLE}<div class="rl-shop">{top(store)}<div class="rl-lists">{heads}{cards}</div>{foot(store)}</div>'


def head(name: str) -> str:
    """Say over a list whose it is."""
    title, what, colour = HEADS[name]
    return f'<div class="rl-head" style="--rl:{colour}"><b>{title}</b> <span>{what}</span></div>'


def card(place: Place) -> str:
    """Draw one item: its tile, its name, what it costs, how many there are, and why it stands here."""
    one, gone = place.card, place.sold_out
    price = "price unknown" if one.price is None else f"{one.price:,.2f}"
    left = "" if one.stock is None or gone else f"{one.stock:,.0f} left"
    why = f'<div class="rl-why">{escape(place.because)}</div>' if place.because else ""
    return (
        f'<div class="rl-card{" rl-out" if gone else ""}">{tile(one.category, one.item)}<div>{_mark(place)}'
        f'<div class="rl-name">{escape(spoken(one.title))}</div><div class="rl-quiet">{escape(spoken(one.category or ""))}</div>'
        f'<span class="rl-price">{price}</span><span class="rl-quiet">{left}</span>{why}</div></div>'
    )


def top(store: Storefront) -> str:
    """Say who is here, what they did last, and how long the shop took to answer."""
    deeds = [list(same) for _, same in groupby(store.clicks, key=lambda click: (click.kind, click.card.item))]
    told = "".join(_deed(same[-1], len(same)) for same in deeds[-_TOLD:])
    before = '<span class="rl-quiet">… </span>' if len(deeds) > _TOLD else ""
    words = before + told or '<span class="rl-quiet">has done nothing yet</span>'
    who = f"<b>Shopper {escape(str(store.user))}</b>"
    return f'<div class="rl-bar"><div>{who}<br>{words}</div>{latencies(store.clicks)}</div>'


def foot(store: Storefront) -> str:
    """Say what is not real here."""
    stock = f" Its stock is not known either: simulated, drawn from seed {store.seed}." if store.simulated else ""
    text = f"The catalog has no pictures: each tile is drawn from the item's category.{stock}"
    return f'<div class="rl-quiet" style="font-family:system-ui,sans-serif;line-height:1.3">{text}</div>'


def latencies(clicks: Sequence[Click]) -> str:
    """Draw a bar for each click, as high as its answer took long, and say the median and the longest."""
    if not clicks:
        return '<div class="rl-quiet">no click yet, so nothing was measured</div>'
    took = np.array([click.milliseconds for click in clicks])
    shown, heights = clicks[-_SHOWN:], np.maximum(32 * took[-_SHOWN:] / took[-_SHOWN:].max(), 1)
    bars = "".join(
        f'<rect x="{7 * n}" y="{34 - height:.1f}" width="5" height="{height:.1f}" rx="1" fill="{KIND_COLOURS[click.kind]}"/>'
        for n, (click, height) in enumerate(zip(shown, heights, strict=True))
    )
    width = 7 * len(shown)
    chart = f'<svg width="{width}" height="34" role="img" aria-label="milliseconds of each click">{bars}</svg>'
    many = f"{len(clicks)} clicks" if len(clicks) > 1 else "1 click"
    text = f"{many}, half answered within {np.median(took):.1f} ms, the slowest in {took.max():.1f} ms"
    return f'<div class="rl-quiet" style="text-align:right">{chart}<br>{text}</div>'


def _deed(click: Click, times: int) -> str:
    words = DEEDS[click.kind].format(escape(spoken(click.card.title))) + (f" × {times}" if times > 1 else "")
    return f'<span class="rl-deed" style="--rl:{KIND_COLOURS[click.kind]}">{words}</span>'


def _mark(place: Place) -> str:
    """Say beside an item that it is gone, new, or where it moved."""
    if place.sold_out:
        return '<span class="rl-mark rl-gone">sold out</span>'
    if place.moved is None:
        return '<span class="rl-mark">new</span>'
    if place.moved > 0:
        return f'<span class="rl-mark">▲ {place.moved}</span>'
    return f'<span class="rl-mark rl-down">▼ {-place.moved}</span>' if place.moved < 0 else ""
