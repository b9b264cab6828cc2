// From what the page knows to what is seen of it, and heard by whoever does not see.

import * as cards from "./cards.js";
import * as deeds from "./deeds.js";
import * as histogram from "./histogram.js";
import * as rows from "./rows.js";
import { brief } from "./speed.js";
import { at, state, words } from "./state.js";
import * as visit from "./visit.js";
import { HTML_LANG } from "./words.js";

function speaking() {
  const number = new Intl.NumberFormat(HTML_LANG[state.language], { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return { words: words(), number, lastKind: (item) => deeds.lastKind(state.shopper, item) };
}

export function showWords() {
  document.documentElement.lang = HTML_LANG[state.language];
  document.title = `${words().shop} · recolab`;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = words()[element.dataset.word];
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", words()[element.dataset.label]);
  for (const element of document.querySelectorAll("[data-title]")) element.title = words()[element.dataset.title];
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === state.language));
  }
  at("category").options[0]?.replaceChildren(words().allCategories);
  cards.reword(at("cards"), speaking());
  showVariety();
  showKey();
  showVisit();
  showTrouble();
  showAround();
  showSpeed();
}

export function showList(places, listed) {
  const before = state.listed.shopper;
  const itemsOf = (list) => list.map((place) => place.item_id).join();
  const same = itemsOf(places) === itemsOf(state.places);
  Object.assign(state, { places, listed });
  if (before !== listed.shopper) state.nightly = places;
  const fresh = cards.show(at("cards"), places, before === listed.shopper, speaking());
  showAround();
  showAsleep();
  if (before !== null) announce(before === listed.shopper ? { fresh, same } : null);
}

function showAround() {
  at("list-title").textContent = words().listFor(state.shopper);
  const ms = (value) => (value === null ? null : brief(value));
  at("latency").textContent = state.took.list === null ? "" : words().latency(ms(state.took.list), ms(state.took.event));
  at("empty").hidden = state.took.list === null || state.places.length > 0;
  const silent = (place) => Object.values(place.shares).every((share) => share === 0);
  at("note").hidden = !state.places.length || !state.places.every(silent);
  at("keyless").hidden = Boolean(state.key) || !at("note").hidden;
  showLegend();
  const chosen = at("keeper-item").value;
  at("keeper-item").replaceChildren(...state.places.map((place) => new Option(cards.quietly(place.title), place.item_id)));
  if (state.places.some((place) => String(place.item_id) === chosen)) at("keeper-item").value = chosen;
}

function showLegend() {
  const names = Object.keys(state.places[0]?.shares ?? {});
  at("legend").replaceChildren(
    ...names.map((name) => {
      const row = cards.make("li", "", cards.voiceName(name, words()));
      row.prepend(cards.make("span", `dot ${cards.voiceClass(name)}`));
      return row;
    }),
  );
}

// The two lists that do not hear the clicks.
export function showAsleep() {
  const soldOut = new Set(deeds.soldOut().map((deed) => deed.item));
  rows.show(at("nightly"), state.nightly, soldOut, speaking());
  rows.show(at("popular"), state.popular ?? [], soldOut, speaking());
}

export function showVisit() {
  at("visit-empty").hidden = visit.show(at("visit"), at("sold-out"), state.shopper, words());
  showAsleep();
}

export function showTrouble() {
  const { trouble } = state;
  at("trouble").hidden = !trouble || trouble.kind === state.closed;
  if (!trouble) return;
  const said = words().trouble[trouble.kind];
  at("trouble-words").textContent = typeof said === "function" ? said(trouble.detail) : said;
}

export function showSpeed() {
  histogram.show(at("histogram"), at("speed-told"), words());
}

export function showKey() {
  at("key-button").classList.toggle("kept", Boolean(state.key));
  at("key-state").textContent = state.key ? words().keyKept : words().keyMissing;
}

export function showVariety() {
  const value = Number(at("variety").value);
  at("variety-told").textContent = value ? `${Math.round(value * 100)} %` : words().varietyNone;
  at("variety").setAttribute("aria-valuetext", at("variety-told").textContent);
}

// change: null where the list before was another shopper's
function announce(change) {
  const [n, titles] = [state.places.length, state.places.slice(0, 3).map((place) => cards.quietly(place.title))];
  if (!change) say(words().begun(state.shopper, n, titles));
  else if (change.same) say(words().unchanged);
  else say(n ? words().changed(n, change.fresh, titles) : words().emptied);
}

export function say(said) {
  // The same words again would not be read out.
  at("announce").textContent = said === at("announce").textContent ? `${said}\u00a0` : said;
}
