// The list of cards: one element per item, moved and not made again, so that focus and eye can follow it.

import { draw, hueOf } from "./tiles.js";

const KINDS = { look: "view", cart: "cart", buy: "purchase" };
const VOICES = ["Transformer", "Transitions", "Habit", "Popularity"];
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // never as HTML: a title may hold markup
  return made;
}

// A log's capitals are loud; the words stay, in a quieter voice. An id, which has no spaces, is left alone.
export function quietly(text) {
  const loud = /\s/.test(text) && /\p{Lu}/u.test(text) && !/\p{Ll}/u.test(text);
  return loud ? text[0] + text.slice(1).toLowerCase() : text;
}

export function voiceClass(name) {
  const place = VOICES.indexOf(name);
  return `voice-${place < 0 ? "other" : place}`;
}

export function voiceName(name, words) {
  return words.voices[name] ?? name;
}

// Whoever shows an item may tell that something is done with it; the page hears it.
export function tell(element, place, kind, stock) {
  element.dispatchEvent(new CustomEvent("deed", { bubbles: true, detail: { place, kind, stock } }));
}

function build(place) {
  const card = make("li", "card");
  card.dataset.item = String(place.item_id);
  card.style.setProperty("--hue", hueOf(place.category));
  card.classList.toggle("grey", place.category === null);
  const tile = make("div", "tile");
  tile.append(draw(place.category, place.item_id), make("span", "rank"), make("span", "moved"));
  tile.setAttribute("aria-hidden", "true");
  const words = make("div", "words");
  const voices = make("div", "voices");
  voices.setAttribute("role", "img");
  const origin = make("p", "origin");
  origin.append(make("span", "category"), make("span", "number"));
  words.append(origin, make("h3", "title"), make("p", "facts"), make("p", "because"), voices);
  const actions = make("div", "actions");
  for (const [name, kind] of Object.entries(KINDS)) {
    const button = make("button", name);
    button.type = "button";
    button.addEventListener("click", () => tell(card, card.place, kind));
    actions.append(button);
  }
  const soldOut = make("button", "sold-out");
  soldOut.type = "button";
  soldOut.addEventListener("click", () => tell(card, card.place, "stock"));
  card.append(tile, words, actions, soldOut);
  return card;
}

function facts(place, words, number) {
  const price = place.price === null ? words.noPrice : number.format(place.price);
  const shown = make("span", place.price === null ? "hint" : "price", price);
  if (place.price !== null) shown.prepend(make("span", "unseen", `${words.price} `));
  const stock = place.stock === null ? words.stockUnknown : words.inStock(place.stock);
  return [shown, make("span", "stock", stock)];
}

function because(place, words, lastKind) {
  if (place.because) {
    const itself = String(place.because.item_id) === String(place.item_id);
    const kind = lastKind(place.because.item_id);
    return itself ? words.becauseItself[kind] : words.becauseOf[kind](quietly(place.because.title));
  }
  const loudest = Object.entries(place.shares).sort((a, b) => b[1] - a[1])[0];
  if (!loudest || loudest[1] <= 0) return "";
  return loudest[0] === "Popularity" ? words.becauseAll : words.becauseSum;
}

// Each voice by how much it says, for or against, of all that is said.
function fillVoices(bar, shares, words) {
  const said = Object.entries(shares).filter(([, share]) => share !== 0);
  const loudness = said.reduce((sum, [, share]) => sum + Math.abs(share), 0);
  const parts = said.map(([name, share]) => ({ name, share, percent: Math.round((100 * Math.abs(share)) / loudness) }));
  const texts = parts.map(({ name, share, percent }) => {
    const voice = voiceName(name, words);
    return `${share < 0 ? words.against(voice) : voice} ${percent} %`;
  });
  bar.setAttribute("aria-label", `${words.legend}: ${texts.join(", ")}`);
  bar.title = texts.join(" · ");
  bar.replaceChildren(
    ...parts.map(({ name, share, percent }) => {
      const part = make("span", `${voiceClass(name)}${share < 0 ? " against" : ""}`);
      part.style.flexGrow = String(Math.max(percent, 1));
      return part;
    }),
  );
}

