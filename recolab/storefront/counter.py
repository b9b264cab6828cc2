"""The shop with buttons, for JupyterLab: ipywidgets that show a visit and click for the shopper."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from recolab.schema import CART, PURCHASE, VIEW
from recolab.storefront import pages
from recolab.storefront.visit import Place, Storefront

_WORDS = {VIEW: "look", CART: "cart", PURCHASE: "buy"}
_BUTTON = {"width": "auto", "flex": "1 1 0", "height": "26px"}
_WHOLE = {"width": "auto", "margin": "0"}  # of the room there is


class Slot:
    """A place of a list: one card and its buttons, which change hands when the list does."""

    def __init__(self, store: Storefront) -> None:
        self.item: Any = None  # nobody clicks where none is shown
        self.card = widgets.HTML(layout=_WHOLE)
        self.buttons = {kind: widgets.Button(description=word, layout=_BUTTON) for kind, word in _WORDS.items()}
        for kind, button in self.buttons.items():
            button.on_click(lambda _, kind=kind: store.click(self.item, kind))  # type: ignore[arg-type]
        self.buttons[PURCHASE].add_class("rl-buy")
        self.row = widgets.HBox(list(self.buttons.values()), layout={"margin": "0 0 8px"})

    def show(self, place: Place | None) -> None:
        """Put an item here, or nothing where the list is shorter."""
        for part in (self.card, self.row):  # hidden, but in its place: the grid counts it
            part.layout.visibility = "visible" if place else "hidden"
        if place:
            self.item, self.card.value = place.card.item, pages.card(place)
            self.buttons[CART].disabled = self.buttons[PURCHASE].disabled = place.sold_out


class Counter:
    """A visit with buttons on each card; where no kernel runs, as in a report, the page stands in their place."""

    def __init__(self, store: Storefront) -> None:
        self.store = store
        self.slots = {name: [Slot(store) for _ in range(store.k)] for name in pages.HEADS}
        self.night = widgets.Button(description="let the night pass", tooltip="the nightly batch runs again")
        self.night.on_click(lambda _: store.night())
        self._top, foot = widgets.HTML(layout=_WHOLE), widgets.HTML(pages.foot(store), layout=_WHOLE)
        self.box = widgets.VBox([self._top, self._shelves(), self.night, foot], layout={"overflow": "hidden"})
        self.box.add_class("rl-shop")
        store.watch(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the visit as it is now."""
        self._top.value = pages.STYLE + pages.top(self.store)
        for name, places in self.store.lists.items():
            for number, slot in enumerate(self.slots[name]):
                slot.show(places[number] if number < len(places) else None)

    def _shelves(self) -> Any:
        """Lay the lists out row by row, so that places of one rank stand beside each other."""
        heads = [widgets.HTML(pages.head(name), layout=_WHOLE) for name in self.slots]
        rows = list(zip(*self.slots.values(), strict=True))
        parts = [part for row in rows for part in (*(slot.card for slot in row), *(slot.row for slot in row))]
        layout = {"grid_template_columns": "repeat(3, minmax(0, 1fr))", "grid_gap": "0 14px"}
        return widgets.GridBox([*heads, *parts], layout=layout | _WHOLE)

    def _repr_mimebundle_(self, **told: Any) -> dict[str, Any]:
        """Give JupyterLab the widgets, and who cannot run them the page."""
        return dict(self.box._repr_mimebundle_(**told)) | {"text/html": pages.page(self.store)}
