// A list that sleeps: its rows stand as they were, whatever is done; only what is sold out by now is struck.

import { make, quietly } from "./cards.js";
import { draw, hueOf } from "./tiles.js";

function build(place, rank) {
  const row = make("li", "sleeper");
  row.dataset.item = String(place.item_id);
  row.style.setProperty("--hue", hueOf(place.category));
  row.classList.toggle("grey", place.category === null);
  const thumb = make("div", "thumb");
  thumb.setAttribute("aria-hidden", "true");
  thumb.append(draw(place.category, place.item_id));
  const name = make("span", "name", quietly(place.title));
  name.title = place.title;
  row.append(make("span", "standing", String(rank + 1)), thumb, name, make("span", "cost"), make("span", "fate"));
  return row;
}

function fill(row, place, gone, { words, number }) {
  row.classList.toggle("gone", gone);
  row.querySelector(".cost").textContent = place.price === null ? words.noPrice : number.format(place.price);
  row.querySelector(".fate").textContent = gone ? words.soldOut : "";
}

// Show a list; soldOut: the ids of which there are none left.
export function show(list, places, soldOut, speaking) {
  if (list.places !== places) {
    list.places = places;
    list.replaceChildren(...places.map(build));
  }
  places.forEach((place, rank) => fill(list.children[rank], place, soldOut.has(place.item_id), speaking));
}
