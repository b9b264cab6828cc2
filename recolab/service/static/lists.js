// Asking for lists: a shopper's own wants the key; a stranger's is made of what is told with it, and is anybody's.

import { ask } from "./service.js";

export const PLACES = 12;
const AGAIN = { not_bought_days: 0 }; // else nothing comes back that was ever bought

// What the filters ask of a list.
export function termsOf({ elements }) {
  const value = (id) => elements[id].value;
  const terms = { k: PLACES, reasons: true, variety: Number(value("variety")) };
  if (value("category")) terms.categories = [value("category")];
  if (value("min-price")) terms.min_price = Number(value("min-price"));
  if (value("max-price")) terms.max_price = Number(value("max-price"));
  return elements.again.checked ? { ...terms, ...AGAIN } : terms;
}

export async function forShopper(user, terms, key) {
  const pairs = Object.entries({ user_id: user, ...terms }).flatMap(([name, told]) => [told].flat().map((one) => [name, one]));
  return placesOf(await ask("GET", `/recommendations?${new URLSearchParams(pairs)}`, { key }));
}

// The service takes all that it is told for looks; what was bought among it is left out here.
export async function forStranger(items, bought, terms) {
  const exclude = "not_bought_days" in terms ? [] : bought;
  return placesOf(await ask("POST", "/recommendations", { body: { items, ...terms, exclude } }));
}

export async function forEverybody() {
  return placesOf(await ask("POST", "/recommendations", { body: { items: [], k: PLACES } }));
}

const placesOf = ({ data, ms }) => ({ places: data.items, ms });
