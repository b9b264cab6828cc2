// The live shop: what is done goes to the service, and the list that comes back is shown at once.

import * as cards from "./cards.js";
import * as deeds from "./deeds.js";
import * as kept from "./kept.js";
import { ask } from "./service.js";
import { HTML_LANG, WORDS } from "./words.js";

const PLACES = 12;
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];
const at = (id) => document.getElementById(id);

const state = {
  language: kept.language.get() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"),
  shopper: kept.shopper.get() ?? stranger(),
  key: kept.key.get() ?? "",
  places: [],
  took: { list: null, event: null },
  trouble: null,
  asked: 0, // lists: only the newest answer is shown
  failed: 0, // tries in a row
  retry: null,
};

function stranger() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `guest-${number.toString(36)}`;
}

const words = () => WORDS[state.language];

function speaking() {
  const number = new Intl.NumberFormat(HTML_LANG[state.language], { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return { words: words(), number, lastKind, act };
}

// What this shopper did last with an item, here; "past" where that was before.
function lastKind(item) {
  const found = deeds.of(state.shopper).filter((deed) => String(deed.item) === String(item) && deed.state === "taken");
  return found.at(-1)?.kind ?? "past";
}

// Asking

function question() {
  const asked = new URLSearchParams({ user_id: state.shopper, k: PLACES, reasons: true, variety: at("variety").value });
  const told = { categories: at("category").value, min_price: at("min-price").value, max_price: at("max-price").value };
  for (const [name, value] of Object.entries(told)) if (value !== "") asked.set(name, value);
  return `/recommendations?${asked}`;
}

async function refresh(event = null) {
  state.asked += 1;
  const mine = state.asked;
  const { data, ms } = await ask("GET", question());
  if (mine !== state.asked) return;
  const same = data.items.map((place) => place.item_id).join() === state.places.map((place) => place.item_id).join();
  state.took = { list: ms, event };
  state.places = data.items;
  const fresh = cards.show(at("cards"), state.places, speaking());
  showAround();
  announce(fresh, same);
}

// Send what waits and ask for the list; whatever goes wrong is said, and what waits goes on waiting.
async function work() {
  clearTimeout(state.retry);
  try {
    const event = await deeds.flush(state.key);
    showVisit();
    await refresh(event);
    settle(null);
  } catch (trouble) {
    if (!trouble.kind) throw trouble;
    showVisit();
    settle(trouble);
    if (trouble.kind === "key") {
      askKey(Boolean(state.key));
      await refresh().catch(() => {});
    }
  }
}

function settle(trouble) {
  state.trouble = trouble;
  state.failed = trouble?.passes ? state.failed + 1 : 0;
  const again = trouble && trouble.kind !== "key" && (trouble.passes || deeds.waiting().length > 0);
  if (again) state.retry = setTimeout(work, RETRY_MS[Math.min(state.failed, RETRY_MS.length - 1)]);
  showTrouble();
}

function act(place, kind, stock = 0) {
  const deed = { user: state.shopper, item: place.item_id, title: place.title, kind };
  deeds.add(kind === "stock" ? { ...deed, stock } : deed);
  showVisit();
  return work();
}

// Showing

function showWords() {
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
}

function showAround() {
  at("list-title").textContent = words().listFor(state.shopper);
  const ms = (value) => (value === null ? null : value < 10 ? value.toFixed(1) : String(Math.round(value)));
  at("latency").textContent = state.took.list === null ? "" : words().latency(ms(state.took.list), ms(state.took.event));
  at("empty").hidden = state.took.list === null || state.places.length > 0;
  const silent = (place) => Object.values(place.shares).every((share) => share === 0);
  at("note").hidden = !state.places.length || !state.places.every(silent);
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

function deedRow(deed) {
  const row = cards.make("li", `deed ${deed.kind} ${deed.state}`);
  const verb = deed.kind === "stock" ? words().stock(deed.stock) : words()[deed.kind];
  row.append(cards.make("span", "verb", verb), cards.make("span", "what", cards.quietly(deed.title)));
  if (deed.state !== "taken") row.append(cards.make("span", "state", words()[deed.state]));
  return row;
}

function showVisit() {
  // What the shop-keeper did is no part of a visit, but while it waits it shall be seen.
  const unsent = deeds.all().filter((deed) => deed.kind === "stock" && deed.state === "waiting");
  const rows = [...deeds.of(state.shopper), ...unsent].reverse().slice(0, 8);
  at("visit").replaceChildren(...rows.map(deedRow));
  at("visit-empty").hidden = rows.length > 0;
  at("sold-out").replaceChildren(...deeds.soldOut().map(soldOutRow));
}

function soldOutRow(deed) {
  const [row, title] = [cards.make("li", "deed"), cards.quietly(deed.title)];
  const button = cards.make("button", "", words().restock);
  button.type = "button";
  button.setAttribute("aria-label", words().restockItem(title));
  button.addEventListener("click", () => act({ item_id: deed.item, title: deed.title }, "stock", 10));
  row.append(cards.make("span", "what", title), button);
  return row;
}

function showTrouble() {
  const { trouble } = state;
  at("trouble").hidden = !trouble;
  if (!trouble) return;
  const said = words().trouble[trouble.kind];
  at("trouble-words").textContent = typeof said === "function" ? said(trouble.detail) : said;
}

function showKey() {
  at("key-button").classList.toggle("kept", Boolean(state.key));
  at("key-state").textContent = state.key ? words().keyKept : words().keyMissing;
}

function showVariety() {
  const value = Number(at("variety").value);
  at("variety-told").textContent = value ? `${Math.round(value * 100)} %` : words().varietyNone;
  at("variety").setAttribute("aria-valuetext", at("variety-told").textContent);
}

function announce(fresh, same) {
  if (fresh === null) return;
  const titles = state.places.slice(0, 3).map((place) => cards.quietly(place.title));
  const changed = titles.length ? words().changed(state.places.length, fresh, titles) : words().emptied;
  const said = same ? words().unchanged : changed;
  // The same words again would not be read out.
  at("announce").textContent = said === at("announce").textContent ? `${said}\u00a0` : said;
}

// The key

function askKey(wrong) {
  at("key-wrong").textContent = wrong ? words().keyWrong : "";
  at("key").value = "";
  if (!at("key-dialog").open) at("key-dialog").showModal();
}

function keepKey(submitted) {
  submitted.preventDefault();
  state.key = at("key").value.trim();
  kept.key.set(state.key);
  showKey();
  at("key-dialog").close();
  work();
}

// Wiring

function become(user) {
  state.shopper = user;
  at("shopper").value = user;
  kept.shopper.set(user);
  state.took.event = null;
  work();
}

let soon = null;
function refreshSoon() {
  showVariety();
  clearTimeout(soon);
  soon = setTimeout(work, 120);
}

function clearFilters() {
  at("filters").reset();
  refreshSoon();
}

async function fillCategories() {
  const { data } = await ask("GET", "/categories");
  const options = data.categories.map((name) => new Option(cards.quietly(name), name));
  at("category").replaceChildren(new Option(words().allCategories, ""), ...options);
}

function wire() {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      state.language = button.dataset.language;
      kept.language.set(state.language);
      showWords();
    });
  }
  at("shopper-form").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    if (at("shopper").value.trim()) become(at("shopper").value.trim());
  });
  at("stranger").addEventListener("click", () => become(stranger()));
  at("filters").addEventListener("submit", (submitted) => submitted.preventDefault());
  at("filters").addEventListener("input", refreshSoon);
  at("filters").addEventListener("reset", () => setTimeout(refreshSoon));
  at("clear-too").addEventListener("click", clearFilters);
  at("keeper").addEventListener("toggle", () => document.body.classList.toggle("keeping", at("keeper").open));
  at("keeper-form").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    const place = state.places.find((one) => String(one.item_id) === at("keeper-item").value);
    if (place) act(place, "stock", Number(at("keeper-stock").value));
  });
  at("key-button").addEventListener("click", () => askKey(false));
  at("key-form").addEventListener("submit", keepKey);
  at("key-later").addEventListener("click", () => at("key-dialog").close());
  at("try-again").addEventListener("click", work);
  at("dismiss").addEventListener("click", () => {
    state.trouble = null;
    showTrouble();
  });
  window.addEventListener("online", work);
}

kept.shopper.set(state.shopper);
at("shopper").value = state.shopper;
at("category").replaceChildren(new Option(words().allCategories, ""));
at("controls").open = !window.matchMedia("(max-width: 820px)").matches;
wire();
showWords();
work();
fillCategories().catch(() => {}); // the list's own trouble says it
