// What was done here, in its order: each deed waits until the service has taken it, also over a reload.

import * as kept from "./kept.js";
import { ask, Trouble } from "./service.js";

const REMEMBERED = 300;
const MOST_ITEMS = 100; // of a stranger's session
const LATE_MS = 1500; // after which a deed tells its own time

let deeds = kept.deeds.get() ?? [];
let sending = null;

export const of = (user) => deeds.filter((deed) => deed.user === user && deed.kind !== "stock");
export const waiting = () => deeds.filter((deed) => deed.state === "waiting");
// What the shop-keeper did is no part of a visit, but while it waits it shall be seen.
export const keeperWaits = () => waiting().filter((deed) => deed.kind === "stock" && !deed.purchase);

const heard = (user) => of(user).filter((deed) => deed.state !== "refused");
export const session = (user) => heard(user).slice(-MOST_ITEMS).map((deed) => deed.item);
export const bought = (user) => [...new Set(heard(user).filter((deed) => deed.kind === "purchase").map((deed) => deed.item))];

// What this shopper did last with an item, here; "past" where that was before.
export function lastKind(user, item) {
  return heard(user).findLast((deed) => String(deed.item) === String(item))?.kind ?? "past";
}

// The stock that an item has when all is done that a list, asked at a time, could not know yet; null where it could.
export function stockSince(item, asked) {
  const news = (deed) => deed.state === "waiting" || (deed.state === "taken" && deed.at >= asked);
  return deeds.findLast((deed) => deed.kind === "stock" && deed.item === item && news(deed))?.stock ?? null;
}

// Returns the deed's number.
export function add(deed) {
  const number = (deeds.at(-1)?.number ?? 0) + 1;
  const known = [...deeds, { ...deed, number, at: Date.now(), state: "waiting" }];
  const spare = known.length - REMEMBERED;
  // What waits is never forgotten, however much there is of it.
  deeds = known.filter((one, place) => place >= spare || one.state === "waiting");
  keep();
  return number;
}

// Send what waits, oldest first; throws the Trouble that stopped it. Resolves to the last event's time in ms, or null.
// keyNow: gives the key, which may be another one by the time that a deed is sent.
export function flush(keyNow) {
  sending ??= sendAll(keyNow).finally(() => {
    sending = null;
  });
  return sending;
}

async function sendAll(keyNow) {
  let took = null;
  while (waiting().length) {
    const [deed] = waiting();
    const key = keyNow();
    if (!key) throw new Trouble("key");
    try {
      const { ms } = await send(deed, key);
      if (deed.kind !== "stock") took = ms;
      settle(deed.number, "taken");
    } catch (trouble) {
      // The same words would be refused again, and hold up all that comes after them.
      if (!trouble.passes && trouble.kind !== "key") settle(deed.number, "refused");
      throw trouble;
    }
  }
  return took;
}

function send(deed, key) {
  if (deed.kind === "stock") {
    return ask("PUT", `/items/${encodeURIComponent(deed.item)}`, { body: { stock: deed.stock }, key });
  }
  const late = Date.now() - deed.at > LATE_MS;
  const body = { user_id: deed.user, item_id: deed.item, kind: deed.kind };
  return ask("POST", "/events", { body: late ? { ...body, timestamp: new Date(deed.at).toISOString() } : body, key });
}

function settle(number, state) {
  // A purchase that is refused has taken nothing off the shelf.
  const concerned = (deed) => deed.number === number || (state === "refused" && deed.purchase === number);
  deeds = deeds.map((deed) => (concerned(deed) ? { ...deed, state } : deed));
  keep();
}

function keep() {
  kept.deeds.set(deeds);
}

// The items whose stock was last set to 0 here, or bought to the last one.
export function soldOut() {
  const last = new Map();
  for (const deed of deeds) if (deed.kind === "stock" && deed.state === "taken") last.set(deed.item, deed);
  return [...last.values()].filter((deed) => deed.stock === 0);
}
