// What was done here, told: the shopper's visit, and what is sold out by it.

import { make, quietly, tell } from "./cards.js";
import * as deeds from "./deeds.js";

const TOLD = 8; // newest deeds

function deedRow(deed, words) {
  const row = make("li", `deed ${deed.kind} ${deed.state}`);
  const verb = deed.kind === "stock" ? words.stock(deed.stock) : words[deed.kind];
  row.append(make("span", "verb", verb), make("span", "what", quietly(deed.title)));
  if (deed.state !== "taken") row.append(make("span", "state", words[deed.state]));
  return row;
}

function soldOutRow(deed, words) {
  const [row, title] = [make("li", "deed"), quietly(deed.title)];
  const button = make("button", "", words.restock);
  button.type = "button";
  button.setAttribute("aria-label", words.restockItem(title));
  button.addEventListener("click", () => tell(button, { item_id: deed.item, title: deed.title }, "stock", 10));
  row.append(make("span", "what", title), button);
  return row;
}

// Fill both lists  ->  whether there is anything to tell of the visit.
export function show(visit, soldOut, shopper, words) {
  const rows = [...deeds.of(shopper), ...deeds.keeperWaits()].reverse().slice(0, TOLD);
  visit.replaceChildren(...rows.map((deed) => deedRow(deed, words)));
  soldOut.replaceChildren(...deeds.soldOut().map((deed) => soldOutRow(deed, words)));
  return rows.length > 0;
}
