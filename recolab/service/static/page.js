// The live shop: what is done goes to the service, and the list that comes back is shown at once.

import * as cards from "./cards.js";
import * as deeds from "./deeds.js";
import * as door from "./door.js";
import * as kept from "./kept.js";
import * as lists from "./lists.js";
import { ask, Trouble } from "./service.js";
import * as showing from "./showing.js";
import { at, state, stranger, words } from "./state.js";

const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];

// Asking

// With the key as the shopper; without it, or where it is refused, as a stranger who did what was done in this tab.
async function askList() {
  const [shopper, key, terms] = [state.shopper, state.key, lists.termsOf(at("filters"))];
  if (!key) return lists.forStranger(deeds.session(shopper), deeds.bought(shopper), terms);
  try {
    return await lists.forShopper(shopper, terms, key);
  } catch (trouble) {
    if (trouble.kind !== "key") throw trouble;
    door.forgetKey(trouble.key);
    return askList();
  }
}

async function refresh(event = null) {
  state.asked += 1;
  const [mine, asked] = [state.asked, Date.now()];
  const { places, ms } = await askList();
  if (mine !== state.asked) return;
  state.took = { list: ms, event };
  showing.showList(places, { shopper: state.shopper, asked });
  if (!state.popular) await askPopular();
}

// Once: it hears nothing of what is done here.
async function askPopular() {
  state.popular = (await lists.forEverybody()).places;
  showing.showAsleep();
}

// Send what waits and ask for the list; whatever goes wrong is said, and what waits goes on waiting.
async function work() {
  clearTimeout(state.retry);
  const sent = await tried(deeds.flush(() => state.key));
  showing.showVisit();
  if (sent.trouble?.kind === "key") {
    door.forgetKey(sent.trouble.key);
    if (state.key) return work(); // another was given meanwhile
  }
  // What does not answer an event does not answer for a list.
  const listed = sent.trouble?.passes ? {} : await tried(refresh(sent.value));
  settle(listed.trouble ?? sent.trouble ?? null);
}

async function tried(promise) {
  try {
    return { value: await promise };
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    return { trouble };
  }
}

function settle(trouble) {
  state.trouble = trouble;
  if (trouble?.kind !== state.closed) state.closed = null;
  state.failed = trouble?.passes ? state.failed + 1 : 0;
  const again = trouble?.passes || (trouble && state.key && deeds.waiting().length > 0);
  clearTimeout(state.retry);
  if (again) state.retry = setTimeout(work, RETRY_MS[Math.min(state.failed, RETRY_MS.length - 1)]);
  showing.showTrouble();
  showing.showSpeed();
}

function act(place, kind, stock = 0) {
  const deed = { user: state.shopper, item: place.item_id, title: place.title, kind };
  const number = deeds.add(kind === "stock" ? { ...deed, stock } : deed);
  if (kind === "purchase" && place.stock !== null) {
    const before = deeds.stockSince(place.item_id, state.listed.asked) ?? place.stock;
    deeds.add({ ...deed, kind: "stock", stock: Math.max(before - 1, 0), purchase: number });
  }
  showing.showVisit();
  return work();
}

// Wiring

function keepKey(submitted) {
  submitted.preventDefault();
  state.later = false;
  door.setKey(at("key").value.trim());
  at("key-dialog").close();
  work();
}

function become(user) {
  state.shopper = user;
  state.asked += 1; // what is under way is another's list
  at("shopper").value = user;
  kept.shopper.set(user);
  work();
}

let soon = null;
function refreshSoon() {
  showing.showVariety();
  clearTimeout(soon);
  soon = setTimeout(work, 120);
}

function clearFilters() {
  at("filters").reset();
  refreshSoon();
}

function letNightPass() {
  state.nightly = state.places;
  showing.showAsleep();
  showing.say(words().nightPassed);
}

function tryAgain() {
  state.later = false;
  work();
}

async function fillCategories() {
  const { data } = await ask("GET", "/categories");
  const options = data.categories.map((name) => new Option(cards.quietly(name), name));
  at("category").replaceChildren(new Option(words().allCategories, ""), ...options);
}

function speak(language) {
  state.language = language;
  kept.language.set(language);
  showing.showWords();
}

function wireForms() {
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
}

function wireKey() {
  const later = () => {
    state.later = true;
    at("key-dialog").close();
  };
  at("key-button").addEventListener("click", () => door.askKey(false));
  at("key-form").addEventListener("submit", keepKey);
  at("key-later").addEventListener("click", later);
  at("key-dialog").addEventListener("cancel", later);
  at("key-dialog").addEventListener("close", door.leaveDialog);
}

function wire() {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  wireForms();
  wireKey();
  at("night").addEventListener("click", letNightPass);
  at("try-again").addEventListener("click", tryAgain);
  at("dismiss").addEventListener("click", () => {
    state.closed = state.trouble?.kind ?? null;
    showing.showTrouble();
  });
  document.addEventListener("deed", ({ detail }) => act(detail.place, detail.kind, detail.stock));
  window.addEventListener("online", work);
}

kept.shopper.set(state.shopper);
at("shopper").value = state.shopper;
at("category").replaceChildren(new Option(words().allCategories, ""));
at("controls").open = !window.matchMedia("(max-width: 820px)").matches;
wire();
showing.showWords();
work();
fillCategories().catch(() => {}); // the list's own trouble says it