function fill(card, place, rank, words, number, lastKind) {
  const title = quietly(place.title);
  const part = (name) => card.querySelector(`.${name}`);
  card.place = place;
  part("rank").textContent = String(rank + 1);
  part("category").textContent = place.category ?? "";
  part("number").textContent = place.title === String(place.item_id) ? "" : String(place.item_id);
  part("title").textContent = title;
  part("title").title = place.title;
  part("facts").replaceChildren(...facts(place, words, number));
  part("because").textContent = because(place, words, lastKind);
  fillVoices(part("voices"), place.shares, words);
  const buttons = { look: [words.look, words.lookItem], cart: [words.toCart, words.cartItem], buy: [words.buy, words.buyItem] };
  for (const [name, [word, sentence]] of Object.entries({ ...buttons, "sold-out": [words.setSoldOut, words.setSoldOutItem] })) {
    part(name).textContent = word;
    part(name).setAttribute("aria-label", sentence(title));
  }
}

function markMove(card, before, now, words) {
  const moved = card.querySelector(".moved");
  const steps = before - now;
  moved.className = `moved ${before < 0 ? "fresh" : steps > 0 ? "up" : "down"}`;
  moved.textContent = before < 0 ? words.fresh : steps ? `${steps > 0 ? "↑" : "↓"} ${Math.abs(steps)}` : "";
}

// Show a list in a container; returns how many of it were not shown before.
// compared: whether the list before it was this shopper's too, so that one may say what moved
export function show(list, places, compared, { words, number, lastKind }) {
  const cards = new Map([...list.children].map((card) => [card.dataset.item, card]));
  const order = [...cards.keys()];
  const follows = compared && order.length > 0;
  const froms = new Map([...cards].map(([item, card]) => [item, card.getBoundingClientRect()]));
  const focused = focusOf(list);
  const next = places.map((place, rank) => {
    const item = String(place.item_id);
    const card = cards.get(item) ?? build(place);
    fill(card, place, rank, words, number, lastKind);
    markMove(card, follows ? order.indexOf(item) : rank, rank, words);
    return card;
  });
  list.replaceChildren(...next);
  refocus(list, focused);
  if (follows) next.forEach((card) => glide(card, froms.get(card.dataset.item)));
  return places.filter((place) => !cards.has(String(place.item_id))).length;
}

// Say everything again in other words, in the same order.
export function reword(list, { words, number, lastKind }) {
  [...list.children].forEach((card, rank) => {
    fill(card, card.place, rank, words, number, lastKind);
    const fresh = card.querySelector(".moved.fresh");
    if (fresh) fresh.textContent = words.fresh;
  });
}

function focusOf(list) {
  const held = document.activeElement;
  const card = held?.closest?.(".card");
  return card && list.contains(card) ? { held, card, place: [...list.children].indexOf(card) } : null;
}

// Moving an element takes its focus away: give it back, or to whoever took the place of one that left.
function refocus(list, focused) {
  if (!focused) return;
  const heir = list.children[Math.min(focused.place, list.children.length - 1)];
  const target = focused.card.isConnected ? focused.held : (heir?.querySelector("button") ?? list);
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest" });
}

function glide(card, from) {
  if (calm.matches) return;
  const easing = "cubic-bezier(.22, .8, .24, 1)";
  if (!from) {
    card.animate([{ opacity: 0, transform: "translateY(10px)" }, { opacity: 1, transform: "none" }], { duration: 320, easing });
    return;
  }
  const to = card.getBoundingClientRect();
  const [x, y] = [from.left - to.left, from.top - to.top];
  if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], { duration: 420, easing });
}
